"""A consumer of the queue: sosw's Orchestrator, its workers with the WorkerAssistant, and its Scavenger.

It makes the writes that sosw 0.7.51 makes, with the same conditions and in the same order, but several rows in one
request, and it decides by seeded random numbers what becomes of a task. So thousands of rows a minute can be moved.
"""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sosw_airflow.stores.tables import SOSW_NAMES, TableNames
from tests.support.faults.ledger import Invocation, Ledger
from tests.support.faults.rows import RowWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

INVOCATION_DELTA = 31_557_600
"""What an invoked row's greenfield is ahead of the time of its invocation: a year, in seconds."""
_EXPIRED_AFTER = 1200
"""Duration and cooldown of a labourer in seconds: an invoked row that is older has expired."""
_LATE_PER_STEP = 10
"""How many late workers are checked in one step; each costs a request."""
_FIRST_GREENFIELD = 1000
"""What sosw takes for the greenfield of the queue's head when there is no queue."""


@dataclass(frozen=True)
class Behaviour:
    """What the consumer does with its tasks.

    expires: share of the invocations after which the worker never reports; the row then expires and is retried, and
        archived as dead after `max_attempts`.
    late: share of those expired ones whose worker does report, but only when the row has been moved away.
    batch: rows in one request at most; 1 makes the requests that sosw makes.
    invocations: rows invoked in one pass at most. retry_delay: seconds that a row stays in the retry table, at least.
    """

    expires: float = 0.15
    late: float = 0.0
    batch: int = 50
    invocations: int = 250
    max_attempts: int = 3
    retry_delay: int = 0


class Consumer:
    """Works on the queues of some labourers, in `step`s of the caller's or in a thread of its own (`with consumer:`).

        with Consumer(dynamodb, ["labourer"], seed=3) as consumer:
            ...  # write rows
            with consumer.paused():
                census(dynamodb, job_id)
        consumer.drain()

    What becomes of a task depends on the seed, its id and its attempt, not on the order in which things happen.
    """

    def __init__(
        self,
        dynamodb: Any,
        labourers: Sequence[str],
        *,
        seed: int = 0,
        ledger: Ledger | None = None,
        behaviour: Behaviour | None = None,
        names: TableNames = SOSW_NAMES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.labourers = list(labourers)
        self.ledger = ledger or Ledger()
        self.behaviour = behaviour or Behaviour()
        self.names = names
        self._dynamodb = dynamodb
        self._rows = RowWriter(dynamodb, names, self.behaviour.batch)
        self._seed = seed
        self._clock = clock
        self._running: list[str] = []
        self._late: list[str] = []
        self._working = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    # Its life

    def __enter__(self) -> Self:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the thread after its current step. Raises whatever has ended it before."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the consumer between two steps: no row is in two tables."""
        with self._working:
            yield

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not self.step():
                    self._stop.wait(0.02)
        except BaseException as failure:  # noqa: BLE001 - raised again by stop()
            self._failure = failure

    def drain(self, timeout: float = 300.0) -> None:
        """Work until every row of the labourers is archived. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while True:
            moved = self.step()
            if not moved and not self._rows.any_left(self.labourers):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the queues are not empty after {timeout} s")
            if not moved:
                time.sleep(0.05)

    def step(self) -> int:
        """Do one round of sosw's three Lambdas for each labourer; gives the number of rows that were moved."""
        with self._working:
            moved = sum(self._orchestrate(labourer) for labourer in self.labourers)
            moved += self._work()
            return moved + sum(self._scavenge(labourer) for labourer in self.labourers)

    # Orchestrator

    def _orchestrate(self, labourer: str) -> int:
        start = int(self._clock())
        queued = self._rows.queued(labourer, before=start, limit=self.behaviour.invocations)
        fates = {row["task_id"]["S"]: self._fate(row["task_id"]["S"], _attempts(row)) for row in queued}
        running = start + INVOCATION_DELTA
        # A worker that will not report in time: its row gets the greenfield of an invocation long ago, at once.
        expired = running - _EXPIRED_AFTER - 100
        greenfields = {task_id: running if fate == "completes" else expired for task_id, fate in fates.items()}
        invoked = 0
        for row in self._rows.invoke(queued, greenfields=greenfields, before=start):
            task_id = row["task_id"]["S"]
            self.ledger.record(Invocation(labourer, task_id, _attempts(row), row.get("payload", {}).get("S", "")))
            if fates[task_id] == "completes":
                self._running.append(task_id)
            elif fates[task_id] == "late":
                self._late.append(task_id)
            invoked += 1
        return invoked

    def _fate(self, task_id: str, attempt: int) -> str:
        draw = random.Random(f"{self._seed}/{task_id}/{attempt}").random()
        if draw >= self.behaviour.expires:
            return "completes"
        return "late" if draw < self.behaviour.expires * self.behaviour.late else "expires"

    # Workers

    def _work(self) -> int:
        """Report the running tasks as completed, and those from earlier rounds that are late by now."""
        looked_at, rest = self._late[:_LATE_PER_STEP], self._late[_LATE_PER_STEP:]
        moved = [task_id for task_id in looked_at if self._rows.was_moved(task_id)]
        self._late = rest + [task_id for task_id in looked_at if task_id not in set(moved)]
        reported, self._running = self._running + moved, []
        self._rows.complete(reported, at=int(self._clock()))
        return len(reported)

    # Scavenger

    def _scavenge(self, labourer: str) -> int:
        now = int(self._clock())
        invoked = self._rows.invoked(labourer, since=now)
        completed = [row for row in invoked if "completed_at" in row]
        self._archive(labourer, completed, status=1, now=now)
        limit = now + INVOCATION_DELTA - _EXPIRED_AFTER
        expired = [row for row in invoked if "completed_at" not in row and float(row["greenfield"]["N"]) <= limit]
        dead = [row for row in expired if _attempts(row) >= self.behaviour.max_attempts]
        for_retry = [row for row in expired if _attempts(row) < self.behaviour.max_attempts]
        self._rows.move_to_retry(for_retry, launch_time=now + self.behaviour.retry_delay)
        self._archive(labourer, dead, status=0, now=now)
        return len(completed) + len(expired) + self._retry(labourer, now)

    def _archive(self, labourer: str, rows: list[dict[str, Any]], *, status: int, now: int) -> None:
        for row in rows:
            row["labourer_id_task_status"] = {"S": f"{labourer}_{status}"}
            row["closed_at"] = {"N": str(now)}
            if "payload" in row:
                # sosw reads the JSON and stores the Python object's text.
                row["payload"] = {"S": str(json.loads(row["payload"]["S"]))}
        self._rows.move_to_closed(rows)

    def _retry(self, labourer: str, now: int) -> int:
        due = self._rows.due_for_retry(labourer, until=now, limit=self.behaviour.invocations)
        if due:
            head = self._rows.queued(labourer, before=now + 1, limit=1)
            lowest = int(float(head[0]["greenfield"]["N"])) if head else _FIRST_GREENFIELD
            for row in due:
                lowest -= 1
                del row["desired_launch_time"]
                row["greenfield"] = {"N": str(lowest)}
            self._rows.move_back(due)
        return len(due)


def _attempts(row: dict[str, Any]) -> int:
    return int(row.get("attempts", {}).get("N", "0"))
