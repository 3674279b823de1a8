"""Write what is made from the code: the tables of the reference, and the map of the house in CONTRIBUTING.md.

    python .ci/generate.py            (make generate)

A test compares each file with what this would write, so that the pages and the map stay fresh.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[1]

#: Modules that stand alone: a map of the rooms is clearer without them.
ALONE = {"assets", "connection_forms", "get_provider_info", "source"}
ASSISTANT_TEMPLATE_HEAD = """\
# The Lambda function to which labourers of sosw_airflow report, made from the code.
#
#   aws cloudformation deploy --stack-name sosw-assistant --template-file sosw_assistant.yaml \\
#       --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \\
#       --parameter-overrides Labourers=translate_reviews,render_frames LabourerRoles=translate-role,render-role

"""

GREEN, YELLOW, BLUE = ("#eef6f1", "#7fb89a"), ("#fdf5e9", "#e0ab5c"), ("#eef2fb", "#8aa4d6")


def generated() -> dict[Path, str]:
    """Each file with the text that it must have."""
    pages = {
        "reference/connection": {
            "connection-sosw": _connection("sosw"),
            "connection-labourer": _connection("labourer"),
        },
        "reference/configuration": {"configuration": _configuration()},
        "reference/tables": {"tables": _tables()},
        "reference/errors": {"errors": _errors()},
        "guides/orchestration": {"row changes": _row_changes(), "clauses": _clauses()},
        "reference/metrics": {"metrics": _metrics()},
        "guides/exactly-once": {"transitions": _transitions()},
    }
    files = {}
    for page, blocks in pages.items():
        path = ROOT / "docs" / f"{page}.md"
        text = path.read_text(encoding="utf-8")
        for name, block in blocks.items():
            pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- generated: end -->)", re.DOTALL)
            text, count = pattern.subn(lambda match, table=block: f"{match[1]}\n{table}\n\n{match[2]}", text)
            if count != 1:
                raise LookupError(f"{path} has no place for {name}")
        files[path] = text
    files[ROOT / "docs" / "images" / "house.svg"] = _house()
    files[ROOT / "docs" / "cloudformation" / "sosw_assistant.yaml"] = _assistant_template()
    return files


def _assistant_template() -> str:
    import yaml

    from sosw_airflow.provision.assistant_template import assistant_template

    class Dumper(yaml.SafeDumper):
        """Writes a text of several lines as one block, and no aliases, which CloudFormation refuses."""

        def ignore_aliases(self, _: object) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    template = json.loads(json.dumps(assistant_template()))
    return ASSISTANT_TEMPLATE_HEAD + yaml.dump(template, Dumper=Dumper, sort_keys=False, width=1 << 20)


def _connection(kind: str) -> str:
    from sosw_airflow.config.settings import SoswSettings
    from sosw_airflow.connection_forms import LABOURER_FORM, SOSW_FORM

    form = SOSW_FORM if kind == "sosw" else LABOURER_FORM
    required = {each.name for each in fields(SoswSettings) if each.default is MISSING}
    rows = []
    for name, each in form["conn-fields"].items():
        default = each["schema"].get("default")
        shown = "required" if kind == "sosw" and name in required else f"`{default}`" if default else ""
        rows.append([f"`{name}`", shown, each["description"]])
    return _table(["extra", "default", "meaning"], rows)


def _configuration() -> str:
    from sosw_airflow.get_provider_info import OPTIONS

    rows = []
    for name, option in OPTIONS.items():
        default = f"`{option['default']}`" if option["default"] else "empty"
        rows.append([f"`{name}`", option["type"], default, option["description"]])
    return _table(["option", "type", "default", "meaning"], rows)


def _metrics() -> str:
    from sosw_airflow.jobs.metrics import METRICS

    rows = [[f"`{each.name}`", each.kind.value, each.unit, each.meaning] for each in METRICS]
    return _table(["metric", "kind", "unit", "meaning"], rows)


def _row_changes() -> str:
    from sosw_airflow.orchestration.transitions import ROW_CHANGES

    rows = [[each.source, each.target, ", ".join(f"`{clause}`" for clause in each.clauses)] for each in ROW_CHANGES]
    return _table(["from", "to", "if"], rows)


def _clauses() -> str:
    from sosw_airflow.orchestration.transitions import CLAUSES

    rows = [[f"`{name}`", f"`{condition}`", reason] for name, (condition, reason) in CLAUSES.items()]
    return _table(["name", "condition", "because"], rows)


def _transitions() -> str:
    from sosw_airflow.jobs.transitions import TRANSITIONS, JobState

    rows = []
    for each in TRANSITIONS:
        every = each.sources == tuple(JobState)
        sources = "any" if every else ", ".join(f"`{state.value}`" for state in each.sources)
        rows.append([each.name, sources, f"`{each.target.value}`", each.fenced, each.made_by, each.holds])
    return _table(["change", "from", "to", "attempt", "made by", "afterwards"], rows)


def _tables() -> str:
    from sosw_airflow.stores.tables import TableNames, table_definitions

    names = TableNames(meta_table="sosw_tasks_meta")
    extras = {getattr(names, each.name): each.name for each in fields(TableNames)}
    rows = []
    for table in table_definitions(names):
        keys = _key(table.hash_key) + (f", {_key(table.range_key)}" if table.range_key else "")
        note = f"expires by `{table.ttl_attribute}`" if table.ttl_attribute else ""
        rows.append([f"`{table.name}`", keys, f"`{extras[table.name]}`", note])
        for index in table.indexes:
            kind = "global index" if index.is_global else "local index"
            carries = f", carries {', '.join(f'`{each}`' for each in index.attributes)}" if index.attributes else ""
            extra = extras[index.name]
            shown = f"`{extra}`" if extra != "retry_tasks_index" else ""
            keys = f"{_key(index.hash_key)}, {_key(index.range_key)}"
            rows.append([f"`{index.name}`", keys, shown, f"{kind} of `{table.name}`{carries}"])
    return _table(["table or index", "keys", "extra", ""], rows)


def _key(key: tuple[str, str]) -> str:
    return f"`{key[0]}` {key[1]}"


def _errors() -> str:
    from sosw_airflow import exceptions

    rows = []
    for name, error in vars(exceptions).items():
        public = isinstance(error, type) and issubclass(error, exceptions.SoswError) and not name.startswith("_")
        if public and error is not exceptions.SoswError:
            summary = " ".join((error.__doc__ or "").split("\n\n")[0].split())
            link = f"[`{name}`](../guides/troubleshooting.md#{name.lower()})"
            rows.append([link, summary, "yes" if error.retryable else ""])
    return _table(["error", "", "retried"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


# -- the map of the house ----------------------------------------------------------------------------------------------

WIDTH, HEIGHT, STEP = 196, 52, 68


def _house() -> str:
    rooms = _rooms()
    rows = [[room for room in row if room in rooms] for row in _layers()]
    rows = [row for row in rows if row]
    shell = {room for row in rows[: rows.index(["_compat"]) + 1] for room in row}
    colours = {room: GREEN if room in shell else YELLOW if rooms[room].aws else BLUE for room in rooms}
    height = STEP * len(rows) + 66
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 {height}" width="920" height="{height}"',
            '     role="img" font-family="Segoe UI, Helvetica, Arial, sans-serif" font-size="14" fill="#1f2937">',
            "  <title>The rooms of sosw_airflow, and the imports of each</title>",
            '  <defs><marker id="end" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6"',
            '    orient="auto"><path d="M0 0 10 5 0 10z" fill="#374151"/></marker></defs>',
            f'  <rect x="1" y="1" width="918" height="{height - 2}" rx="10" fill="#ffffff" stroke="#d1d5db"/>',
            f'  <path d="M30 24 V{height - 64}" stroke="#374151" stroke-width="2" marker-end="url(#end)"/>',
            f'  <text transform="translate(22 {height // 2}) rotate(-90)" text-anchor="middle">imports</text>',
            *(
                _box(room, rooms, colours[room], left, 20 + number * STEP)
                for number, row in enumerate(rows)
                for room, left in zip(row, _lefts(len(row)), strict=True)
            ),
            *_legend(height - 32),
            "</svg>",
            "",
        ]
    )


def _lefts(count: int) -> list[int]:
    first = 40 + (880 - count * WIDTH - (count - 1) * 18) // 2
    return [first + place * (WIDTH + 18) for place in range(count)]


@dataclass
class Room:
    """What the imports say of a folder or module of the package."""

    aws: bool = False
    imports: set[str] = field(default_factory=set)


def _layers() -> list[list[str]]:
    """The rooms from the top to the bottom, as the lint has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [each for each in settings["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    return [re.findall(r"\w+", layer) for layer in contract["layers"]]


def _rooms() -> dict[str, Room]:
    import grimp

    graph = grimp.build_graph(
        "sosw_airflow", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    rooms: dict[str, Room] = {}
    for name in graph.modules:
        if not name.startswith("sosw_airflow.") or (room := name.split(".")[1]) in ALONE:
            continue
        found = rooms.setdefault(room, Room())
        for imported in graph.find_modules_directly_imported_by(name):
            found.aws = found.aws or imported in ("boto3", "botocore")
            if imported.startswith("sosw_airflow.") and imported.split(".")[1] not in (room, *ALONE):
                found.imports.add(imported.split(".")[1])
    return rooms


def _reduced(room: str, rooms: dict[str, Room]) -> list[str]:
    """What a room imports, without what these import in turn."""

    def reached(name: str) -> set[str]:
        return rooms[name].imports.union(*(reached(each) for each in rooms[name].imports))

    imports = rooms[room].imports
    return sorted(end for end in imports if not any(end in reached(other) for other in imports))


def _box(room: str, rooms: dict[str, Room], colours: tuple[str, str], x: int, y: int) -> str:
    return (
        f'  <rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{colours[0]}" stroke="{colours[1]}"/>'
        f'<text x="{x + 10}" y="{y + 21}" font-weight="600">{room}</text>'
        f'<text x="{x + 10}" y="{y + 41}" font-size="11">{", ".join(_reduced(room, rooms))}</text>'
    )


def _legend(y: int) -> Iterator[str]:
    for number, (colours, text) in enumerate(
        [(GREEN, "knows Airflow"), (YELLOW, "calls AWS"), (BLUE, "knows none of them")]
    ):
        x = 220 + number * 170
        yield (
            f'  <rect x="{x}" y="{y}" width="16" height="16" rx="3" fill="{colours[0]}" stroke="{colours[1]}"/>'
            f'<text x="{x + 24}" y="{y + 13}">{text}</text>'
        )


def main() -> int:
    """Write the files that are not as they must be, and name them."""
    for path, text in generated().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
