"""One attempt to schedule a job, in a process that can be killed.

The processes are forked from a server that has imported everything already, so that one costs milliseconds. They do
what the operator does after it has read the Connection.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import boto3
from botocore.config import Config

from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.scheduling.page_writer import WriterStopped
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleRequest
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.tables import SOSW_NAMES
from tests.support.aws_models import shared

BUCKET = "sosw-queue"
LABOURER = "crash_labourer"
_DAY = date(2026, 3, 2)

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["tests.integration.crashes.preloaded", "botocore.client", "botocore.signers", "botocore.parsers"]
)


@dataclass(frozen=True)
class Attempt:
    """What a worker is to do: schedule a job of `tasks` tasks at `endpoint_url`."""

    endpoint_url: str
    tasks: int
    run_id: str = "run"
    labourer: str = LABOURER
    patience: float = 60.0
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> JobIdentity:
        """The same for every attempt at this job."""
        return JobIdentity("dag", self.run_id, "schedule", -1, 0, self.labourer)

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.identity.job_id

    def at(self, endpoint_url: str) -> Attempt:
        """The same job through another endpoint."""
        return replace(self, endpoint_url=endpoint_url)

    @property
    def request(self) -> ScheduleRequest:
        """The job."""
        job = {"words": [f"word-{number}" for number in range(self.tasks)], "isolate_words": True}
        expansion = Expansion(job, schema={"chunkable_attrs": ["word"]}, reference_date=_DAY)
        return ScheduleRequest(self.identity, expansion, _DAY)

    def act(self) -> dict[str, Any]:
        """Do it, in this process."""
        scheduler = JobScheduler(deployment_at(self.endpoint_url), patience=self.patience)
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(ValueError):  # not in the main thread of a test
                signal.signal(number, lambda *_: scheduler.stop.set())
        return scheduler.schedule(self.request).summary()


class Worker:
    """A process with one attempt."""

    def __init__(self, attempt: Attempt) -> None:
        self._receiver, sender = _context.Pipe(duplex=False)
        self.process = _context.Process(target=_run, args=(attempt, sender), daemon=True)
        self.process.start()
        sender.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, if it still lives."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.join(30)

    def outcome(self, timeout: float = 120.0) -> dict[str, Any] | str | None:
        """The summary, the name of the error, or None where it was killed."""
        result = None
        with suppress(EOFError):
            if self._receiver.poll(timeout):
                result = self._receiver.recv()
        self.process.join(timeout)
        assert self.process.exitcode is not None, "the worker hangs"
        return result


@contextmanager
def started(attempt: Attempt) -> Iterator[Worker]:
    """A worker that does not outlive the block."""
    worker = Worker(attempt)
    try:
        yield worker
    finally:
        worker.kill()


def until_success(attempt: Attempt, *, attempts: int = 20) -> dict[str, Any]:
    """Let Airflow's retries happen: attempt after attempt, until one returns its summary."""
    outcomes = []
    for _ in range(attempts):
        outcomes.append(Worker(attempt).outcome())
        if isinstance(outcomes[-1], dict):
            return outcomes[-1]
        time.sleep(0.05)
    raise AssertionError(f"no attempt succeeded: {outcomes}")


def _run(attempt: Attempt, sender: Any) -> None:
    os.environ.update(attempt.environment)
    try:
        sender.send(attempt.act())
    except WriterStopped:
        sender.send("Stopped")
    except Exception as error:  # noqa: BLE001 - the test reads it
        sender.send(f"{type(error).__name__}: {error}")


def deployment_at(endpoint_url: str) -> Deployment:
    """The deployment as the hook makes it."""
    with shared():
        session = boto3.session.Session(
            aws_access_key_id="123456789012", aws_secret_access_key="not-a-secret", region_name="us-west-2"
        )

    def client(service: str, attempts: int) -> Any:
        retries: Any = {"mode": "standard", "total_max_attempts": attempts}
        config = Config(retries=retries, max_pool_connections=16, connect_timeout=5, read_timeout=20, proxies={})
        return session.client(service, endpoint_url=endpoint_url, config=config)

    return Deployment(
        dynamodb=client("dynamodb", 10),
        dynamodb_once=client("dynamodb", 1),
        s3=client("s3", 10),
        s3_once=client("s3", 1),
        tables=SOSW_NAMES,
        queue_bucket=BUCKET,
        s3_prefix="sosw/scheduler",
        now=time.time,
    )
