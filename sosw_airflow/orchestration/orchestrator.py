"""Turns of many labourers side by side, in threads, until there is nothing left to do or the caller stops them."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from sosw_airflow.jobs.cost import Usage
from sosw_airflow.jobs.metrics import COMPLETED, FAILED, INVOKED, RETRIED, Report, unreported
from sosw_airflow.orchestration.lease import LEASE_SECONDS
from sosw_airflow.orchestration.policy import Invocation, LabourerPolicy
from sosw_airflow.orchestration.turn import Clients, LabourerOrchestration
from sosw_airflow.orchestration.turn_report import TurnReport
from sosw_airflow.stores.tables import TableNames

__all__ = ["Orchestrator", "owner_name"]

log = logging.getLogger(__name__)

#: What a turn reports and `Orchestrator.totals` adds up.
_COUNTED = ("invoked", "completed", "failed", "retried")

#: What a turn reports, as metrics.
_METRICS = {"invoked": INVOKED, "completed": COMPLETED, "failed": FAILED, "retried": RETRIED}

#: Labourers whose turns run at the same time.
_SIDE_BY_SIDE = 8


def owner_name() -> str:
    """A name for this orchestrator: host, process, and four digits that differ for two in one process."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:4]}"


@dataclass
class Orchestrator:
    """Processes the queues of some labourers.

    :ivar policies: one for each labourer.
    :ivar stop: set it, from a signal's handler or another thread, to end after the turns under way.
    :ivar concurrency: claims and invocations at the same time, over all labourers.
    :ivar poll_interval: seconds between two polls of a labourer that has no row.
    :ivar lease_seconds: without a sign of this orchestrator, after which another one takes a labourer over.
    :ivar on_turn: called with each report, in this object's threads.
    :ivar metrics: takes the metrics of the turns.
    :ivar usage: gives what its clients have used so far, as AWS counts it.
    """

    policies: Sequence[LabourerPolicy]
    clients: Clients
    tables: TableNames
    stop: threading.Event = field(default_factory=threading.Event)
    concurrency: int = 16
    poll_interval: float = 60.0
    owner: str = field(default_factory=owner_name)
    lease_seconds: float = LEASE_SECONDS
    on_turn: Callable[[TurnReport], None] = lambda report: None  # noqa: ARG005
    metrics: Report = unreported
    usage: Callable[[], Usage] = Usage
    totals: dict[str, dict[str, int]] = field(default_factory=dict, init=False)
    blocked: dict[str, str] = field(default_factory=dict, init=False)

    def run(self, *, until_idle: bool = False, once: bool = False, deadline: float | None = None) -> list[TurnReport]:
        """Take turns until the caller stops it, and return the last report of each labourer.

        ``totals`` counts for each labourer what all turns have ``invoked``, ``completed``, ``failed`` and ``retried``.
        ``blocked`` has the labourers that still have rows after ``until_idle``, each with the fault that lasts.

        :param until_idle: end when no labourer has a row any more, or only labourers with a fault that lasts have some.
        :param once: end after one turn of each labourer, when its synchronous invocations have ended too.
        :param deadline: end at this time of the monotonic clock.
        """
        due = {policy.labourer_id: 0.0 for policy in self.policies}
        last: dict[str, TurnReport] = {}
        self.totals = {labourer_id: dict.fromkeys(_COUNTED, 0) for labourer_id in due}
        requests = sum(policy.limit for policy in self.policies if policy.invocation is Invocation.REQUEST)
        with (
            ThreadPoolExecutor(self.concurrency, thread_name_prefix="sosw-invoke") as workers,
            ThreadPoolExecutor(max(1, requests), thread_name_prefix="sosw-request") as synchronous,
            ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="sosw-turn") as turns,
        ):
            labourers = {
                policy.labourer_id: LabourerOrchestration(
                    policy,
                    self.clients,
                    self.tables,
                    self.owner,
                    workers,
                    synchronous,
                    self.lease_seconds,
                    metrics=self.metrics,
                    concurrency=self.concurrency,
                )
                for policy in self.policies
            }
            under_way: dict[Future[TurnReport], str] = {}
            try:
                while not (self.stop.is_set() or (deadline is not None and time.monotonic() >= deadline)):
                    for labourer_id in [each for each, at in due.items() if at <= time.monotonic()]:
                        under_way[turns.submit(labourers[labourer_id].turn)] = labourer_id
                        due[labourer_id] = float("inf")
                    done, _ = wait(under_way, timeout=self._patience(due, deadline), return_when=FIRST_COMPLETED)
                    for future in done:
                        labourer_id, report = under_way.pop(future), future.result()
                        due[labourer_id] = float("inf") if once else self._next(report)
                        self._take(report, last)
                    everyone = len(last) == len(due) and not under_way
                    if everyone and (once or (until_idle and all(each.idle or each.lasting for each in last.values()))):
                        break
                    if not under_way:
                        self.stop.wait(self._patience(due, deadline))
            finally:
                for future in wait(under_way).done:
                    if future.exception() is None:
                        self._take(future.result(), last)
                for each in labourers.values():
                    each.release()
        for labourer_id, each in labourers.items():  # what ended after the last turn
            late = TurnReport(labourer_id)
            each.count_answers(late)
            if late.invoked or late.refused or late.failed or late.paused:
                former = last.get(labourer_id, late)
                paused, lasting = late.paused or former.paused, late.lasting or former.lasting
                kept = {name: getattr(former, name) for name in ("limit", "idle", "holder")}
                self._take(replace(late, paused=paused, lasting=lasting, **kept), last)
        if until_idle:
            self.blocked = {each.labourer_id: each.paused for each in last.values() if each.lasting}
        return list(last.values())

    def _take(self, report: TurnReport, last: dict[str, TurnReport]) -> None:
        last[report.labourer_id] = report
        for name in _COUNTED:
            self.totals[report.labourer_id][name] += getattr(report, name)
        for name, metric in _METRICS.items():
            if count := getattr(report, name):
                self.metrics(metric, count, report.labourer_id)
        self.on_turn(report)

    def _next(self, report: TurnReport) -> float:
        """When the labourer's next turn is due, on the monotonic clock."""
        return time.monotonic() + (self.poll_interval if report.idle else report.next_in)

    @staticmethod
    def _patience(due: dict[str, float], deadline: float | None) -> float:
        """Seconds until the next turn is due, at most one, so that a stop is seen."""
        now = time.monotonic()
        ends = [*due.values(), now + 1.0, *([deadline] if deadline is not None else [])]
        return max(0.0, min(ends) - now)
