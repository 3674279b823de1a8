"""A Lambda whose function runs tasks in this process: an HTTP server that boto3's client can be pointed at.

It accepts an event, runs the "worker" in a thread a little later, and lets it report to the assistant. A synchronous
invocation gets the worker's end as its answer instead. What Lambda and workers can do wrong it does by chance, and
writes down: so a test can say why a task was executed twice.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

__all__ = ["Chances", "Execution", "Fate", "LambdaEdge", "running_edge"]


class Fate(str, Enum):
    """How one execution of a worker ends."""

    COMPLETED = "completed"
    FAILED = "failed"
    SILENT = "silent"  # it dies without a report
    LATE = "late"  # it reports its success after the expiry


class Cause(str, Enum):
    """Why Lambda runs an event."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"  # Lambda runs an accepted event twice, as AWS says that it may
    REFUSED = "refused"  # Lambda answers 500 and runs it all the same


@dataclass
class Execution:
    """One execution of a worker.

    :ivar attempt: that the event has: 1 for the first.  :ivar began: and ``ended``: monotonic seconds.
    :ivar marked: what the assistant has answered to each of its reports.
    """

    task_id: str
    attempt: int
    cause: Cause
    fate: Fate
    began: float
    ended: float | None = None
    marked: list[bool] = field(default_factory=list)


@dataclass(frozen=True)
class Chances:
    """Probabilities of what goes wrong, for each invocation or execution.

    :ivar throttled: 429.  :ivar unavailable: 503.  :ivar refused_but_run: 500, and the event runs.
    :ivar repeated: two executions of one event.  :ivar twice: two reports of one execution.
    """

    throttled: float = 0.0
    unavailable: float = 0.0
    refused_but_run: float = 0.0
    repeated: float = 0.0
    failed: float = 0.0
    silent: float = 0.0
    late: float = 0.0
    twice: float = 0.0


#: Called with an execution's event and whether it ended well; returns whether the report was taken.
Report = Callable[[dict[str, Any], bool], bool]


@dataclass
class LambdaEdge:
    """The functions of one test.

    :ivar seconds: the shortest and the longest execution.
    :ivar expiry: seconds after which the orchestrator takes a task for lost; a late worker reports after that.
    """

    report: Report
    seconds: tuple[float, float] = (0.05, 0.3)
    expiry: float = 5.0
    timeout: int = 1
    chances: Chances = field(default_factory=Chances)
    random: Random = field(default_factory=lambda: Random(0))
    executions: list[Execution] = field(default_factory=list)
    most_at_once: int = 0
    at_once: list[tuple[float, int]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[threading.Thread] = set()

    def executed(self, task_id: str) -> list[Execution]:
        """The executions of one task, in order."""
        with self._lock:
            return [each for each in self.executions if each.task_id == task_id]

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until no worker runs."""
        deadline = time.monotonic() + seconds
        while self._under_way and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not self._under_way, f"{len(self._under_way)} workers still run"

    def answer(self, method: str, path: str, body: bytes, kind: str = "Event") -> tuple[int, str, bytes]:
        """Status, error code and body for one request; status 0: the connection closes without an answer.

        :param kind: of invocation, as Lambda's header names it.
        """
        if path.endswith("/configuration"):
            return 200, "", json.dumps({"Timeout": self.timeout}).encode()
        if path.endswith("/event-invoke-config"):
            return 200, "", json.dumps({"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}).encode()
        assert (method, path.rpartition("/")[2]) == ("POST", "invocations"), path
        return self._invoke(json.loads(body), kind == "RequestResponse")

    def _invoke(self, event: dict[str, Any], synchronous: bool) -> tuple[int, str, bytes]:
        with self._lock:
            draw, chances = self.random.random(), self.chances
            for probability, status, code in (
                (chances.throttled, 429, "TooManyRequestsException"),
                (chances.unavailable, 503, "ServiceException"),
                (chances.refused_but_run, 500, "ServiceException"),
            ):
                draw -= probability
                if draw < 0:
                    if status == 500:
                        self._start(event, Cause.REFUSED)
                    return status, code, b"{}"
            execution = self._start(event, Cause.ACCEPTED, reports=not synchronous)
            if not synchronous and self.random.random() < chances.repeated:
                self._start(event, Cause.REPEATED)
        if not synchronous:
            return 202, "", b""
        while execution.ended is None:
            time.sleep(0.01)
        if execution.fate is Fate.LATE:
            time.sleep(self.expiry + self.random.uniform(0.0, 1.5))
        status = 0 if execution.fate is Fate.SILENT else 200
        return (
            status,
            "Handled" if execution.fate is Fate.FAILED else "",
            json.dumps({"number": event["number"]}).encode(),
        )

    def _start(self, event: dict[str, Any], cause: Cause, *, reports: bool = True) -> Execution:
        fate = Fate.COMPLETED
        draw = self.random.random()
        for probability, other in (
            (self.chances.failed, Fate.FAILED),
            (self.chances.silent, Fate.SILENT),
            (self.chances.late, Fate.LATE),
        ):
            draw -= probability
            if draw < 0:
                fate = other
                break
        execution = Execution(event["task_id"], event["attempts"] + 1, cause, fate, time.monotonic())
        seconds = self.random.uniform(*self.seconds)
        number = 0 if not reports else 2 if self.random.random() < self.chances.twice else 1
        self.executions.append(execution)
        self._count()
        thread = threading.Thread(target=self._run, args=(event, execution, seconds, number), daemon=True)
        self._under_way.add(thread)
        thread.start()
        return execution

    def _count(self) -> None:
        """How many tasks the orchestrator has at work: those that Lambda runs although it refused them are not."""
        active = {each.task_id for each in self.executions if each.ended is None and each.cause is Cause.ACCEPTED}
        self.most_at_once = max(self.most_at_once, len(active))
        self.at_once.append((time.monotonic(), len(active)))

    def _run(self, event: dict[str, Any], execution: Execution, seconds: float, reports: int) -> None:
        try:
            time.sleep(seconds)
            with self._lock:
                execution.ended = time.monotonic()  # before the report: then the orchestrator may replace it
            if execution.fate is Fate.SILENT or not reports:
                return
            if execution.fate is Fate.LATE:
                time.sleep(self.expiry + self.random.uniform(0.0, 1.5))
            for _ in range(reports):
                execution.marked.append(self.report(event, execution.fate is not Fate.FAILED))
        except BaseException as failure:  # noqa: BLE001 - the test reads it
            self.failures.append(failure)
        finally:
            self._under_way.discard(threading.current_thread())


@contextmanager
def running_edge(edge: LambdaEdge) -> Iterator[LambdaEdge]:
    """Let it listen; `LambdaEdge.url` is the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, body: bytes) -> None:
            kind = self.headers.get("X-Amz-Invocation-Type", "Event")
            status, code, answer = edge.answer(self.command, self.path, body, kind)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            if status == 200 and code:
                self.send_header("X-Amz-Function-Error", "Unhandled")
            elif code:
                self.send_header("x-amzn-errortype", code)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    edge.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield edge
    finally:
        server.shutdown()
        server.server_close()
