"""Jobs written into an emulator by sosw_airflow, and by a bare loop. Each ``measure_`` has a process of its own."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

from benchmarks.fresh_process import Figures, peak_growth
from benchmarks.round_trips import RoundTrips
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.pages import MAX_PAGE_ROWS, PageLimits, cut_pages
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.pace import PagePace
from sosw_airflow.scheduling.page_writer import PageWriter, WriterStopped
from sosw_airflow.scheduling.scheduler import JobScheduler, Outcome, ScheduleRequest
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.queue_file import QueueFile
from sosw_airflow.stores.ready_wire import use_ready_wire
from sosw_airflow.stores.tables import SOSW_NAMES, TableNames
from sosw_airflow.stores.task_queue import Capacity
from sosw_airflow.waiting.progress_log import ProgressLog
from tests.support.emulators.emulator import ACCESS_KEY, REGION, SECRET_KEY

__all__ = [
    "BUCKET",
    "LABOURER",
    "SCHEMA",
    "job",
    "measure_bare",
    "measure_pages",
    "measure_ready",
    "measure_resume",
    "measure_schedule",
    "planned_job",
]

BUCKET = "sosw-queue"
LABOURER = "worker"
SCHEMA = ("word",)
_DAY = date(2026, 11, 23)

#: Pages in flight, in the writer and in the bare loop.
CONCURRENCY = 8


def job(tasks: int) -> dict[str, Any]:
    """A job of so many tasks, with small payloads."""
    return {"isolate_words": True, "currency": "EUR", "words": list(range(tasks))}


def measure_schedule(
    endpoint_url: str,
    tasks: int,
    latency: float,
    meta: bool = False,
    warm: bool = True,
    *,
    labourer: str = LABOURER,
) -> Figures:
    """A job from the document to the last row, as the operator does it: plan, header, pages, finish.

    Memory counts from a process that has its modules and clients, but not yet the job.

    :param meta: write the history of each task as well.
    :param warm: schedule a job of one task before, for the connections and for what botocore does once.
    """
    session = _session()
    trips = RoundTrips(session)
    place = _deployment(endpoint_url, latency, meta=meta, session=session)
    scheduler = JobScheduler(place, concurrency=CONCURRENCY)
    if warm:
        scheduler.schedule(_request(1, "warm-up"))

    def work() -> Figures:
        processor = time.process_time()
        trips.spans.clear()
        result = scheduler.schedule(_request(tasks, labourer=labourer))
        _expect(result.outcome, Outcome.SCHEDULED)
        own = time.process_time() - processor
        return {"rows": result.header.tasks + warm, "processor_seconds": own, **trips.figures()}

    return peak_growth(work)


def measure_pages(endpoint_url: str, tasks: int, latency: float) -> Figures:
    """The pages alone: from the queue file in S3 to the rows."""
    place = _deployment(endpoint_url, latency)
    header = _planned(place, tasks)
    records = JobRecords(place.dynamodb, place.tables.jobs_table, now=place.now)
    writer = PageWriter(
        place.dynamodb_once,
        header=header,
        codec=LineCodec(LABOURER),
        tasks_table=place.tables.tasks_table,
        records=records,
        pace=PagePace(Capacity(), Capacity(), rows_per_second=None, clock=time.monotonic),
        now=place.now,
        stop=threading.Event(),
        concurrency=CONCURRENCY,
    )
    lines = QueueFile(place.s3, header.queue_bucket, header.queue_key).lines(header.queue_bytes)
    pages = cut_pages(lines, PageLimits(header.page_rows, header.page_units))
    return _timed(place, tasks, lambda: writer.write(pages, ProgressLog("Pages", tasks)))


def measure_bare(endpoint_url: str, tasks: int, latency: float) -> Figures:
    """The floor: the transactions that the writer would send, ready-made, from as many threads by a plain client."""
    return _sent(_deployment(endpoint_url, latency, ready=False), tasks, list)


def measure_ready(endpoint_url: str, tasks: int, latency: float) -> Figures:
    """The same loop by the writer's client, with pages whose text exists: what sending alone takes of the writer."""
    return _sent(_deployment(endpoint_url, latency), tasks, lambda actions: actions)


def _sent(place: Deployment, tasks: int, as_argument: Callable[[list[dict[str, Any]]], Any]) -> Figures:
    ready = _Recorder(as_argument)
    JobScheduler(replace(place, dynamodb_once=ready), concurrency=CONCURRENCY).schedule(_request(tasks))
    send = place.dynamodb_once.transact_write_items

    def loop() -> None:
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            for _ in pool.map(lambda actions: send(TransactItems=actions), ready.transactions):
                pass

    return _timed(place, tasks, loop)


def planned_job(endpoint_url: str, tasks: int) -> Header:
    """A job whose plan and header are there, but no row."""
    return _planned(_deployment(endpoint_url, 0), tasks)


def measure_resume(endpoint_url: str, tasks: int, latency: float) -> Figures:
    """Writing a job but for its last page, which fails, and the retry that writes that page.

    ``seconds`` are those of the retry, ``writing_seconds`` those before. Memory is what it takes beyond the job.
    """
    place = _deployment(endpoint_url, latency)
    all_but_one = _AllButOne(place.dynamodb_once, pages=-(-tasks // MAX_PAGE_ROWS))
    begun = time.perf_counter()
    with suppress(WriterStopped):
        JobScheduler(replace(place, dynamodb_once=all_but_one), concurrency=CONCURRENCY).schedule(_request(tasks))
    writing = time.perf_counter() - begun
    described = place.dynamodb.describe_table(TableName=place.tables.tasks_table)
    _expect(described["Table"]["ItemCount"], (tasks - 1) // MAX_PAGE_ROWS * MAX_PAGE_ROWS)

    request = _request(tasks)

    def work() -> Figures:
        result = JobScheduler(place, concurrency=CONCURRENCY).schedule(request)
        _expect(result.outcome, Outcome.RESUMED)
        return {"rows": tasks, "writing_seconds": writing}

    return peak_growth(work)


class _Recorder:
    """A DynamoDB client that keeps the transactions, and does nothing else."""

    def __init__(self, as_argument: Callable[[list[dict[str, Any]]], Any]) -> None:
        self._as_argument = as_argument
        self.transactions: list[Any] = []

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.transactions.append(self._as_argument(TransactItems))
        return {}


class _AllButOne:
    """A DynamoDB client that is stopped at the last page, when all others are committed."""

    def __init__(self, client: Any, pages: int) -> None:
        self._client = client
        self._last = {"S": f"page#{pages - 1:08d}"}
        self._others = threading.Semaphore(0)
        self._pages = pages

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> Any:  # noqa: N803 - boto3's name
        if TransactItems[0]["Put"]["Item"]["record"] == self._last:
            for _ in range(self._pages - 1):
                self._others.acquire()
            raise WriterStopped
        reply = self._client.transact_write_items(TransactItems=TransactItems)
        self._others.release()
        return reply


class _NotYet:
    """A DynamoDB client that stops before the first page, when the plan and the header are there."""

    def transact_write_items(self, **_: Any) -> None:
        raise WriterStopped


def _planned(place: Deployment, tasks: int) -> Header:
    request = _request(tasks)
    with suppress(WriterStopped):
        JobScheduler(replace(place, dynamodb_once=_NotYet())).schedule(request)
    header = JobRecords(place.dynamodb, place.tables.jobs_table, now=place.now).header(request.identity.job_id)
    if header is None:
        raise AssertionError("there is no plan")
    return header


def _timed(place: Deployment, tasks: int, work: Any) -> Figures:
    place.dynamodb_once.describe_table(TableName=place.tables.tasks_table)  # a connection
    gc.collect()
    gc.freeze()  # ready-made requests are many objects: the collector must not go through them again and again
    wall, processor = time.perf_counter(), time.process_time()
    work()
    figures = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    return {"rows": tasks, **figures}


def _request(tasks: int, run_id: str = "run", labourer: str = LABOURER) -> ScheduleRequest:
    expansion = Expansion(job(tasks), schema={"chunkable_attrs": SCHEMA}, reference_date=_DAY)
    return ScheduleRequest(JobIdentity("dag", run_id, "schedule", -1, 0, labourer), expansion, _DAY)


def _session() -> Any:
    import boto3

    return boto3.session.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION)


def _deployment(
    endpoint_url: str, latency: float, *, meta: bool = False, session: Any = None, ready: bool = True
) -> Deployment:
    """Clients as `SoswHook` makes them. Each request takes ``latency`` seconds more.

    :param ready: False: as boto3 makes them.
    """
    from botocore.config import Config

    session = session or _session()
    add_latency(session, latency)

    def client(service: str, attempts: int) -> Any:
        retries: Any = {"mode": "standard", "total_max_attempts": attempts}
        config = Config(retries=retries, max_pool_connections=16, connect_timeout=5, read_timeout=600, proxies={})
        made = session.client(service, endpoint_url=endpoint_url, config=config)
        if ready:
            use_ready_wire(made)
        return made

    tables = TableNames(meta_table="sosw_tasks_meta") if meta else SOSW_NAMES
    return Deployment(
        client("dynamodb", 10), client("dynamodb", 1), client("s3", 10), tables, BUCKET, "sosw/scheduler", time.time
    )


def add_latency(session: Any, seconds: float) -> None:
    """Let each request of the session's clients, which are made later, wait before it is sent."""
    if seconds:
        session.events.register("before-send", lambda **_: time.sleep(seconds))


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{found}, not {wanted}: what was measured has not done its work")
