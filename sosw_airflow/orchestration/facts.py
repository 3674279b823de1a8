"""What turns know of a labourer's function and of its health: read by the first turn, and again after a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.orchestration.expiry import expiry_seconds
from sosw_airflow.orchestration.health import BEST, health_of, limit_for
from sosw_airflow.orchestration.policy import Invocation, LabourerPolicy
from sosw_airflow.orchestration.readings import function_facts, metric_value

__all__ = ["LabourerFacts"]

#: Seconds between two readings of the function's settings, and of its metrics.
_FUNCTION_EVERY, _HEALTH_EVERY = 300.0, 60.0


@dataclass
class LabourerFacts:
    """Used by one thread at a time.

    :ivar aws_lambda: a boto3 client.  :ivar cloudwatch: another one, None if no labourer has health metrics.
    :ivar clock: the present, in seconds since 1970.
    """

    policy: LabourerPolicy
    aws_lambda: Any
    cloudwatch: Any
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    _expiry: tuple[float, float] = field(default=(float("-inf"), 0.0), init=False)
    _health: tuple[float, int] = field(default=(float("-inf"), BEST), init=False)

    def expiry(self) -> float:
        """Seconds after which an invoked task counts as lost.

        :raises AwsFault: the function does not exist or cannot be read.
        """
        if self.policy.expiry is not None:
            return self.policy.expiry
        read_at, seconds = self._expiry
        if self.monotonic() - read_at >= _FUNCTION_EVERY:
            facts = function_facts(self.aws_lambda, self.policy.function)
            seconds = expiry_seconds(facts, asynchronous=self.policy.invocation is Invocation.EVENT)
            self._expiry = (self.monotonic(), seconds)
        return seconds

    def limit(self) -> int:
        """Invocations at once that the labourer's health allows.

        :raises AwsFault: a metric cannot be read.
        """
        return limit_for(self.policy.limit, self.health(), self.policy.coefficients)

    def health(self) -> int:
        """Upstream's scale of 0 to 4.

        :raises AwsFault: a metric cannot be read.
        """
        metrics, cloudwatch = self.policy.health_metrics, self.cloudwatch
        read_at, health = self._health
        if metrics and cloudwatch is not None and self.monotonic() - read_at >= _HEALTH_EVERY:
            now = self.clock()
            health = health_of(metrics, {each.name: metric_value(cloudwatch, each, now=now) for each in metrics})
            self._health = (self.monotonic(), health)
        return health
