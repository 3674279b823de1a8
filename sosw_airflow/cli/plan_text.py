"""A plan as text for people."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow.cli.plan_cost import COLUMNS
from sosw_airflow.cli.terminal import Column, Line, is_terminal, show_lines, show_table, show_text, terminal_width
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.waiting.progress_log import duration_text

if TYPE_CHECKING:
    from sosw_airflow.cli.plan_cost import PlanCost
    from sosw_airflow.cli.plan_sources import PlannedJob
    from sosw_airflow.jobs.planning import AttributePlan, JobPlan

__all__ = ["show_plan"]

#: Columns of a sample in a pipe.
_WIDTH = 118
_DAYS = 10

_DAY_COLUMNS = (Column("dates"), Column("tasks", right=True))
_ATTRIBUTE_COLUMNS = (
    Column("attribute"),
    Column("tasks", right=True),
    Column("values", right=True),
    Column("in a task", right=True),
    Column("most frequent (tasks)", folds=True),
)


def show_plan(plan: JobPlan, planned: PlannedJob, cost: PlanCost) -> None:
    """Print the whole answer of `sosw-airflow plan`."""
    show_text(f"{planned.source}: {counted(plan.tasks, 'task')} for {plan.labourer_id}")
    attributes = " > ".join(plan.chunkable_attrs) or "without attributes"
    show_text(f"reference date {plan.reference_date}, job schema {attributes}")
    if plan.days:
        print()
        show_table(_DAY_COLUMNS, list(_days(plan)))
    if plan.attributes:
        print()
        show_table(_ATTRIBUTE_COLUMNS, [_attribute(each) for each in plan.attributes])
    print()
    show_lines(_figures(plan))
    print()
    show_table(COLUMNS, list(cost.rows()))
    show_text(cost.remark)
    print()
    for line in (*_tasks("first", 1, plan.first), *_tasks("last", plan.tasks - len(plan.last) + 1, plan.last)):
        print(line)
    for title, texts, mark in (("warnings", plan.warnings, "!"), ("notes", (*plan.notes, *planned.remarks), "-")):
        if texts:
            print(f"\n{title}:")
            show_lines((Line(mark, text) for text in texts), indent=2)


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


def _figures(plan: JobPlan) -> Iterator[Line]:
    smallest, mean, largest = plan.row_bytes
    units = plan.write_units
    meta = f", histories {units.meta_table:,}" if units.meta_table else ""
    yield Line("rows", f"{smallest:,} to {largest:,} bytes, {mean:,.0f} on average; the limit is {plan.row_limit:,}")
    yield Line(
        "payload",
        f"up to {plan.largest_payload:,} bytes (task {plan.largest_task:,}); the limit is {plan.payload_limit:,}",
    )
    yield Line("queue file", f"{plan.queue_file_bytes:,} bytes")
    yield Line("pages", f"{plan.pages:,}")
    yield Line(
        "write units",
        f"{units.total:,} (tasks {units.tasks_table:,}, index {units.index:,}, job records {units.jobs_table:,}{meta})",
    )
    yield Line("time", f"about {duration_text(max(plan.seconds, 1))}")


def _tasks(title: str, number: int, tasks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each sample, cut at the width of the terminal."""
    width = terminal_width() if is_terminal() else _WIDTH + 17
    for offset, task in enumerate(tasks):
        line = f"{title if not offset else '':<5} {number + offset:>9,}  {json.dumps(task)}"
        yield line if len(line) <= width else f"{line[: width - 4]} ..."
