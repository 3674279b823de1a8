"""Flame graphs of the expansion and of the writer, before and after: ``python -m benchmarks.flames``.

py-spy samples a process a few hundred times a second; a box is as wide as the part of the samples that were in the
function. What came before is a commit of this repository, checked out beside and measured by its own benchmarks.
`make bench` installs py-spy.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.emulators.ministack_emulator import ministack_server

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parent.parent
_IMAGES = Path("docs", "images")

#: A commit before pages were ready text, and before nodes were checked together.
_BEFORE = "19517bf"

#: Samples a second, and boxes that are left out because nobody could read them, in percent of the width.
_RATE = 500
_NARROW = 0.9

#: Name -> function of a benchmark and its arguments; a place for the emulator's address.
_WORKLOADS: dict[str, tuple[str, dict[str, Any]]] = {
    "expansion": ("benchmarks.expansion:measure_ours", {"job": "day", "tasks": 3_000_000}),
    "writer": ("benchmarks.writer_ours:measure_pages", {"tasks": 60_000, "latency": 0, "endpoint_url": None}),
}


def main() -> int:
    """Draw the four graphs into docs/images."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flames", description="Flame graphs, before and after.")
    parser.add_argument("--before", default=_BEFORE, metavar="COMMIT", help="default: %(default)s")
    parser.add_argument("--small", action="store_true", help="a fiftieth of the tasks, to see that it works")
    parser.add_argument("--folder", type=Path, default=_IMAGES, help="default: %(default)s")
    arguments = parser.parse_args()
    spy = shutil.which("py-spy") or _beside("py-spy")
    with (
        tempfile.TemporaryDirectory() as folder,
        ministack_server(Path(folder, "ministack.log")) as emulator,
        _checked_out(arguments.before, Path(folder, "before")) as before,
    ):
        for name, (function, settings) in _WORKLOADS.items():
            for which, tree in (("before", before), ("after", _ROOT)):
                emulator.reset()
                given = dict(settings)
                if arguments.small:
                    given["tasks"] //= 50
                if "endpoint_url" in given:
                    given["endpoint_url"] = emulator.endpoint_url
                    _prepare(emulator)
                target = arguments.folder / f"flame-{name}-{which}.svg"
                _draw(spy, tree, function, given, target.resolve())
                sys.stdout.write(f"{target}: {target.stat().st_size // 1024} KB\n")
    return 0


def _beside(program: str) -> str:
    """The program where `make bench` installs it."""
    return str(_ROOT / "build" / "benchmarks" / "packages" / "bin" / program)


def _prepare(emulator: Any) -> None:
    from benchmarks.writer_ours import BUCKET
    from sosw_airflow.stores.tables import create_missing_tables

    create_missing_tables(emulator.client("dynamodb"))
    emulator.create_bucket(BUCKET)


@contextmanager
def _checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """The files of a commit."""
    folder.mkdir()
    packed = subprocess.run(["git", "archive", commit], cwd=_ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603, S607
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)  # noqa: S603, S607
    yield folder


def _draw(spy: str, tree: Path, function: str, settings: dict[str, Any], target: Path) -> None:
    work = [sys.executable, "-m", "benchmarks.fresh_process", function, json.dumps(settings)]
    command = [spy, "record", "--rate", str(_RATE), "--function", "--output", str(target), "--", *work]
    subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    places = {spy: "py-spy", str(target): target.name, sys.executable: "python", f"{tree}/": "", f"{sys.prefix}/": ""}
    target.write_text(_reduced(target.read_text(), places))


def _reduced(graph: str, places: dict[str, str]) -> str:
    """Without boxes that are too narrow to be read.

    :param places: of this machine, and what stands for them.
    """

    def kept(box: re.Match[str]) -> str:
        return box[0] if float(box[1]) >= _NARROW else ""

    graph = re.sub(r'<g><title>[^<]*</title><rect x="[^"]*" y="[^"]*" width="([\d.]+)%".*?</g>', kept, graph)
    for place, name in places.items():
        graph = graph.replace(place, name)
    return graph


if __name__ == "__main__":
    sys.exit(main())
