"""Arguments that several commands about a job share."""

from __future__ import annotations

import argparse
import shlex
from datetime import date, datetime, timezone

from sosw_airflow.cli.deployments import add_connection
from sosw_airflow.cli.output import add_output
from sosw_airflow.cli.usage import Arguments
from sosw_airflow.jobs.max_running import max_running_problem

__all__ = [
    "add_job_id",
    "add_job_source",
    "add_labourer_id",
    "add_queue_arguments",
    "add_run_id",
    "command_line",
    "max_running",
    "natural_int",
    "new_run_id",
    "positive_int",
    "positive_number",
]

#: Arguments that a command needs again to resume what it has begun.
_RESUMED = (
    *("labourer", "id", "date", "data_interval", "schema", "schema_name", "max_tasks"),
    *("front", "max_running", "leave_unfinished", "take_locked", "conn_id"),
)


def add_job_id(parser: argparse.ArgumentParser, *, more: tuple[str, ...] = ()) -> None:
    """Declare the id of a scheduled job, the Connection and the output.

    :param more: formats beside those of every command.
    """
    parser.add_argument("job", metavar="JOB", help="id of the job, or of one of its tasks")
    add_connection(parser)
    add_output(parser, more)


def add_labourer_id(parser: argparse.ArgumentParser) -> None:
    """Declare the id of a registered labourer, the Connection and the output."""
    parser.add_argument("labourer", metavar="LABOURER", help="id of the labourer")
    add_connection(parser)
    add_output(parser)


def add_queue_arguments(parser: Arguments) -> None:
    """Declare how the tasks stand in the queue: at which end, and how many of them are invoked at once."""
    parser.add_argument("--front", action="store_true", help="put the tasks before all that wait for the labourer")
    parser.add_argument(
        "--max-running",
        type=max_running,
        metavar="N",
        help="tasks of this job that Airflow's orchestrator invokes at once at most (default: no limit)",
    )


def add_job_source(parser: Arguments) -> None:
    """Declare what a job is resolved with: reference date, data interval, job schema."""
    parser.add_argument(
        "--date",
        type=_day,
        metavar="YYYY-MM-DD",
        help="the reference date, against which periods are resolved (default: today in UTC)",
    )
    parser.add_argument(
        "--data-interval", metavar="START..END", help='first and last day for "period": "data_interval"'
    )
    parser.add_argument(
        "--schema",
        metavar="FILE",
        help="file with the job schema or with named ones, or its JSON text (default: the Variable sosw_job_schemas)",
    )
    parser.add_argument("--schema-name", metavar="NAME", help="which of the named job schemas (default: default)")


def add_run_id(parser: Arguments) -> None:
    """Declare the id of a job that a command schedules."""
    parser.add_argument(
        "--id", type=_run_id, metavar="ID", help="name of this job; the same name resumes it (default: a new one)"
    )


def new_run_id() -> str:
    """An id that no earlier job has."""
    import secrets  # with it comes a tenth of the start-up of `plan`

    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def command_line(command: str, arguments: argparse.Namespace, *subject: str, **others: str) -> str:
    """The command that continues what a call has begun, for a shell.

    :param others: arguments that the call did not have, or had otherwise.
    """
    words = ["sosw-airflow", command, *subject]
    for name in _RESUMED:
        value = others.get(name, getattr(arguments, name, None))
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value and (name, value) != ("conn_id", "sosw_default"):
            words += [flag, str(value)]
    return shlex.join(words)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"must be a date as YYYY-MM-DD, not {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def _run_id(text: str) -> str:
    if not text.strip() or len(text) > 200 or not text.isprintable():
        message = "must have 1 to 200 characters that can be printed"
        raise argparse.ArgumentTypeError(message)
    return text


def positive_int(text: str) -> int:
    """A whole number, 1 or more.

    :raises argparse.ArgumentTypeError: it is none.
    """
    return _whole_number(text, 1)


def max_running(text: str) -> int:
    """A limit of tasks that are invoked at once.

    :raises argparse.ArgumentTypeError: it is none.
    """
    limit = positive_int(text)
    if problem := max_running_problem(limit):
        raise argparse.ArgumentTypeError(problem)
    return limit


def natural_int(text: str) -> int:
    """A whole number, 0 or more.

    :raises argparse.ArgumentTypeError: it is none.
    """
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    # Eighteen digits fit into every machine's numbers.
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or int(text) < least:
        message = f"must be a whole number, {least} or more, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def positive_number(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        message = f"must be a positive number, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return number
