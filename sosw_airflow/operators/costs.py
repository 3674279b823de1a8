"""What an operator says about costs: the estimate in the summary, and in the log what its process has used."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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
from sosw_airflow.orchestration.policy import DEFAULT_LIMIT, Invocation, LabourerPolicy

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
        labour = labour_of(_policy(hook, header.labourer_id), poll_interval)
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


def labour_of(policy: LabourerPolicy, poll_interval: float = 60.0) -> Labour:
    """How the tasks of a labourer are done. Without ``task_seconds`` there are no GB-seconds.

    :param poll_interval: seconds.
    """
    return Labour(
        seconds=policy.task_seconds,
        memory=policy.memory or 128,
        limit=policy.limit or DEFAULT_LIMIT,
        assistant=policy.invocation is Invocation.EVENT,
        poll_interval=poll_interval,
    )


def _policy(hook: SoswHook, labourer_id: str) -> LabourerPolicy:
    """The settings in force, whether they are numbers or their texts.

    :raises SoswError: the labourer is unknown, or a setting of it or of Airflow's configuration is faulty.
    """
    settings = hook.labourer(labourer_id).settings
    return LabourerPolicy.of(labourer_id, settings, default_limit=default_max_invocations())


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
        policy = _policy(hook, str(summary["labourer"]))
        if not (policy.memory and closed):
            return Usage()
        deployment = hook.deployment()
        seconds = mean_seconds(deployment.dynamodb, deployment.tables, job_id, summary["tasks"])
        return Usage(gb_seconds=closed * (seconds or 0.0) * policy.memory / 1024)
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
