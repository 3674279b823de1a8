"""Measures the queue of a labourer between its turns, once a minute, for those who take metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.exceptions import SoswError
from sosw_airflow.jobs.metrics import DEPTH, OLDEST, Report, unreported
from sosw_airflow.orchestration.glance import queue_size
from sosw_airflow.orchestration.turn_report import TurnReport
from sosw_airflow.stores.tables import TableNames

__all__ = ["QueueMeter"]

log = logging.getLogger(__name__)

#: Seconds between two measurements.
_EVERY = 60.0


@dataclass
class QueueMeter:
    """Measures one labourer's queue. Used by one thread at a time.

    :ivar metrics: takes the values. `unreported`: nothing is measured.
    :ivar clock: the present, in seconds since 1970.
    :ivar monotonic: a clock, in seconds.
    """

    dynamodb: Any
    tables: TableNames
    labourer_id: str
    metrics: Report
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    _measured_at: float = field(default=float("-inf"), init=False)

    def after(self, turn: TurnReport) -> None:
        """Measure, if this orchestrator works on the queue and it is time. An idle labourer costs no request."""
        now = self.monotonic()
        if self.metrics is unreported or turn.holder or now < self._measured_at + _EVERY:
            return
        self._measured_at = now
        depth = oldest = 0
        if not turn.idle:
            try:
                depth, oldest = queue_size(self.dynamodb, self.tables, self.labourer_id, now=int(self.clock()))
            except SoswError as error:
                log.warning("The queue of %s cannot be measured: %s", self.labourer_id, error)
                return
        self.metrics(DEPTH, depth, self.labourer_id)
        self.metrics(OLDEST, oldest, self.labourer_id)
