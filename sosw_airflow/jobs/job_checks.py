"""Checks of a job that need no expansion: spellings, batch sizes, flags, reserved names, payload texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sosw_airflow.exceptions import SHOWN, Fault
from sosw_airflow.jobs.attributes import MAX_BYTES, Attribute, batch_size_of, limits_bytes
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_documents import NotJson, parse_json
from sosw_airflow.jobs.json_values import Path, dotted, json_faults
from sosw_airflow.jobs.list_types import ListTypes, Siblings, are_flat
from sosw_airflow.jobs.rendered_texts import WAYS_OUT, rendered_object, rendered_wrongly
from sosw_airflow.jobs.rows import DYNAMODB_ITEM_LIMIT
from sosw_airflow.jobs.sources import is_source
from sosw_airflow.jobs.streamed_values import StreamedValues

__all__ = ["ROW_NAMES", "is_listed", "row_faults", "structure_faults", "unfit_for_a_task", "untrue_text"]

#: Names of the row, and of the parameters of upstream's ``create_task``: as a job's attribute they would change the row
#: or crash (sosw difference D9).
ROW_NAMES = frozenset({"attempts", "created_at", "greenfield", "labourer", "labourer_id", "self", "strict", "task_id"})

_UNTRUE = frozenset({"false", "no", "off", "0", "none", "null"})


def structure_faults(
    job: dict[str, Any],
    attributes: Sequence[Attribute],
    level: int,
    path: Path,
    found: list[str],
    *,
    types: ListTypes | None = None,
    searched: set[tuple[int, int]] | None = None,
) -> Iterator[Fault]:
    """Both spellings at once (D2), sizes of batches that are none (D6), flags that are text, at every level.

    :param found: gets the warnings.
    :param types: of the lists of the job.
    :param searched: objects that were checked before, at these levels; an object may stand in several places.
    """
    searched = set() if searched is None else searched
    if (id(job), level) in searched:
        return
    searched.add((id(job), level))
    if attributes and (MAX_BYTES in job or not attributes[0].all_flags.isdisjoint(job)):
        yield from _flag_faults(job, attributes, path, found)
    if level == len(attributes):
        return
    types = types or ListTypes()
    attribute = attributes[level]
    if attribute.name in job and attribute.plural in job:
        yield Fault(
            dotted((*path, attribute.name)),
            f"stands beside {attribute.plural!r}, the other spelling of the same attribute: keep one of them",
        )
        return
    spelling = attribute.spelling_in(job)
    values = attribute.values_in(job)
    if spelling is None:
        return
    if isinstance(job[spelling], str):
        yield from _text_faults(job[spelling], (*path, spelling))
    if are_flat(types.of(values)):
        return
    if is_source(job[spelling]):
        problem = "is a source, which the operators and commands read: give its values in its place"
        yield Fault(dotted((*path, spelling)), problem)
        return
    place = (*path, spelling)
    for position, value in enumerate(values):
        if isinstance(value, dict) and not _nothing_to_find(types.siblings(value), attributes):
            here = (*place, position) if is_listed(job[spelling]) else place
            for key, below in ((key, below) for key, below in value.items() if isinstance(below, dict)):
                yield from structure_faults(
                    below, attributes, level + 1, (*here, key), found, types=types, searched=searched
                )


def _nothing_to_find(siblings: Siblings | None, attributes: Sequence[Attribute]) -> bool:
    """Whether nodes have nothing but a flat list each, and it does not stand in the place of a flag."""
    return siblings is not None and siblings.name != MAX_BYTES and siblings.name not in attributes[0].all_flags


def row_faults(job: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    """Attributes that would become attributes of the task but may not (D9)."""
    for name in sorted(ROW_NAMES.intersection(job)):
        yield Fault(dotted((*path, name)), "is a name that sosw uses for its own rows: rename this attribute")
    payload = job.get("payload")
    if isinstance(payload, str):
        yield from _payload_faults(payload, (*path, "payload"))


def _payload_faults(text: str, path: Path) -> Iterator[Fault]:
    try:
        document = parse_json(text)
    except NotJson as error:
        # Other text is no JSON, and stays the attribute ``payload``.
        yield from error.at(dotted(path)) if error.readable else ()
        return
    if isinstance(document, dict):
        yield from json_faults(document, path)
    else:
        problem = "is JSON, but not of an object, so that it cannot be merged: give an object, or rename it"
        yield Fault(dotted(path), problem)


def untrue_text(path: Path, value: object) -> Iterator[str]:
    """A warning if a flag has a text such as "false", which counts as true, as in sosw (rule 5.4)."""
    if isinstance(value, str) and value.strip().lower() in _UNTRUE:
        yield f"{dotted(path)}: the text {value!r} counts as true; use false without quotes"


def unfit_for_a_task(values: StreamedValues) -> str | None:
    """Why all of the values cannot stand in one task, None if they may."""
    if values.text_bytes <= DYNAMODB_ITEM_LIMIT:
        return None
    return (
        f"gives {len(values):,} values of {values.text_bytes:,} bytes, and nothing asks to cut them into tasks, "
        f"which have {DYNAMODB_ITEM_LIMIT:,} bytes at most: give the job an isolate_... or a max_..._per_batch for them"
    )


def is_listed(value: object) -> bool:
    """Whether it is a list, whose elements have positions."""
    return isinstance(value, (list, tuple, StreamedValues))


def _text_faults(text: str, path: Path) -> Iterator[Fault]:
    """A text in place of a chunkable attribute's values which a template has made of something else."""
    kind = rendered_object(text)
    wrong = rendered_wrongly(text) if text else None  # an empty one counts as absent, as in sosw
    if kind is not None:
        wrong = f"is a text that reads as a {kind}, and would be one single value: a template makes it. {WAYS_OUT}"
    if wrong:
        yield Fault(dotted(path), f"{wrong}. If the text itself is the value, put it into a list: [{excerpt(text)}]")


def _flag_faults(job: dict[str, Any], attributes: Sequence[Attribute], path: Path, found: list[str]) -> Iterator[Fault]:
    if MAX_BYTES in job and limits_bytes(attributes) and batch_size_of(job[MAX_BYTES]) is None:
        problem = f"must be a whole number of bytes, 1 or more, not {excerpt(job[MAX_BYTES])}"
        yield Fault(dotted((*path, MAX_BYTES)), problem)
    for each in attributes:
        for name in each.sizes:
            if name in job and batch_size_of(job[name]) is None:
                yield Fault(dotted((*path, name)), f"must be a whole number, 1 or more, not {excerpt(job[name])}")
        for name in each.flags:
            if name in job and len(found) < SHOWN:
                found.extend(untrue_text((*path, name), job[name]))
