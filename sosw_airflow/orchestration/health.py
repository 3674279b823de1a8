"""The health of a labourer, from CloudWatch values: upstream's scale of 0 to 4, without its defects (E3, E17)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from sosw_airflow.orchestration.policy import HealthMetric

__all__ = ["BEST", "health_of", "limit_for"]

#: The health of a labourer without metrics.
BEST = 4

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def health_of(metrics: Sequence[HealthMetric], values: Mapping[str, float | None]) -> int:
    """The lowest health over the metrics. A metric without data says nothing, so it counts as the best.

    :param values: the latest value of each metric by its name, None without data points.
    """
    return min((_health_of(metric, values.get(metric.name)) for metric in metrics), default=BEST)


def limit_for(limit: int, health: int, coefficients: Mapping[int, float]) -> int:
    """Invocations at once at this health: at least 1, unless the health's coefficient is 0 or the limit is.

    >>> limit_for(1, 2, {2: 0.5}), limit_for(10, 3, {3: 0.75}), limit_for(10, 0, {0: 0.0})
    (1, 7, 0)
    """
    coefficient = coefficients.get(health, 1.0)
    if limit == 0 or coefficient <= 0:
        return 0
    # As it is written in decimal: 0.29 of 100 are 29, which binary numbers make 28.
    return max(1, math.floor(limit * Fraction(str(coefficient))))


def _health_of(metric: HealthMetric, value: float | None) -> int:
    if value is None:
        return BEST
    compare = _COMPARISONS[metric.comparison]
    return next((health for health, target in metric.feelings if compare(value, target)), 0)
