"""Watches the requests of boto3's clients as they leave for the network, and disturbs them.

botocore has made and checked the request by then, so wrong names or types of arguments are found as by AWS; what a
store then gets has gone through botocore's own parser.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSResponse
from moto.core.models import botocore_stubber

#: Called with the name of the operation before it is sent; what it returns is AWS's answer, None to let it through.
Handler = Callable[[str], "AWSResponse | None"]


class Crash(BaseException):
    """The process is dead. Not an `Exception`, so that nothing can handle it, as nothing can handle a kill."""


@contextmanager
def answering(*clients: Any, handler: Handler) -> Iterator[list[str]]:
    """Give the operations that these clients send meanwhile, in order; `handler` may answer them instead of AWS.

    What it answers has not been applied. It may also raise what botocore raises when a connection fails.
    """
    sent: list[str] = []

    def handle(event_name: str, request: Any, **_: Any) -> AWSResponse | None:
        sent.append(event_name.rsplit(".", 1)[-1])
        return handler(sent[-1]) or botocore_stubber(event_name, request)

    for client in clients:
        client.meta.events.unregister("before-send", botocore_stubber)  # botocore asks all of them
        client.meta.events.register_first("before-send", handle)
    try:
        yield sent
    finally:
        for client in clients:
            client.meta.events.unregister("before-send", handle)
            client.meta.events.register("before-send", botocore_stubber)


@contextmanager
def watching(*clients: Any) -> Iterator[list[str]]:
    """Give the operations that these clients send meanwhile, in order."""
    with answering(*clients, handler=lambda _: None) as sent:
        yield sent


@contextmanager
def crash_at(number: int, *clients: Any, applied: bool) -> Iterator[None]:
    """Die at the request with this number (from 0): before it was sent, or after AWS has `applied` it.

    Nothing is sent afterwards, as from a process that is dead.
    """
    sent = 0
    dead = False

    def before(**_: Any) -> None:
        nonlocal sent, dead
        dead = dead or (sent == number and not applied)
        sent += 1
        if dead:
            raise Crash

    def after(**_: Any) -> None:
        nonlocal dead
        dead = dead or (sent == number + 1 and applied)
        if dead:
            raise Crash

    for client in clients:
        client.meta.events.register_first("before-send", before)
        client.meta.events.register_first("response-received", after)
    try:
        yield
    finally:
        for client in clients:
            client.meta.events.unregister("before-send", before)
            client.meta.events.unregister("response-received", after)


def at(operation: str, answer: Callable[[], AWSResponse]) -> Handler:
    """Answer this operation, whenever it comes, and let the others through."""
    return lambda name: answer() if name == operation else None


def once(operation: str, act: Callable[[], object]) -> Handler:
    """Do something right before the first request for this operation, and let all through.

    Requests of other threads wait until it is done.
    """
    done = False
    busy = threading.RLock()  # what is done may send requests itself

    def handle(name: str) -> None:
        nonlocal done
        with busy:
            if name == operation and not done:
                done = True
                act()

    return handle


def dynamodb_error(code: str, status: int = 400, **members: Any) -> AWSResponse:
    """An error as DynamoDB answers it."""
    document = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": f"said {code}", **members}
    return _answer(status, json.dumps(document))


def s3_error(code: str, status: int) -> AWSResponse:
    """An error as S3 answers it."""
    return _answer(status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>said {code}</Message></Error>")


def s3_object(body: bytes, status: int = 206, **headers: str) -> AWSResponse:
    """An object, or a part of it."""
    return _answer(status, body, headers)


def _answer(status: int, body: str | bytes, headers: dict[str, str] | None = None) -> AWSResponse:
    raw = body if isinstance(body, bytes) else body.encode()
    return AWSResponse("https://aws.test/", status, {"Content-Length": str(len(raw)), **(headers or {})}, _Raw(raw))


class _Raw(BytesIO):
    """The body of an answer, as urllib3 would hand it over."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        while part := self.read():
            yield part
