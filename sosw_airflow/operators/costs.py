"""What an operator says about costs: the estimate in the summary, and in the log what its process has used."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard

from sosw_airflow.config.prices import list_prices
from sosw_airflow.exceptions import SoswError
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.hooks.sosw import default_max_invocations
from sosw_airflow.jobs.cost import (
    JobShape,
    Labour,
    Usage,
    invoking,
    orchestrating,
    polling,
    reading_results,
    writing,
)

if TYPE_CHECKING:
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.stores.job_record import Header

__all__ = ["estimate_of", "labour_of", "report_usage", "reported_if_failed", "spent", "used_by"]

log = logging.getLogger(__name__)

#: Key of a summary that is stored with a deferral: what was used before it.
_USED = "used"

#: Numbers of an estimate that the log shows.
_SHOWN = ("write_units", "read_units", "s3_writes", "s3_reads", "lambda_requests", "price")


def estimate_of(
    hook: SoswHook, header: Header, *, waits: bool, orchestrates: bool, results: bool, poll_interval: float
) -> dict[str, Any]:
    """What the job costs, as ``estimate`` for its summary: one attempt for each task.

    The job is in the queue by now, so what cannot be estimated is logged, and fails nothing: the result is empty.

    :param waits: the operator polls; ``orchestrates``: it invokes the tasks; ``results``: it writes their results.
    :param poll_interval: seconds.
    """
    try:
        labour = labour_of(hook.labourer(header.labourer_id).settings, poll_interval)
    except SoswError as error:  # the labourer, or an option of the configuration, was changed meanwhile
        log.warning("The costs of the job %s are not estimated. %s", header.job_id, error)
        return {}
    shape = JobShape.of_queue_file(
        tasks=header.tasks, size=header.queue_bytes, pages=header.pages, with_meta=bool(header.meta_table)
    )
    usage = writing(shape) + invoking(shape, labour)
    if orchestrates:
        usage += orchestrating(shape, labour)
    if waits:
        usage += polling(shape, labour)
    if results:
        usage += reading_results(shape, labour)
    prices = list_prices()
    price = {"price": round(prices.of(usage), 6), "currency": prices.currency}
    return {"estimate": {**usage.as_dict(), **price}}


def labour_of(settings: Mapping[str, Any], poll_interval: float = 60.0) -> Labour:
    """How the tasks of a labourer with these settings are done. Without ``task_seconds`` there are no GB-seconds.

    :param poll_interval: seconds.
    :raises InvalidConfiguration: the labourer has no limit, and the one in Airflow's configuration cannot be used.
    """
    limit = settings.get("max_simultaneous_invocations")
    memory, seconds = settings.get("memory"), settings.get("task_seconds")
    return Labour(
        seconds=float(seconds) if _is_positive(seconds) else None,
        memory=int(memory) if _is_positive(memory) else 128,
        limit=limit if isinstance(limit, int) and limit > 0 else default_max_invocations(),
        assistant=settings.get("invocation") != "request",
        poll_interval=poll_interval,
    )


def _is_positive(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6


def spent(summary: Mapping[str, Any], used: Usage) -> dict[str, Any]:
    """The summary with what was used so far, for the process that resumes after a deferral."""
    return {**summary, _USED: (Usage.of(summary.get(_USED)) + used).stored()}


def used_by(event: object) -> Usage:
    """What a trigger has used, by its event; nothing if an older version has sent it."""
    return Usage.of(event.get("usage")) if isinstance(event, Mapping) else Usage()


def report_usage(hook: SoswHook, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Log the estimate, and beside it what was counted; the summary for the XCom.

    Counted are the requests of this process, and of those before a deferral: the worker's, the triggerer's. The summary
    of a job that is over has them as ``counted``.
    """
    reported = {name: value for name, value in summary.items() if name != _USED}
    estimate = summary.get("estimate")
    # Another version may have stored it with a deferral.
    if not isinstance(estimate, Mapping) or not all(isinstance(estimate.get(name), (int, float)) for name in _SHOWN):
        return reported
    is_over = "completed" in summary
    used = Usage.of(summary.get(_USED)) + (_function_time(hook, summary) if is_over else Usage()) + hook.usage
    prices = list_prices()
    amounts = {**used.as_dict(), "price": round(prices.of(used), 6), "currency": prices.currency}
    log.info(
        "Costs of the job %s, estimated as a whole: %s. Counted in this Airflow task: %s.",
        summary.get("job_id"),
        _text(estimate),
        _text(amounts),
    )
    return {**reported, "counted": amounts} if is_over else reported


@contextmanager
def reported_if_failed(hook: SoswHook, summary: Mapping[str, Any]) -> Iterator[None]:
    """Log the costs of a job also if its end inside is an error."""
    try:
        yield
    except SoswError:
        report_usage(hook, summary)
        raise


def _function_time(hook: SoswHook, summary: Mapping[str, Any]) -> Usage:
    """The GB-seconds of the labourer's function, from the times of some closed tasks, if its memory is known.

    25 of them at most: 13 read units for rows of up to 4 KB. A task's time is that from its invocation to its report,
    in whole seconds.
    """
    from sosw_airflow.waiting.durations import mean_seconds

    job_id = str(summary.get("job_id"))
    try:
        closed = summary["completed"] + summary["failed"]
        settings = hook.labourer(str(summary["labourer"])).settings
        if not (_is_positive(settings.get("memory")) and closed):
            return Usage()
        deployment = hook.deployment()
        seconds = mean_seconds(deployment.dynamodb, deployment.tables, job_id, summary["tasks"])
        return Usage(gb_seconds=closed * (seconds or 0.0) * labour_of(settings).memory / 1024)
    except (SoswError, KeyError, TypeError) as error:
        log.warning("How long the tasks of the job %s took cannot be read. %s", job_id, error)
        return Usage()


def _text(usage: Mapping[str, Any]) -> str:
    s3 = counted(usage["s3_writes"] + usage["s3_reads"], "request to S3", "requests to S3")
    return (
        f"{usage['write_units']:,} write units, {usage['read_units']:,} read units, {s3}, "
        f"{usage['lambda_requests']:,} to Lambda, {usage.get('gb_seconds', 0.0):,} GB-seconds; "
        f"{usage['price']:.6f} {usage.get('currency', '')}"
    )
