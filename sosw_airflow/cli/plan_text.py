"""A plan as text for people."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sosw_airflow.cli.plan_sources import Planned
    from sosw_airflow.jobs.planning import AttributePlan, JobPlan

__all__ = ["plan_text"]

_WIDTH = 118
_DAYS = 10


def plan_text(plan: JobPlan, planned: Planned) -> str:
    """The whole answer of `sosw-airflow plan`."""
    return "\n".join(_lines(plan, planned))


def _lines(plan: JobPlan, planned: Planned) -> Iterator[str]:
    yield f"{planned.source}: {plan.tasks:,} {_plural(plan.tasks, 'task')} for {plan.labourer_id}"
    yield f"seen from {plan.reference_date}, job schema {' > '.join(plan.chunkable_attrs) or 'without attributes'}"
    if plan.days:
        yield ""
        yield from _table(("dates", "tasks"), list(_days(plan)))
    if plan.attributes:
        yield ""
        header = ("attribute", "tasks", "values", "in a task", "most frequent (tasks)")
        yield from _table(header, [_attribute(each) for each in plan.attributes])
    yield ""
    yield from _figures(plan)
    yield ""
    yield from _tasks("first", 1, plan.first)
    yield from _tasks("last", plan.tasks - len(plan.last) + 1, plan.last)
    for title, texts in (("warnings", plan.warnings), ("notes", (*plan.notes, *planned.remarks))):
        if texts:
            yield ""
            yield f"{title}:"
            for text in texts:
                yield from textwrap.wrap(text, _WIDTH, initial_indent="  - ", subsequent_indent="    ")


def _days(plan: JobPlan) -> Iterator[tuple[str, ...]]:
    days = plan.days
    shown = days if len(days) <= _DAYS else (*days[: _DAYS // 2], None, *days[-_DAYS // 2 :])
    for each in shown:
        yield (each.dates, f"{each.tasks:,}") if each else (f"... {len(days) - _DAYS:,} more", "")


def _attribute(each: AttributePlan) -> tuple[str, ...]:
    frequent = ", ".join(f"{value} ({tasks:,})" for value, tasks in each.frequent)
    return (
        each.name,
        f"{each.tasks:,}",
        "very many" if each.values is None else f"{each.values:,}",
        f"{each.most_in_a_task:,}",
        textwrap.shorten(frequent, 60, placeholder=" ..."),
    )


def _figures(plan: JobPlan) -> Iterator[str]:
    smallest, mean, largest = plan.row_bytes
    units = plan.write_units
    meta = f", histories {units.meta_table:,}" if units.meta_table else ""
    yield f"rows         {smallest:,} to {largest:,} bytes, {mean:,.0f} on average; the limit is {plan.row_limit:,}"
    yield (
        f"payload      up to {plan.largest_payload:,} bytes (task {plan.largest_task:,}); "
        f"the limit is {plan.payload_limit:,}"
    )
    yield f"queue file   {plan.queue_file_bytes:,} bytes"
    yield f"pages        {plan.pages:,}"
    yield (
        f"write units  {units.total:,} (tasks {units.tasks_table:,}, index {units.index:,}, "
        f"job records {units.jobs_table:,}{meta})"
    )
    yield f"time         about {_duration(plan.seconds)}"


def _tasks(title: str, number: int, tasks: Sequence[dict[str, Any]]) -> Iterator[str]:
    for offset, task in enumerate(tasks):
        text = json.dumps(task)
        if len(text) > _WIDTH:
            text = f"{text[: _WIDTH - 4]} ..."
        yield f"{title if not offset else '':<5} {number + offset:>9,}  {text}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of text; those of numbers, which are all but the first and one of words, to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if 0 < column < 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
