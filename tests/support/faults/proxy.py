"""The fault proxy: an HTTP server in a thread, in front of one emulator."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.faults.capacity import DYNAMODB_BURST_SECONDS, Capacity, ProvisionedTable
from tests.support.faults.handling import Result, handle
from tests.support.faults.journal import Journal
from tests.support.faults.request import Request
from tests.support.faults.rules import Rule, always
from tests.support.faults.units import Meter
from tests.support.faults.upstream import EmulatorGoneError, Upstream
from tests.support.faults.wire import CONTINUE, WireError, message, read_head, read_request_body

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from tests.support.faults.faults import Fault
    from tests.support.faults.request import Response
    from tests.support.faults.rules import Match, Occasion

SUMMARY_PATH = "/_faults"
_HEAD_LIMIT = 1 << 20
_QUIET_SECONDS = 0.05


class FaultProxy:
    """Passes requests on to an emulator and does to them what its rules say.

        with FaultProxy(emulator.endpoint_url, seed=7) as proxy:
            proxy.add(on("TransactWriteItems"), LoseResponse(), when=nth(3))
            dynamodb = emulator.client("dynamodb", endpoint_url=proxy.url)

    Rules act in the order in which they were added; the first verdict before the emulator ends a request. All counting
    and choosing is done in one thread and depends on `seed` and on the order of arrival alone.

    endpoint_url: where the emulator listens. port: where the proxy listens, 0 for any free port.
    keep_entries: whether the journal keeps an entry for each request, or only sums.
    """

    def __init__(self, endpoint_url: str, *, seed: int = 0, port: int = 0, keep_entries: bool = True) -> None:
        target = urlsplit(endpoint_url)
        self._target = (target.hostname or "127.0.0.1", target.port or 80)
        self.seed = seed
        self.port = port
        self.journal = Journal(keep_entries)
        self.meter = Meter()
        self.capacity = Capacity(self.meter)
        self.rules: list[Rule] = []
        self._rules_made = 0
        self._number = 0
        self._in_flight = 0
        self._started = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    # The life of the server

    @property
    def url(self) -> str:
        """What to give boto3 as `endpoint_url`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._run(self._listen())

    def stop(self) -> None:
        """End all connections and the thread. Raises what a function of the test's has raised in the proxy."""
        if self._thread.is_alive():
            self._run(self._shut_down())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        if self._failures:
            failure, self._failures = self._failures[0], []
            raise failure

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=_HEAD_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut_down(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What a test sets

    def add(self, match: Match, fault: Fault, *, when: Occasion = always) -> Rule:
        """Add a rule; it sees the requests that arrive from now on. The rule counts what it has seen and struck."""
        self._rules_made += 1
        rule = Rule(match, fault, when, Random(f"{self.seed}/{self._rules_made}"))
        # A new list: the server's thread may be reading the old one.
        self.rules = [*self.rules, rule]
        return rule

    def clear(self) -> None:
        """Remove all rules and all capacities: from now on every request passes."""
        self.rules = []
        self.capacity = Capacity(self.meter)

    def provision(
        self,
        table: str,
        write_units: float,
        *,
        indexes: Mapping[str, float] | None = None,
        burst_seconds: float = DYNAMODB_BURST_SECONDS,
        initial_seconds: float = 1.0,
        on_demand: bool = False,
    ) -> ProvisionedTable:
        """Give a table a write capacity; DescribeTable reports it from now on.

        write_units: a second. indexes: the same for its global indexes (an index without has no limit of its own).
        burst_seconds: how many seconds of unused capacity are kept. initial_seconds: how many exist at the start.
        on_demand: report the table as on-demand, and refuse as an on-demand table does that is asked for too much.
        """
        return self.capacity.provision(
            table,
            write_units=write_units,
            indexes=indexes or {},
            burst_seconds=burst_seconds,
            initial_seconds=initial_seconds,
            on_demand=on_demand,
        )

    @property
    def impossible_requests(self) -> list[Request]:
        """Requests that cost more than their table's bucket can ever hold: they can never succeed."""
        return self.capacity.impossible_requests

    def wait_idle(self, timeout: float = 30.0) -> None:
        """Wait until no request is being worked on. A killed client's last requests may still be on their way.

        Raises TimeoutError after `timeout` seconds.
        """
        now = time.monotonic()
        deadline, quiet_since, seen = now + timeout, now, self._number
        # What a dead process has sent may still be in the socket, unread: so it must stay quiet for a moment.
        while self._in_flight or time.monotonic() - quiet_since < _QUIET_SECONDS:
            if self._in_flight or self._number != seen:
                quiet_since, seen = time.monotonic(), self._number
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._in_flight} requests are still under way after {timeout} s")
            time.sleep(0.005)

    # One client connection

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        upstream = Upstream(*self._target)
        try:
            while await self._serve_one(reader, writer, upstream):
                pass
        except (WireError, OSError, asyncio.CancelledError):
            pass  # The client went away, perhaps killed, or the proxy stops.
        except Exception as failure:  # noqa: BLE001 - raised by stop()
            self._failures.append(failure)
        finally:
            self._connections.discard(task)
            upstream.close()
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream) -> bool:
        head = await read_head(reader)
        if head is None:
            return False
        if head.header(b"expect").lower() == b"100-continue":
            writer.write(CONTINUE)
        body = await read_request_body(reader, head)
        if head.first_line.split(b" ")[1].decode() == SUMMARY_PATH:
            summary = json.dumps(self.journal.summary()).encode()
            writer.write(message(b"HTTP/1.1 200 OK", [(b"Content-Type", b"application/json")], summary))
            return not head.closes
        self._number += 1
        request = Request(self._number, head, body)
        self._in_flight += 1
        try:
            result = await handle(
                request,
                upstream,
                rules=self.rules,
                capacity=self.capacity,
                journal=self.journal,
                epoch=self._started,
            )
            goes_on = await _answer(result, writer, upstream)
        finally:
            self._in_flight -= 1
        return goes_on and not head.closes


async def _answer(result: Result, writer: asyncio.StreamWriter, upstream: Upstream) -> bool:
    """Send what the client gets; say whether its connection stays open."""
    response = result.response
    if result.drop is not None:
        upstream.close()
        if response is not None and result.drop.body_bytes is not None:
            missing = max(1, len(response.body) - result.drop.body_bytes)
            writer.write(_serialized(response)[:-missing])
            await writer.drain()
        _hang_up(writer, reset=result.drop.reset)
        return False
    assert response is not None
    writer.write(_serialized(response))
    await writer.drain()
    try:
        await upstream.pass_on(response, writer)
    except EmulatorGoneError:
        return False
    return True


def _serialized(response: Response) -> bytes:
    if any(name.lower() == b"content-length" for name, _ in response.headers):  # the answer to HEAD
        return b"\r\n".join([response.first_line, *(n + b": " + v for n, v in response.headers)]) + b"\r\n\r\n"
    length = len(response.body) + response.remaining
    return message(response.first_line, response.headers, response.body, length=length)


def _hang_up(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    connection = writer.get_extra_info("socket")
    if reset and connection is not None:
        # Linger for zero seconds: closing sends RST, not FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
