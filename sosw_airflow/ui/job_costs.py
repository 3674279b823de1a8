"""What a job has cost so far, estimated from its record and the counts that its page has anyway. Sends no request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

from sosw_airflow.config.prices import list_prices
from sosw_airflow.exceptions import SoswError
from sosw_airflow.hooks.sosw import default_max_invocations
from sosw_airflow.jobs.cost import JobShape, Prices, Usage, so_far
from sosw_airflow.jobs.transitions import IN_DELIVERY
from sosw_airflow.operators.costs import labour_of
from sosw_airflow.orchestration.policy import DEFAULT_LIMIT, LabourerPolicy

__all__ = ["JobCosts", "costs_so_far"]


@dataclass(frozen=True)
class JobCosts:
    """The costs of a job until now.

    :ivar parts: what each piece of work has used, and its price.
    :ivar attempts: that a failed task counts with.
    :ivar has_time: the time of the function is in it.
    """

    parts: Mapping[str, tuple[Usage, float]]
    prices: Prices
    attempts: int
    has_time: bool

    @property
    def total(self) -> tuple[Usage, float]:
        """Of all parts."""
        usage = reduce(add, (used for used, _ in self.parts.values()))
        return usage, self.prices.of(usage)


def costs_so_far(header: Any, progress: Any, settings: Mapping[str, Any]) -> JobCosts | None:
    """The costs of a job; None if they cannot be estimated: sosw's own Scheduler has written it.

    :param settings: of its labourer; empty if it is not registered.
    """
    if header.state in IN_DELIVERY:
        return None
    try:
        default = default_max_invocations()
    except SoswError:  # the limit only decides how long the job takes
        default = DEFAULT_LIMIT
    try:
        policy = LabourerPolicy.of(header.labourer_id, settings, default_limit=default)
    except SoswError:  # the labourer's page says what is wrong with its settings
        policy = LabourerPolicy.of(header.labourer_id, {}, default_limit=default)
    labour, attempts = labour_of(policy), policy.max_attempts
    shape = JobShape.of_queue_file(
        tasks=header.tasks, size=header.queue_bytes, pages=header.pages, with_meta=bool(header.meta_table)
    )
    mean = (progress.completed + progress.failed * attempts) / max(progress.closed, 1)
    used = so_far(shape, replace(labour, attempts=max(mean, 1.0)), progress.closed)
    prices = list_prices()
    parts = {name: (each, prices.of(each)) for name, each in used.items()}
    return JobCosts(parts, prices, attempts, labour.seconds is not None)
