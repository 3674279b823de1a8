"""`sosw-airflow plan`: what a job would become. It writes nothing, and by default needs neither AWS nor Airflow.

The sources of a job are read, which needs both.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_connection
from sosw_airflow.cli.exit_codes import DONE, REFUSED, UNFINISHED
from sosw_airflow.cli.job_arguments import add_job_source, natural_int, positive_int, positive_number
from sosw_airflow.cli.output import add_output, print_document, print_record
from sosw_airflow.cli.plan_cost import add_cost_arguments, cost_of
from sosw_airflow.exceptions import EmptySource, Fault, InvalidJob
from sosw_airflow.exceptions.faults import counted, tasks_are

if TYPE_CHECKING:
    from sosw_airflow.cli.plan_sources import PlannedJob
    from sosw_airflow.jobs.expansion import Expansion
    from sosw_airflow.jobs.planning import JobPlan, WritingTerms

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {
    DONE: "the job can be scheduled",
    REFUSED: "it would be refused; every reason is on stderr",
    UNFINISHED: "it can be scheduled, but has warnings (with --strict) or more tasks than --max-tasks",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    job = parser.add_argument_group("the job")
    job.add_argument("job", nargs="?", metavar="FILE", help="file with the job as JSON; - for standard input")
    job.add_argument("--labourer", metavar="NAME", help="the labourer, unless the job has it as lambda_name")
    job.add_argument("--dag-id", metavar="DAG", help="take job and settings of an operator in a DAG instead")
    job.add_argument("--task-id", metavar="TASK", help="the operator's task_id")
    job.add_argument("--map-index", type=natural_int, metavar="N", help="which job of a mapped operator")
    job.add_argument("--dags-folder", metavar="DIR", help="folder with the DAG (default: Airflow's own)")
    resolved = parser.add_argument_group("how it is resolved")
    add_job_source(resolved)
    resolved.add_argument(
        "--labourers",
        metavar="FILE",
        help="file with the registered labourers (default: the Variable sosw_labourers, if --schema is not given)",
    )
    sources = parser.add_argument_group("its sources, if it has some")
    sources.add_argument(
        "--sample", type=positive_int, metavar="N", help="read only the first N values of each source (default: all)"
    )
    add_connection(sources)
    terms = parser.add_argument_group("how it is written (default: on demand)")
    terms.add_argument("--write-units", type=positive_int, metavar="N", help="write units a second of the tasks table")
    terms.add_argument("--index-write-units", type=positive_int, metavar="N", help="of its index (default: the same)")
    terms.add_argument("--jobs-write-units", type=positive_int, metavar="N", help="of the jobs table")
    terms.add_argument("--max-rows-per-second", type=positive_number, metavar="N", help="the Connection's own limit")
    terms.add_argument("--meta-table", action="store_true", help="each task also has a row in the table of histories")
    terms.add_argument(
        "--lambda-payload-limit", type=positive_int, metavar="BYTES", help="of an invocation (default: 1 MB)"
    )
    add_cost_arguments(parser)
    shown = parser.add_argument_group("what is shown, and when it fails")
    shown.add_argument(
        "--samples",
        type=natural_int,
        default=3,
        metavar="N",
        help="number of first and last tasks (default: %(default)s)",
    )
    add_output(shown)
    shown.add_argument("--strict", action="store_true", help="exit with 3 if there are warnings")
    shown.add_argument("--max-tasks", type=positive_int, metavar="N", help="exit with 3 if there are more tasks")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.cli.plan_sources import planned_job
    from sosw_airflow.cli.plan_text import show_plan

    today = arguments.date or datetime.now(timezone.utc).date()
    planned = planned_job(arguments, today)
    try:
        plan = _plan(planned, arguments)
    except EmptySource as error:
        if error.on_empty == "fail":
            raise
        print(f"Nothing to schedule. {error}", file=sys.stderr)
        return DONE
    cost = cost_of(plan.shape, arguments)
    document = {"source": planned.source, **plan.as_dict(), "cost": cost.as_dict()}
    if arguments.output == "table":
        show_plan(plan, planned, cost)
    elif arguments.output == "plain":
        print_record(document, "plain")
    else:
        print_document(document, arguments.output)
    return _exit_code(plan, arguments)


def _plan(planned: PlannedJob, arguments: argparse.Namespace) -> JobPlan:
    from sosw_airflow.jobs.planning import plan_job
    from sosw_airflow.jobs.sources import find_sources

    def planned_as(expansion: Expansion) -> JobPlan:
        plan = plan_job(
            expansion,
            labourer_id=planned.labourer_id,
            reference_date=planned.reference_date,
            terms=_terms(arguments),
            samples=arguments.samples,
        )
        if not plan.tasks:
            raise InvalidJob([Fault("", "the job expands to no task")])
        return plan

    sourced = find_sources(planned.request.job, planned.schema)
    if sourced is None:
        return planned_as(planned.expand(planned.request))
    from sosw_airflow.cli.sources import read_for_plan

    read = read_for_plan(planned.request, sourced, planned.expand, conn_id=arguments.conn_id, sample=arguments.sample)
    with read as (expansion, notes):
        plan = planned_as(expansion)
    return replace(plan, notes=(*plan.notes, *notes))


def _terms(arguments: argparse.Namespace) -> WritingTerms:
    from sosw_airflow.jobs.pages import MAX_PAGE_ROWS, MAX_PAGE_ROWS_WITH_META, PageLimits
    from sosw_airflow.jobs.planning import WritingTerms
    from sosw_airflow.jobs.rows import LAMBDA_PAYLOAD_LIMIT

    rows = MAX_PAGE_ROWS_WITH_META if arguments.meta_table else MAX_PAGE_ROWS
    pages, units, pages_per_second = PageLimits(rows), None, None
    if arguments.write_units or arguments.index_write_units or arguments.jobs_write_units:
        # The pace is the writer's own; its module loads botocore.
        from sosw_airflow.scheduling.pace import TRANSACTION, page_limits_for, units_per_second
        from sosw_airflow.stores.task_queue import Capacity

        table = arguments.write_units
        capacity = Capacity(table, arguments.index_write_units or table)
        pages, units = page_limits_for(capacity, most_rows=rows), units_per_second(capacity)
        if arguments.jobs_write_units:
            pages_per_second = arguments.jobs_write_units / TRANSACTION
    return WritingTerms(
        pages=pages,
        units_per_second=units,
        pages_per_second=pages_per_second,
        rows_per_second=arguments.max_rows_per_second,
        with_meta=arguments.meta_table,
        lambda_payload_limit=arguments.lambda_payload_limit or LAMBDA_PAYLOAD_LIMIT,
    )


def _exit_code(plan: JobPlan, arguments: argparse.Namespace) -> int:
    code = DONE
    if arguments.strict and plan.warnings:
        print(f"sosw-airflow plan: {counted(len(plan.warnings), 'warning')}, and --strict is given", file=sys.stderr)
        code = UNFINISHED
    if arguments.max_tasks and plan.tasks > arguments.max_tasks:
        message = f"{tasks_are(plan.tasks)} more than --max-tasks {arguments.max_tasks:,} allows"
        print(f"sosw-airflow plan: {message}", file=sys.stderr)
        code = UNFINISHED
    return code
