"""The measuring of a queue: once a minute, by the holder of the lease alone, and only if something takes the values."""

from __future__ import annotations

from typing import Any

import pytest

from sosw_airflow.exceptions import AwsFault
from sosw_airflow.jobs.metrics import Metric, unreported
from sosw_airflow.orchestration import queue_meter
from sosw_airflow.orchestration.queue_meter import QueueMeter
from sosw_airflow.orchestration.turn_report import TurnReport
from sosw_airflow.stores.tables import TableNames


class Measured:
    """The values that were reported, the number of readings, a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.values: list[tuple[str, float, str]] = []
        self.readings, self.ticks = 0, 0.0
        self.fault: Exception | None = None
        monkeypatch.setattr(queue_meter, "queue_size", self.read)

    def read(self, *_: Any, **__: Any) -> tuple[int, int]:
        """Seven tasks, the first of which waits for 30 s."""
        self.readings += 1
        if self.fault:
            raise self.fault
        return 7, 30

    def report(self, metric: Metric, value: float, labourer_id: str) -> None:
        """Take a value."""
        self.values.append((metric.name, value, labourer_id))

    def meter(self, report: Any = None) -> QueueMeter:
        """A meter of the labourer `worker`."""
        return QueueMeter(None, TableNames(), "worker", report or self.report, lambda: 0.0, lambda: self.ticks)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """A queue that is not read for real."""
    return Measured(monkeypatch)


def test_a_queue_is_measured_once_a_minute(measured: Measured) -> None:
    """However many turns a minute has."""
    meter = measured.meter()
    for measured.ticks in range(121):
        meter.after(TurnReport("worker"))
    assert 3 == measured.readings
    assert [("sosw.queue.depth", 7, "worker"), ("sosw.queue.oldest_seconds", 30, "worker")] == measured.values[:2]


def test_an_idle_labourer_has_an_empty_queue_without_a_request(measured: Measured) -> None:
    """An alert on the depth sees it fall to zero."""
    measured.meter().after(TurnReport("worker", idle=True))
    assert 0 == measured.readings
    assert [0, 0] == [value for _, value, _ in measured.values]


def test_an_orchestrator_beside_the_holder_measures_nothing(measured: Measured) -> None:
    """Two would report every value twice."""
    measured.meter().after(TurnReport("worker", holder="there"))
    assert (0, []) == (measured.readings, measured.values)


def test_nothing_is_measured_if_no_one_takes_the_values(measured: Measured) -> None:
    """Airflow's metrics are off."""
    measured.meter(unreported).after(TurnReport("worker"))
    assert 0 == measured.readings


def test_a_queue_that_cannot_be_read_stops_no_turn(measured: Measured, caplog: pytest.LogCaptureFixture) -> None:
    """The log says why; the next minute tries again."""
    measured.fault = AwsFault("AWS refuses dynamodb:Query.")
    measured.meter().after(TurnReport("worker"))
    assert [] == measured.values
    assert "The queue of worker cannot be measured: AWS refuses dynamodb:Query." in caplog.text
