"""What `schedule`, `drain` and `repair` share: a scheduler with a progress bar, and a stop that can be resumed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sosw_airflow.cli.exit_codes import UNFINISHED
from sosw_airflow.cli.output import print_record
from sosw_airflow.cli.terminal import Line, show_lines, show_text

if TYPE_CHECKING:
    from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleResult
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["STOPPED", "job_scheduler", "show_result", "write"]

#: For the exit codes of a command that writes.
STOPPED = "stopped by a signal before all tasks were written; stderr has the command that resumes it"


@contextmanager
def job_scheduler(deployment: Deployment) -> Iterator[JobScheduler]:
    """A scheduler that shows a progress bar, and reports the metrics of the writing as an operator does."""
    from sosw_airflow.cli.progress import progress_bars
    from sosw_airflow.hooks.metrics import reporter
    from sosw_airflow.scheduling.scheduler import JobScheduler

    with progress_bars() as progress:
        yield JobScheduler(deployment, progress=progress, metrics=reporter(None))


def write(
    deployment: Deployment, work: Callable[[JobScheduler], ScheduleResult], *, resume: str
) -> ScheduleResult | None:
    """Do the work; None if a signal has stopped it.

    :param resume: the command that resumes it. It is printed if the work does not come to its end.
    :raises SoswError: as the work.
    """
    from sosw_airflow.cli.progress import stop_on_signals
    from sosw_airflow.exceptions import SoswError
    from sosw_airflow.scheduling.page_writer import WriterStopped

    hint = f"What is written stays written. Fix: this resumes it:\n  {resume}"
    try:
        with job_scheduler(deployment) as scheduler, stop_on_signals(scheduler.stop):
            return work(scheduler)
    except WriterStopped:
        print(f"Stopped between two requests. {hint}", file=sys.stderr)
        return None
    except SoswError as error:
        if error.retryable:
            print(hint, file=sys.stderr)
        raise
    except BaseException:
        print(hint, file=sys.stderr)
        raise


def show_result(scheduled: ScheduleResult | None, text: str, output: str) -> int:
    """Print the result of a writing and return the exit code.

    :param text: of the result, for people.
    """
    if scheduled is None:
        return UNFINISHED
    summary = scheduled.summary()
    if output != "table":
        print_record({**summary, "outcome": scheduled.outcome.value}, output)
        return 0
    show_text(text, "closed")
    names = ("job_id", "labourer", "tasks", "reference_date", "state")
    show_lines(
        [Line(name, f"{summary[name]:,}" if name == "tasks" else str(summary[name])) for name in names], indent=2
    )
    return 0
