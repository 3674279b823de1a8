"""The wait for the end of a job, and the summary or the error that it ends in."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sosw_airflow.exceptions import (
    DeferralLost,
    Fault,
    InvalidConfiguration,
    JobCancelled,
    JobFailed,
    JobTimedOut,
    SoswError,
    TasksLost,
    TriggererCannotPoll,
    UnknownJob,
)
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.identity import parse_job_id
from sosw_airflow.scheduling.page_writer import WriterStopped
from sosw_airflow.scheduling.scheduler import Outcome, ScheduleResult
from sosw_airflow.stores.closed_tasks import describe_failures
from sosw_airflow.stores.job_record import JobRecords, JobState
from sosw_airflow.triggers.stored import count_of, mapping_of, text_of
from sosw_airflow.waiting.failure_causes import read_causes
from sosw_airflow.waiting.poller import JobPoller, JobResult, Status
from sosw_airflow.waiting.progress import ProgressReader
from sosw_airflow.waiting.result_files import ResultFiles, ResultPlace
from sosw_airflow.waiting.results import ResultReader
from sosw_airflow.waiting.tolerance import Tolerance

if TYPE_CHECKING:
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.operators.cancellation import CancelOnKill, CancelOutcome
    from sosw_airflow.stores.deployment import Deployment

__all__ = [
    "LONGEST",
    "beside",
    "conclude",
    "deadline_after",
    "ending_faults",
    "hops_after",
    "job_of_deferral",
    "poller_of",
    "recorded_job",
    "seconds",
    "wait_until_over",
    "waiting_faults",
]

log = logging.getLogger(__name__)

#: Seconds of the longest wait: 31 years. More cannot be added to a date.
LONGEST = 1e9

#: Triggers in a row that may fail to poll before the Airflow task fails with their reason.
_MOST_HOPS = 5

#: Seconds after which a wait asks whether the queue is empty.
_SLICE = 1.0

#: Seconds that a wait which fails gives to the turns under way of its orchestration.
_LAST_TURNS = 20.0


def seconds(duration: float | timedelta) -> float:
    """A duration as a number of seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def deadline_after(timeout: float | timedelta | None) -> float | None:
    """When a wait that begins now ends, in seconds since 1970."""
    return None if timeout is None else time.time() + seconds(timeout)


def waiting_faults(*, poll_interval: Any, timeout: Any) -> Iterator[Fault]:
    """The faults of the arguments of a wait."""
    for name, value, optional in (("poll_interval", poll_interval, False), ("timeout", timeout, True)):
        if value is None and optional:
            continue
        is_duration = isinstance(value, (int, float, timedelta)) and not isinstance(value, bool)
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if not is_duration or not 0 < number <= LONGEST:
            none = ", or None for no limit" if optional else ""
            yield Fault(name, f"must be a positive number of seconds or a timedelta{none}, not {excerpt(value)}")


def ending_faults(*, fail_fast: Any, timeout_action: Any, timeout: Any, waits: bool) -> Iterator[Fault]:
    """The faults of the arguments that end a wait early."""
    if not isinstance(fail_fast, bool):
        yield Fault("fail_fast", f"must be True or False, not {excerpt(fail_fast)}")
    elif fail_fast and not waits:
        yield Fault("fail_fast", "needs wait_for_completion=True")
    if timeout_action not in ("fail", "cancel"):
        yield Fault("timeout_action", f"must be 'fail' or 'cancel', not {excerpt(timeout_action)}")
    elif timeout_action == "cancel" and (timeout is None or not waits):
        yield Fault("timeout_action", "needs wait_for_completion=True and a timeout, to be 'cancel'")


def poller_of(
    deployment: Deployment,
    job_id: str,
    deadline: float | None,
    *,
    must_exist: bool = True,
    tolerance: Tolerance | None = None,
) -> JobPoller:
    """The poller of this job.

    :param must_exist: it was scheduled, so that a record that does not exist was removed.
    :param tolerance: ends the wait as soon as it is exceeded.
    """
    return JobPoller(ProgressReader(deployment.dynamodb, deployment.tables, job_id, must_exist), deadline, tolerance)


@contextmanager
def beside(
    hook: SoswHook, labourer_id: str | None, *, failures: bool = False, dag_id: str | None = None
) -> Iterator[Callable[[], bool]]:
    """Orchestrate a labourer inside, if one is named.

    Yields a question: has the queue been seen empty since it was last asked? Then a poll is worth its requests. It
    raises what has ended the orchestration, if something did.

    :param failures: or has a task failed?
    """
    if labourer_id is None:
        yield lambda: False
        return
    from sosw_airflow.hooks.orchestration import seat_beside

    news = threading.Event()
    seat = seat_beside(hook, labourer_id, on_news=news.set, failures=failures, dag_id=dag_id)

    def had_news() -> bool:
        seat.background.check()
        had = news.is_set()
        news.clear()
        return had

    patience: float | None = _LAST_TURNS
    try:
        yield had_news
        patience = None  # the answers of synchronous invocations under way belong to other jobs: they are stored
    finally:
        seat.leave()
        seat.background.join(patience)


def wait_until_over(
    poller: JobPoller,
    poll_interval: float,
    on_kill: CancelOnKill,
    orchestration: AbstractContextManager[Callable[[], bool]],
) -> JobResult:
    """Poll and wait, in turn.

    :param orchestration: of `beside`.
    :raises WriterStopped: Airflow has asked to stop.
    """
    with orchestration as had_news:
        while (result := poller.poll()) is None:
            next_poll = time.monotonic() + poll_interval
            while (left := next_poll - time.monotonic()) > 0 and not had_news():
                if on_kill.stop.wait(min(left, _SLICE)):
                    raise WriterStopped
    return result


def job_of_deferral(event: object, summary: object) -> str:
    """The id of the job that a deferral waited for.

    :raises DeferralLost: neither names a job.
    """
    for each in (summary, event):
        with suppress(InvalidConfiguration):
            return parse_job_id(mapping_of(each))
    raise DeferralLost


def hops_after(event: object) -> int:
    """How many triggers in a row could not poll, after this event of the last one; logs its reason.

    :raises TriggererCannotPoll: too many.
    """
    # An older version of this provider sent no number and no reason.
    parts = mapping_of(event)
    hops = count_of(parts.get("hops", 1), 1) if event else 0
    if not hops:
        return 0
    job_id = text_of(parts.get("job_id", ""), "")
    reason = text_of(parts.get("reason", ""), "") or "it is in the triggerer's log"
    if hops >= _MOST_HOPS:
        raise TriggererCannotPoll(job_id, hops=hops, reason=reason)
    log.warning(
        "The triggerer could not poll the job %s, the worker can. The triggerer tries again (%d of %d). Its reason: %s",
        job_id,
        hops,
        _MOST_HOPS,
        reason,
    )
    return hops


def recorded_job(deployment: Deployment, job_id: str) -> ScheduleResult | None:
    """A job that was scheduled, from its record; None if the record does not exist."""
    header = JobRecords(deployment.dynamodb, deployment.tables.jobs_table).header(job_id)
    return None if header is None else ScheduleResult(header, Outcome.FOUND)


def conclude(
    hook: SoswHook,
    result: JobResult,
    *,
    tolerated_failures: object,
    results: object = None,
    stop: threading.Event | None = None,
    reader: ProgressReader | None = None,
    cancel: Callable[[], CancelOutcome] | None = None,
) -> dict[str, Any]:
    """What the end of a wait adds to the summary for the XCom: ``completed``, ``failed``, ``state``, ``results``.

    :param results: the address to which results are written, before a failure is raised; None for none.
    :param stop: ends the writing of the results.
    :param reader: of the polls, which knows what has failed; None reads that again.
    :param cancel: cancels a job that is not over; None: its tasks stay.
    :raises JobFailed: more tasks failed than are tolerated.
    :raises JobCancelled, JobTimedOut, TasksLost: not every task is closed.
    """
    progress, deployment = result.progress, hook.deployment()
    if result.status is Status.TIMED_OUT:
        total = progress.total if progress.state else None
        raise JobTimedOut(
            job_id=progress.job_id, total=total, closed=progress.closed, **_ending(cancel() if cancel else None)
        )
    if progress.state is JobState.CANCELLED:
        raise JobCancelled(progress.job_id)
    if result.status is Status.LOST:
        names = deployment.tables
        tables = (names.tasks_table, names.retry_tasks_table, names.closed_tasks_table)
        raise TasksLost(
            job_id=progress.job_id, total=progress.total, closed=progress.closed, lost=progress.lost, tables=tables
        )
    tolerance = Tolerance.of(tolerated_failures)
    ending = _ending(cancel() if cancel and result.status is Status.EXCEEDED else None)
    files = None if results is None or ending else _write_results(hook, progress.job_id, results, stop)
    causes = files.causes.lines() if files else _causes(hook, result, reader)
    if not tolerance.allows(progress.failed, progress.total):
        raise JobFailed(
            job_id=progress.job_id,
            total=progress.total,
            completed=progress.completed,
            failed=progress.failed,
            tolerated=str(tolerance),
            examples=describe_failures(deployment.dynamodb, deployment.tables, result.failed_tasks),
            causes=causes,
            results=files.manifest if files else "",
            **ending,
        )
    log.info(
        "The workers are done with the job %s: %s tasks completed, %s failed (tolerated: %s).",
        progress.job_id,
        f"{progress.completed:,}",
        f"{progress.failed:,}",
        tolerance,
    )
    for cause in causes:
        log.warning("Failed: %s", cause)
    ended = {"completed": progress.completed, "failed": progress.failed, "state": "closed"}
    return {**ended, "results": files.as_dict()} if files else ended


def _ending(outcome: CancelOutcome | None) -> dict[str, str]:
    """What an error says about the cancelling of its job."""
    if outcome is None:
        return {}
    return {"cancelled" if outcome.cancelled else "not_cancelled": outcome.text}


def _write_results(hook: SoswHook, job_id: str, results: object, stop: threading.Event | None) -> ResultFiles:
    from sosw_airflow.links.console import log_of_tasks

    deployment = hook.deployment()
    header = JobRecords(deployment.dynamodb, deployment.tables.jobs_table).header(job_id)
    if header is None:
        raise UnknownJob(job_id, table=deployment.tables.jobs_table)
    reader = ResultReader(deployment.dynamodb, deployment.tables, header, deployment.now)
    place = ResultPlace.of(results)
    log.info("Writing the results of %s tasks of the job %s to %s.", f"{header.tasks:,}", job_id, results)
    files = ResultFiles.write(
        reader,
        deployment.s3,
        place,
        stop=stop or threading.Event(),
        stopped=WriterStopped,
        log_of=log_of_tasks(hook, header.labourer_id),
    )
    log.info("The results are complete: %s.", files.manifest)
    return files


def _causes(hook: SoswHook, result: JobResult, reader: ProgressReader | None) -> list[str]:
    """A line for each cause of the failures; none if they cannot be read: the counts are known without them."""
    from sosw_airflow.links.console import log_of_tasks

    job_id, deployment = result.progress.job_id, hook.deployment()
    if not result.progress.failed:
        return []
    try:
        reader = reader or ProgressReader(deployment.dynamodb, deployment.tables, job_id)
        return read_causes(reader, partial(log_of_tasks, hook)).lines()
    except SoswError as error:
        log.warning("Why tasks of the job %s failed cannot be read: %s", job_id, error)
        return []
