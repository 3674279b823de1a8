"""The settings of a labourer that its orchestration follows, with the names that upstream's configuration has."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt, printable

__all__ = ["DEFAULT_ATTEMPTS", "DEFAULT_LIMIT", "HealthMetric", "Invocation", "LabourerPolicy"]

#: Invocations at once for a labourer that names no limit. Upstream means 1 by that (ORCHESTRATION.md 2.2).
DEFAULT_LIMIT = 10

#: Invocations of a task if a labourer names no other number, as in sosw.
DEFAULT_ATTEMPTS = 3

#: Upstream's share of the limit for each health (ORCHESTRATION.md 2.2).
_COEFFICIENTS: Mapping[int, float] = {0: 0.0, 1: 0.0, 2: 0.5, 3: 0.75, 4: 1.0}

#: Upstream's comparison names beside the signs that its documentation shows (ORCHESTRATION.md E3).
_OPERATORS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

#: A whole number up to 1,000,000 as text: digits that `int` reads.
_DIGITS = re.compile(r"[0-9]{1,7}")

#: Seconds of a year: the longest wait.
_LONGEST = 31_536_000.0

_STATISTICS = ("Average", "Maximum", "Minimum", "Sum", "SampleCount")


class Invocation(str, Enum):
    """How a labourer's function is invoked."""

    EVENT = "event"  # asynchronously; the worker or a destination reports to the assistant
    REQUEST = "request"  # synchronously; the orchestrator stores the answer itself


@dataclass(frozen=True)
class HealthMetric:
    """A CloudWatch metric, and the health that its value means (ORCHESTRATION.md 9).

    :ivar arguments: of GetMetricStatistics: ``Namespace``, ``MetricName``, ``Dimensions``.
    :ivar statistic: one of ``Average``, ``Maximum``, ``Minimum``, ``Sum``, ``SampleCount``.
    :ivar comparison: ``<``, ``<=``, ``>`` or ``>=``.
    :ivar feelings: pairs of health (4 is best) and threshold, from the best health to the worst.
    """

    name: str
    arguments: Mapping[str, Any]
    statistic: str
    comparison: str
    feelings: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class LabourerPolicy:
    """What the orchestration of one labourer follows. Build it with `of`, which checks.

    :ivar function: name or ARN of the Lambda function.
    :ivar limit: invocations at once; 0 pauses the labourer.
    :ivar max_attempts: invocations of one task before it is closed as failed.
    :ivar expiry: seconds after which an invoked task counts as lost; None derives them from the function.
    :ivar retry_delay: seconds before the second attempt; each later one waits ``retry_factor`` times longer.
    :ivar per_minute: invocations a minute, None for no limit.
    :ivar upstream_scavenger: upstream's Scavenger archives, expires and retries; the orchestrator leaves that to it.
    :ivar limit_is_default: the labourer names no limit.
    :ivar memory: of the function in MB, and ``task_seconds`` that a task takes, for its costs; None if they are not
        known.
    """

    labourer_id: str
    function: str
    limit: int = DEFAULT_LIMIT
    max_attempts: int = DEFAULT_ATTEMPTS
    expiry: float | None = None
    retry_delay: float = 30.0
    retry_factor: float = 2.0
    per_minute: int | None = None
    invocation: Invocation = Invocation.EVENT
    health_metrics: tuple[HealthMetric, ...] = field(default=())
    coefficients: Mapping[int, float] = field(default_factory=lambda: dict(_COEFFICIENTS))
    upstream_scavenger: bool = False
    limit_is_default: bool = False
    memory: int | None = None
    task_seconds: float | None = None

    @classmethod
    def of(cls, labourer_id: str, settings: Mapping[str, Any], *, default_limit: int = DEFAULT_LIMIT) -> LabourerPolicy:
        """The policy that a labourer's settings describe. Settings of other programs are ignored.

        :param default_limit: invocations at once if the settings name no limit.
        :raises InvalidConfiguration: names each faulty setting.
        """
        reader = _Reader(f"labourer {printable(labourer_id)}", settings)
        limit = reader.whole("max_simultaneous_invocations", None, least=0)
        duration, cooldown = reader.number("duration", None), reader.number("cooldown", 0.0)
        delay, factor = reader.retry_delay()
        policy = cls(
            labourer_id=labourer_id,
            function=str(settings.get("arn") or labourer_id),
            limit=default_limit if limit is None else limit,
            max_attempts=reader.whole("max_attempts", None, least=1) or DEFAULT_ATTEMPTS,
            expiry=reader.number("expiry", None) or (duration + (cooldown or 0.0) if duration else None),
            retry_delay=delay,
            retry_factor=factor,
            per_minute=reader.whole("max_invocations_per_minute", None, least=1),
            invocation=reader.choice("invocation", Invocation, Invocation.EVENT),
            health_metrics=tuple(reader.health_metrics()),
            upstream_scavenger=reader.scavenger(),
            limit_is_default=limit is None,
            memory=reader.whole("memory", None, least=1),
            task_seconds=reader.number("task_seconds", None) or None,
        )
        if reader.faults:
            raise InvalidConfiguration(reader.faults)
        return policy

    def retry_after(self, attempts: int) -> float:
        """Seconds that a task waits after this many attempts."""
        try:
            wait = self.retry_delay * self.retry_factor ** max(attempts - 1, 0)
        except OverflowError:
            return _LONGEST
        return min(wait, _LONGEST)


class _Reader:
    """Reads settings one by one and collects the faults."""

    def __init__(self, where: str, settings: Mapping[str, Any]) -> None:
        self._where, self._settings = where, settings
        self.faults: list[Fault] = []

    def whole(self, name: str, default: int | None, *, least: int) -> int | None:
        """A whole number, also as its digits."""
        value = self._settings.get(name)
        if value is None or value == "":
            return default
        number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value.strip()) else value
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= 1_000_000:
            self._fault(name, f"must be a whole number from {least:,} to 1,000,000, not {excerpt(value)}")
            return default
        return number

    def number(self, name: str, default: float | None) -> float | None:
        """A number of seconds above 0, also as text."""
        value = self._settings.get(name)
        if value is None or value == "":
            return default
        try:
            seconds = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            seconds = float("nan")
        if not 0 <= seconds <= _LONGEST:
            self._fault(name, f"must be a number of seconds, at most a year, not {excerpt(value)}")
            return default
        return seconds

    def choice(self, name: str, kind: type[Invocation], default: Invocation) -> Invocation:
        """One of the values of an enumeration."""
        value = self._settings.get(name) or default.value
        try:
            return kind(value)
        except ValueError:
            self._fault(name, f"must be {' or '.join(repr(each.value) for each in kind)}, not {excerpt(value)}")
            return default

    def retry_delay(self) -> tuple[float, float]:
        """Seconds and factor: a number of seconds, or ``{"seconds": 30, "factor": 2}``."""
        value = self._settings.get("retry_delay")
        if isinstance(value, Mapping):
            inner = _Reader(self._where, value)
            seconds, factor = inner.number("seconds", 30.0), inner.number("factor", 2.0)
            self.faults += [Fault(f"{fault.path}", f"retry_delay: {fault.problem}") for fault in inner.faults]
            return seconds or 0.0, factor or 1.0
        seconds = self.number("retry_delay", 30.0)
        return (30.0 if seconds is None else seconds), 2.0

    def scavenger(self) -> bool:
        """Whether upstream's Scavenger keeps its work."""
        value = self._settings.get("scavenger")
        if value in (None, "", "airflow", "upstream"):
            return value == "upstream"
        self._fault("scavenger", f"must be 'airflow' or 'upstream', not {excerpt(value)}")
        return False

    def health_metrics(self) -> list[HealthMetric]:
        """Upstream's ``health_metrics``: ``{name: {details, feelings, feeling_comparison_operator}}``."""
        document = self._settings.get("health_metrics") or {}
        if not isinstance(document, Mapping):
            self._fault("health_metrics", f"must be an object of metrics, not {excerpt(document)}")
            return []
        return [each for name, metric in document.items() if (each := self._metric(str(name), metric)) is not None]

    def _metric(self, name: str, metric: Any) -> HealthMetric | None:
        where = f"health_metrics.{printable(name)}"
        if not isinstance(metric, Mapping) or not isinstance(metric.get("details"), Mapping):
            self._fault(where, "must be an object with details (Namespace, MetricName) and feelings")
            return None
        details = dict(metric["details"])
        details.setdefault("MetricName", details.pop("Name", None))  # as upstream's documentation has it
        statistics = details.get("Statistics") or "Average"
        statistic = statistics[0] if isinstance(statistics, (list, tuple)) else statistics
        sign = metric.get("feeling_comparison_operator", "<=")
        comparison = _OPERATORS.get(sign) if isinstance(sign, str) else None
        pairs = _feelings(metric.get("feelings"))
        texts = all(isinstance(details.get(each), str) and details[each] for each in ("Namespace", "MetricName"))
        if not texts or not _are_dimensions(details.get("Dimensions")):
            self._fault(where, "needs details with texts as Namespace and MetricName; Dimensions, if any, are a list")
        elif comparison is None or not pairs or statistic not in _STATISTICS:
            self._fault(
                where,
                "needs feelings as {health: threshold}, one of the comparisons "
                f"{', '.join(_OPERATORS)}, and one of the statistics {', '.join(_STATISTICS)}",
            )
        else:
            kept = {key: details[key] for key in ("Namespace", "MetricName", "Dimensions") if details.get(key)}
            return HealthMetric(name, kept, statistic, comparison, pairs)
        return None

    def _fault(self, name: str, problem: str) -> None:
        self.faults.append(Fault(f"{self._where}.{name}", problem))


def _feelings(given: Any) -> tuple[tuple[int, float], ...]:
    """Pairs of health and threshold, the best health first. None of them if one cannot be read."""
    if not isinstance(given, Mapping):
        return ()
    try:
        pairs = sorted(((int(health), float(target)) for health, target in given.items()), reverse=True)
    except (TypeError, ValueError, OverflowError):
        return ()
    return tuple(pairs) if all(math.isfinite(target) for _, target in pairs) else ()


def _are_dimensions(given: Any) -> bool:
    """Whether CloudWatch takes it: a list of ``{"Name": ..., "Value": ...}``."""
    if given is None:
        return True
    return isinstance(given, Sequence) and all(
        isinstance(each, Mapping) and set(each) == {"Name", "Value"} and all(isinstance(v, str) for v in each.values())
        for each in given
    )
