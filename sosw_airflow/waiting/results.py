"""Reads the results of a job's tasks, in the job's order, at a memory that does not grow with the job.

Tasks are read by their ids, which carry their index: 100 a request, a few requests at once. The index of closed tasks
has neither payloads nor results, so its rows would have to be read by id in any case, and then be sorted. It only
chooses the tasks if one state is wanted. A row that a table does not show is read again consistently.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from sosw_airflow.exceptions import InvalidConfiguration, JobDelivered, UnknownJob
from sosw_airflow.exceptions.faults import Fault
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.identity import task_id, task_index
from sosw_airflow.jobs.transitions import IN_DELIVERY
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.batch_reads import BATCH_KEYS, read_batch
from sosw_airflow.stores.closed_tasks import End, end_of, error_of, payload_of, whole_number
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.waiting.progress import ProgressReader
from sosw_airflow.waiting.task_results import TaskResult, TaskState, attributes_of, invocation_of

__all__ = ["ResultReader", "read_results", "state_from"]

#: Requests at once. Each has 100 rows, 16 MB at the most.
_CONCURRENCY = 4

Item = dict[str, Any]


def state_from(given: object) -> TaskState | None:
    """The state that is wanted; None for all.

    :raises InvalidConfiguration: it is no state of a task.
    """
    if given is None or isinstance(given, TaskState):
        return given
    try:
        return TaskState(given)
    except ValueError:
        states = ", ".join(repr(state.value) for state in TaskState)
        raise InvalidConfiguration([Fault("state", f"must be one of {states}, not {excerpt(given)}")]) from None


def read_results(
    dynamodb: Any, tables: TableNames, job_id: str, *, state: object = None, now: Callable[[], float] = time.time
) -> Iterator[TaskResult]:
    """The results of a job's tasks, in its order. The header is read at once, the tasks as you iterate.

    :param state: only tasks in this state; None for all.
    :raises InvalidConfiguration: it is no state.
    :raises UnknownJob: there is no record of the job.
    :raises JobDelivered: its tasks have ids that are not known here.
    :raises SoswError: AWS refuses.
    """
    wanted = state_from(state)
    header = JobRecords(dynamodb, tables.jobs_table).header(job_id)
    if header is None:
        raise UnknownJob(job_id, table=tables.jobs_table)
    if header.state in IN_DELIVERY:
        raise JobDelivered(job_id)
    reader = ResultReader(dynamodb, tables, header, now)
    return _in_state(reader, wanted)


def _in_state(reader: ResultReader, wanted: TaskState | None) -> Iterator[TaskResult]:
    indexes: Iterable[int] = range(reader.header.tasks)
    if wanted is not None:
        progress = ProgressReader(reader.dynamodb, reader.tables, reader.header.job_id, must_exist=True)
        progress.read_patiently(Backoff())
        if wanted is TaskState.FAILED:
            indexes = progress.ended(End.FAILED)
        elif wanted is TaskState.COMPLETED:
            # A worker may have reported a task that is not archived yet.
            indexes = merge(progress.ended(End.COMPLETED), progress.open_indexes())
        else:
            indexes = progress.open_indexes()
    with closing(reader.read(indexes)) as results:
        for result in results:
            if wanted in (None, result.state):
                yield result


@dataclass(frozen=True)
class ResultReader:
    """Reads the rows of one job's tasks, wherever they are.

    :ivar dynamodb: a boto3 DynamoDB client, safe for threads.
    :ivar now: the present, in seconds since 1970.
    """

    dynamodb: Any
    tables: TableNames
    header: Header
    now: Callable[[], float] = time.time

    def read(self, indexes: Iterable[int]) -> Generator[TaskResult, None, None]:
        """The results of the tasks with these indexes, in their order; one for each.

        :raises SoswError: AWS refuses, or a table has given no row for minutes.
        """
        tasks = (task_id(self.header.job_id, index) for index in indexes)
        pool = ThreadPoolExecutor(_CONCURRENCY, thread_name_prefix="sosw-results")
        waiting: deque[Future[list[TaskResult]]] = deque()
        try:
            while batch := list(islice(tasks, BATCH_KEYS)):
                waiting.append(pool.submit(self._batch, batch))
                if len(waiting) >= _CONCURRENCY:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _batch(self, tasks: list[str]) -> list[TaskResult]:
        found: dict[str, TaskResult] = {}
        # A row moves from left to right, or back to the queue. The second time finds one that moved past a read.
        for consistent in (False, True):
            for setting, result_of in (
                ("closed_tasks_table", self._closed),
                ("tasks_table", self._open),
                ("retry_tasks_table", self._retrying),
            ):
                missing = [each for each in tasks if each not in found]
                if not missing:
                    break
                for item in self._rows(setting, missing, consistent=consistent):
                    result = result_of(item)
                    if result is not None:
                        found[result.task_id] = result
        return [found.get(each) or TaskResult.without_row(each) for each in tasks]

    def _rows(self, setting: str, tasks: list[str], *, consistent: bool) -> list[Item]:
        beside = {"labourer_id": {"S": self.header.labourer_id}} if setting == "retry_tasks_table" else {}
        keys = [{**beside, "task_id": {"S": each}} for each in tasks]
        return read_batch(self.dynamodb, getattr(self.tables, setting), keys, setting=setting, consistent=consistent)

    def _closed(self, item: Item) -> TaskResult:
        state = TaskState.COMPLETED if end_of(item) is End.COMPLETED else TaskState.FAILED
        return _result(item, state, whole_number(item.get("closed_at", {}).get("N")), until=self.now())

    def _open(self, item: Item) -> TaskResult | None:
        if "labourer_id" not in item:
            return None  # what a late report leaves of a task that is elsewhere (E8)
        now = self.now()
        # A worker has reported, and the row is not archived yet.
        if "completed_at" in item:
            return _result(item, TaskState.COMPLETED, None, until=now)
        running = whole_number(item.get("greenfield", {}).get("N")) > now
        return _result(item, TaskState.RUNNING if running else TaskState.QUEUED, None, until=now)

    def _retrying(self, item: Item) -> TaskResult:
        return _result(item, TaskState.RETRYING, None, until=self.now())


def _result(item: Item, state: TaskState, closed_at: int | None, *, until: float) -> TaskResult:
    task = item["task_id"]["S"]
    result, cut_result = attributes_of(item, "result")
    stats, cut_stats = attributes_of(item, "stat")
    return TaskResult(
        index=task_index(task) or 0,
        task_id=task,
        state=state,
        payload=payload_of(item),
        attempts=whole_number(item.get("attempts", {}).get("N")),
        result=result,
        stats=stats,
        error=error_of(item),
        error_type=" ".join(item.get("error_type", {}).get("S", "").split()),
        truncated=cut_result or cut_stats or "error_message_truncated" in item,
        invoked_at=invocation_of(item, until=closed_at or until),
        closed_at=closed_at,
    )
