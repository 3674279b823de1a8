"""`sosw-airflow plan`: what a job would become, without writing anything, and by default without AWS and Airflow."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING

from sosw_airflow.exceptions import Fault, InvalidJob, SoswError

if TYPE_CHECKING:
    from sosw_airflow.cli.plan_sources import Planned
    from sosw_airflow.jobs.planning import JobPlan, WritingTerms

__all__ = ["HELP", "add_arguments", "run"]

HELP = "Show what a job would become: tasks, days, sizes, pages, write units, time, warnings. Writes nothing."

_EPILOG = """exit codes:
  0  the job can be scheduled
  1  it would be refused; every reason is on stderr
  2  wrong usage, or a file cannot be read
  3  it can be scheduled, but has warnings (with --strict) or more tasks than --max-tasks allows
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    what = parser.add_argument_group("the job")
    what.add_argument("job", nargs="?", metavar="JOB.json", help="file with the job; - for standard input")
    what.add_argument("--labourer", metavar="NAME", help="the labourer, unless the job has it as lambda_name")
    what.add_argument("--dag-id", metavar="DAG", help="take job and settings of an operator in a DAG instead")
    what.add_argument("--task-id", metavar="TASK", help="the operator's task_id")
    what.add_argument("--map-index", type=int, metavar="N", help="which job of a mapped operator")
    what.add_argument("--dags-folder", metavar="DIR", help="where the DAG is (default: Airflow's own folder)")
    seen = parser.add_argument_group("how it is seen")
    seen.add_argument(
        "--date",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="the reference date, from which periods are seen (default: today in UTC)",
    )
    seen.add_argument("--data-interval", metavar="START..END", help='first and last day for "period": "data_interval"')
    seen.add_argument(
        "--schema",
        metavar="FILE",
        help="file with the job schema or with named ones, or its JSON text (default: the Variable sosw_job_schemas)",
    )
    seen.add_argument("--schema-name", metavar="NAME", help="which of the named job schemas (default: default)")
    seen.add_argument(
        "--labourers",
        metavar="FILE",
        help="file with the registered labourers (default: the Variable sosw_labourers, if --schema is not given)",
    )
    terms = parser.add_argument_group("how it is written (default: tables on demand)")
    terms.add_argument("--write-units", type=_positive_int, metavar="N", help="write units a second of the tasks table")
    terms.add_argument("--index-write-units", type=_positive_int, metavar="N", help="of its index (default: the same)")
    terms.add_argument("--jobs-write-units", type=_positive_int, metavar="N", help="of the jobs table")
    terms.add_argument("--max-rows-per-second", type=_positive, metavar="N", help="the Connection's own limit")
    terms.add_argument("--meta-table", action="store_true", help="each task has a row in the table of histories too")
    terms.add_argument(
        "--lambda-payload-limit", type=_positive_int, metavar="BYTES", help="of an invocation (default: 1 MB)"
    )
    shown = parser.add_argument_group("what is shown, and when it fails")
    shown.add_argument(
        "--samples", type=int, default=3, metavar="N", help="first and last tasks (default: %(default)s)"
    )
    shown.add_argument("--json", action="store_true", help="print JSON")
    shown.add_argument("--strict", action="store_true", help="exit with 3 where there are warnings")
    shown.add_argument("--max-tasks", type=_positive_int, metavar="N", help="exit with 3 where there are more tasks")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code: 0, 1, 2 or 3, as its help says."""
    from sosw_airflow.cli.plan_sources import UsageError, planned_job
    from sosw_airflow.cli.plan_text import plan_text

    today = arguments.date or datetime.now(timezone.utc).date()
    try:
        planned = planned_job(arguments, today)
        plan = _plan(planned, arguments)
    except (UsageError, OSError) as error:
        print(f"sosw-airflow plan: {error}", file=sys.stderr)
        return 2
    except SoswError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps({"source": planned.source, **plan.as_dict()}, indent=2))
    else:
        print(plan_text(plan, planned))
    return _exit_code(plan, arguments)


def _plan(planned: Planned, arguments: argparse.Namespace) -> JobPlan:
    from sosw_airflow.jobs.expansion import Expansion
    from sosw_airflow.jobs.planning import plan_job

    expansion = Expansion(
        planned.request,
        schema=planned.schema,
        reference_date=planned.reference_date,
        data_interval=planned.data_interval,
    )
    plan = plan_job(
        expansion,
        labourer_id=planned.labourer_id,
        reference_date=planned.reference_date,
        terms=_terms(arguments),
        samples=max(arguments.samples, 0),
    )
    if not plan.tasks:
        raise InvalidJob([Fault("", "the job expands to no task")])
    return plan


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
    code = 0
    if arguments.strict and plan.warnings:
        print(f"sosw-airflow plan: {len(plan.warnings)} warnings, and --strict is given", file=sys.stderr)
        code = 3
    if arguments.max_tasks and plan.tasks > arguments.max_tasks:
        message = f"{plan.tasks:,} tasks are more than --max-tasks {arguments.max_tasks:,} allows"
        print(f"sosw-airflow plan: {message}", file=sys.stderr)
        code = 3
    return code


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text}")
    return number


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number
