"""What can happen to a request. Each fault does one thing; rules say to which requests."""

# ruff: noqa: D102 - `Fault` describes its methods.

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.support.faults import replies
from tests.support.faults.request import S3, Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Drop:
    """End the client's connection without an answer, or after the first `body_bytes` bytes of the answer's body.

    reset: end it with a TCP reset, as a crashed host or an expired NAT entry does, and not with an orderly close.
    """

    reset: bool = False
    body_bytes: int | None = None


Verdict = Response | Drop | None


class Fault:
    """Base: a fault acts before the request goes to the emulator, after the emulator answered, or both.

    A verdict ends the request: before, the emulator never sees it; after, the emulator has done it. None lets it pass.
    """

    def label(self, request: Request) -> str:
        """Name the fault in the journal; empty if it did nothing to the request."""
        return type(self).__name__

    async def before(self, request: Request, random: Random) -> Verdict:
        """Act when the request has arrived."""
        return None

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        """Act when the emulator has answered."""
        return None


@dataclass
class LoseRequest(Fault):
    """The connection ends before the request is applied."""

    reset: bool = False

    async def before(self, request: Request, random: Random) -> Verdict:
        return Drop(self.reset)


@dataclass
class LoseResponse(Fault):
    """The request is applied, then the connection ends without an answer.

    body_bytes: end it in the middle of the answer, after its headers and so many bytes of its body. That is no error to
        boto3 when it may not retry: it takes such an answer for one without members.
    """

    reset: bool = False
    body_bytes: int | None = None

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        return Drop(self.reset, self.body_bytes)


@dataclass
class Fail(Fault):
    """Answer with an error of the service.

    code: one of the codes of `replies`; the two defaults are each service's "500".
    applied: do the request before it is reported as failed. AWS says that a 500 leaves it open.
    """

    code: str = "InternalServerError"
    s3_code: str = "InternalError"
    applied: bool = False

    def label(self, request: Request) -> str:
        return self.s3_code if request.service == S3 else self.code

    async def before(self, request: Request, random: Random) -> Verdict:
        return None if self.applied else self._reply(request)

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        return self._reply(request) if self.applied else None

    def _reply(self, request: Request) -> Response:
        return replies.error(self.s3_code if request.service == S3 else self.code, request)


def server_error(*, applied: bool = False) -> Fail:
    """Answer 500: `InternalServerError`, on S3 `InternalError`."""
    return Fail(applied=applied)


def unavailable() -> Fail:
    """Answer 503: `ServiceUnavailableException`, on S3 `ServiceUnavailable`."""
    return Fail("ServiceUnavailableException", "ServiceUnavailable")


def throttle(code: str = "ProvisionedThroughputExceededException") -> Fail:
    """Throttle the whole request; also `ThrottlingException` or `RequestLimitExceeded`. On S3 `SlowDown` (503)."""
    return Fail(code, "SlowDown")


@dataclass
class CancelTransaction(Fault):
    """Cancel a transaction and give a reason for some of its items; any other request is throttled as a whole.

    reasons: how many items get which reason, such as `{"ThrottlingError": 2, "TransactionConflict": 1}`. The rule's
        random numbers choose the items. More than the transaction has means all of it.
    """

    reasons: Mapping[str, int]

    async def before(self, request: Request, random: Random) -> Verdict:
        if request.operation != "TransactWriteItems":
            return replies.error("SlowDown" if request.service == S3 else "ThrottlingException", request)
        codes = ["None"] * len(request.writes)
        wanted = [code for code, number in self.reasons.items() for _ in range(number)]
        for position, code in zip(random.sample(range(len(codes)), k=len(codes)), wanted, strict=False):
            codes[position] = code
        return replies.transaction_cancelled(codes)


@dataclass
class Delay(Fault):
    """Latency in seconds, before the request is applied and before its answer is sent.

    Each is a number or a function that draws one, such as `lambda random: random.expovariate(1 / 0.01)`. An answer that
    is later than the client's read timeout is a lost response which the client gives up itself.
    """

    request: float | Callable[[Random], float] = 0.0
    response: float | Callable[[Random], float] = 0.0

    async def before(self, request: Request, random: Random) -> Verdict:
        await self._sleep(self.request, random)
        return None

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        await self._sleep(self.response, random)
        return None

    @staticmethod
    async def _sleep(seconds: float | Callable[[Random], float], random: Random) -> None:
        amount = seconds(random) if callable(seconds) else seconds
        if amount > 0:
            await asyncio.sleep(amount)


@dataclass
class Call(Fault):
    """Call a function before a request is applied or after it was, then let the request pass.

    The functions run in a thread of their own, so they may block and may use the proxy themselves.
    """

    before_request: Callable[[Request], object] | None = None
    after_request: Callable[[Request], object] | None = None

    async def before(self, request: Request, random: Random) -> Verdict:
        await self._call(self.before_request, request)
        return None

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        await self._call(self.after_request, request)
        return None

    @staticmethod
    async def _call(function: Callable[[Request], object] | None, request: Request) -> None:
        if function is not None:
            await asyncio.get_running_loop().run_in_executor(None, function, request)


@dataclass
class Kill(Fault):
    """SIGKILL a process at a request, which is then not applied (`applied` False), or applied but not answered.

    pid: the process id, or a function that knows it when the time comes.
    """

    pid: int | Callable[[], int]
    applied: bool

    async def before(self, request: Request, random: Random) -> Verdict:
        return None if self.applied else self._kill()

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        return self._kill() if self.applied else None

    def _kill(self) -> Verdict:
        # Not in a thread: no other request is passed on between the decision and the signal.
        os.kill(self.pid() if callable(self.pid) else self.pid, signal.SIGKILL)
        return Drop()


class Gate(Fault):
    """Hold requests until the test opens the gate: before they are applied, or when they are and before the answer."""

    def __init__(self, *, applied: bool = False) -> None:
        self.applied = applied
        self.arrived = threading.Event()
        self._opened = threading.Event()

    def open(self) -> None:
        """Let the held requests pass, and all that come later."""
        self._opened.set()

    async def before(self, request: Request, random: Random) -> Verdict:
        if not self.applied:
            await self._hold()
        return None

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        if self.applied:
            await self._hold()
        return None

    async def _hold(self) -> None:
        self.arrived.set()
        # A thread opens it, not this loop; the wait must stay cancellable.
        while not self._opened.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


class OneOf(Fault):
    """Choose one of several faults for each request, or none: `weights` are probabilities with a sum of at most 1."""

    def __init__(self, weights: Sequence[tuple[float, Fault]]) -> None:
        self.weights = weights

    def label(self, request: Request) -> str:
        fault = request.chosen.get(id(self))
        return "" if fault is None else fault.label(request)

    async def before(self, request: Request, random: Random) -> Verdict:
        draw = random.random()
        for probability, fault in self.weights:
            draw -= probability
            if draw < 0:
                request.chosen[id(self)] = fault
                return await fault.before(request, random)
        return None

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        fault = request.chosen.get(id(self))
        return None if fault is None else await fault.after(request, response, random)


def storm(*, throttled: float, lost: float, errors: float) -> OneOf:
    """Mix faults: throttling (half of it per item, half per request), lost responses, 500s (half of them applied)."""
    return OneOf(
        [
            (throttled / 4, throttle()),
            (throttled / 4, throttle("ThrottlingException")),
            (throttled / 2, CancelTransaction({"ThrottlingError": 1, "TransactionConflict": 1})),
            (lost, LoseResponse()),
            (errors / 2, server_error()),
            (errors / 2, server_error(applied=True)),
        ]
    )
