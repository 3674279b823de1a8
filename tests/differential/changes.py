"""What upstream stumbles over, or a user gets wrong, done to a job that is in order.

A change says whether it found a place for itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from tests.differential.writer import BATCHES, PERIODS, Node, Writer

_ODD_PERIODS = (
    *(
        "todayish",
        "last_3_days_x",
        "last_weekend",
        "0_days_back",
        "previous_1_days",
        "last_0_days",
        "last_0_days",
        "previous_0_days",
    ),
    *("Today", " today", "tomorrow", "last_days", "last_x_days", "last_-1_days", "", 0, 7, None, ["today"], True),
    *("2026-11-01..2026-11-03", "2026-11-03..2026-11-01", "2026-11-31..2026-12-01", "last_999999999_days"),
    *({"start": "2026-11-01", "end": "2026-11-02"}, {"start": "2026-11-01"}, "data_interval"),
)
_ODD_BATCHES = (0, -1, None, "x", "", "0", 2.5, 2.0, True, False, [2], 1_000_000, "1000000", 999_999, " 2 ")
_TRUTHY = (True, 1, "yes", "False", "false", [0], 1.5)
_FALSY = (False, 0, "", None, [], {})
_ROW_NAMES = ("labourer_id", "task_id", "greenfield", "created_at", "attempts", "strict", "labourer", "self")
_PAYLOADS = ({"x": 1}, '{"x": 1}', "text", "[1]", "5", 5, None, [1], "null", {})
_NOT_JSON = (float("nan"), float("inf"), {1, 2}, dt.date(2026, 1, 1), b"x", 1j)
_ODD_VALUES: tuple[Any, ...] = (
    *("one", 5, True, 1.5, {"x": 1}, {"x": "y", "z": None}, [["n"]], [{"x": 1}], {"x": {"y": 1}}, ("t", "u"), [None]),
)

Change = Callable[[Writer, Node], bool]


def _singular(writer: Writer, job: Node) -> bool:
    """One attribute, or all of them, in the singular."""
    if writer.rng.random() < 0.5:
        renamed = [(node, writer.attrs[level]) for node, level in writer.nodes(job) if level < len(writer.attrs)]
    else:
        renamed = [place] if (place := writer.place(job, with_attribute=True)) else []
    for node, attr in renamed:
        _replace_key(node, f"{attr}s", attr)
    return bool(renamed)


def _singular_flag(writer: Writer, job: Node) -> bool:
    """A flag in the singular, or with one s too many."""
    place = writer.place(job)
    if not place:
        return False
    node, attr = place
    flag = writer.rng.choice((f"isolate_{attr}", f"isolate_{attr}", f"isolate_{attr}ss", f"max_{attr}ss_per_batch"))
    node[flag] = 2 if flag.startswith("max") else writer.rng.choice(_TRUTHY)
    return True


def _singular_batch(writer: Writer, job: Node) -> bool:
    place = writer.place(job)
    if not place:
        return False
    place[0][f"max_{place[1]}_per_batch"] = writer.rng.choice(BATCHES)
    return True


def _both_spellings(writer: Writer, job: Node) -> bool:
    place = writer.place(job, with_attribute=True)
    if not place:
        return False
    node, attr = place
    node[attr] = writer.rng.choice((["x"], {"x": None}, None, [], node[f"{attr}s"]))
    return True


def _flat_list_above(writer: Writer, job: Node) -> bool:
    """A flat list where the schema has more levels below."""
    places = [(node, level) for node, level in writer.nodes(job) if level < len(writer.attrs) - 1]
    if not places:
        return False
    node, level = writer.rng.choice(places)
    node[f"{writer.attrs[level]}s"] = writer.rng.choice((["x", "y"], ["x"], "x", [{"x": None}, "y"], [1, 2, 3]))
    return True


def _sibling(writer: Writer, job: Node) -> bool:
    """Other attributes beside a nested one."""
    node, _ = writer.rng.choice(writer.nodes(job))
    node |= writer.siblings()
    return True


def _missing(writer: Writer, job: Node) -> bool:
    """A branch, or the job, without its attribute."""
    place = writer.place(job, with_attribute=True)
    if not place:
        return False
    del place[0][f"{place[1]}s"]
    return True


def _empty(writer: Writer, job: Node) -> bool:
    """An attribute with nothing in it."""
    place = writer.place(job, with_attribute=True)
    if not place:
        return False
    place[0][f"{place[1]}s"] = writer.rng.choice(([], {}, None, "", 0, [{}], [None], {"x": {}}, [[]]))
    return True


def _odd_value(writer: Writer, job: Node) -> bool:
    """A value that cannot be chunked, or only just."""
    place = writer.place(job, with_attribute=True)
    if not place:
        return False
    odd = (
        "one",
        5,
        True,
        1.5,
        {"x": 1},
        {"x": "y", "z": None},
        [["n"]],
        [{"x": 1}],
        {"x": {"y": 1}},
        ("t", "u"),
        [None],
    )
    place[0][f"{place[1]}s"] = writer.rng.choice(odd)
    return True


def _two_in_a_list(writer: Writer, job: Node) -> bool:
    """A list of two objects, which are chunked one after the other."""
    place = writer.place(job, with_attribute=True)
    if not place or not isinstance(place[0][f"{place[1]}s"], dict):
        return False
    place[0][f"{place[1]}s"] = [place[0][f"{place[1]}s"], {"second": None}]
    return True


def _odd_batch(writer: Writer, job: Node) -> bool:
    place = writer.place(job)
    if not place:
        return False
    node = place[0] if writer.rng.random() < 0.5 else job
    node[f"max_{place[1]}s_per_batch"] = writer.rng.choice(_ODD_BATCHES)
    return True


def _outer_level_beside(writer: Writer, job: Node) -> bool:
    """An attribute of a lower level at the root, where it does not belong."""
    if len(writer.attrs) < 2:
        return False
    job[f"{writer.rng.choice(writer.attrs[1:])}s"] = writer.rng.choice((["r1", "r2"], {"r": None}, "r", [], {"r": {}}))
    return True


def _flag_in_branch(writer: Writer, job: Node) -> bool:
    """A flag of any level in any place, on or off."""
    if not writer.attrs:
        return False
    node, _ = writer.rng.choice(writer.nodes(job))
    node[f"isolate_{writer.rng.choice(writer.attrs)}s"] = writer.rng.choice(_TRUTHY + _FALSY)
    return True


def _flag_at_root(writer: Writer, job: Node) -> bool:
    if not writer.attrs:
        return False
    job[f"isolate_{writer.rng.choice(writer.attrs)}s"] = writer.rng.choice(_TRUTHY + _FALSY)
    return True


def _no_flags(writer: Writer, job: Node) -> bool:
    """Nothing asks for chunking."""
    for node, _ in writer.nodes(job):
        for key in [key for key in node if str(key).startswith(("isolate_", "max_"))]:
            del node[key]
    return True


def _odd_period(writer: Writer, job: Node) -> bool:
    job["period"] = writer.rng.choice(_ODD_PERIODS)
    if writer.rng.random() < 0.5:
        job["isolate_days"] = writer.rng.choice(_TRUTHY + _FALSY)
    return True


def _days_alone(writer: Writer, job: Node) -> bool:
    """Days are to be isolated, but nothing else."""
    _no_flags(writer, job)
    job["period"] = writer.rng.choice(PERIODS)
    job["isolate_days"] = True
    return True


def _date_list(writer: Writer, job: Node) -> bool:
    """A `date_list` of the job's own."""
    job["date_list"] = ["2020-01-01"]
    return True


def _row_name(writer: Writer, job: Node) -> bool:
    """An attribute with a name of sosw's rows."""
    node, _ = writer.rng.choice(writer.nodes(job))
    node[writer.rng.choice(_ROW_NAMES)] = writer.rng.choice((1, "x", None, {"y": 2}))
    return True


def _payload(writer: Writer, job: Node) -> bool:
    node, _ = writer.rng.choice(writer.nodes(job))
    node["payload"] = writer.rng.choice(_PAYLOADS)
    return True


def _file_name(writer: Writer, job: Node) -> bool:
    job["file_name"] = "report.csv"
    return True


def _schema_name(writer: Writer, job: Node) -> bool:
    job["job_schema_name"] = "other"
    return True


def _not_json(writer: Writer, job: Node) -> bool:
    node, _ = writer.rng.choice(writer.nodes(job))
    if writer.rng.random() < 0.3:
        node[writer.rng.choice((1, None, True, 2.5))] = "x"  # type: ignore[index]
    else:
        value = writer.rng.choice(_NOT_JSON)
        node[writer.name("odd")] = writer.rng.choice((value, [value], {"in": {"side": value}}))
    return True


CHANGES: tuple[Change, ...] = (
    *(_singular, _singular, _singular_flag, _singular_batch, _both_spellings, _flat_list_above, _sibling, _sibling),
    *(_missing, _missing, _empty, _odd_value, _two_in_a_list, _odd_batch, _outer_level_beside, _flag_in_branch),
    *(
        _flag_at_root,
        _no_flags,
        _odd_period,
        _odd_period,
        _days_alone,
        _date_list,
        _row_name,
        _payload,
        _file_name,
        _schema_name,
    ),
    *(_not_json,),
)


def _replace_key(node: Node, old: str, new: str) -> None:
    """Rename a key in its place."""
    items = [(new if key == old else key, value) for key, value in node.items()]
    node.clear()
    node.update(items)
