"""boto3 clients whose requests are answered in this process, at one of two edges, and by whom.

Making a client takes longer than a whole run, so all runs share them; what answers is looked up at each request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import botocore.retries.standard
from botocore import UNSIGNED
from botocore.config import Config

from tests.support.deterministic_aws import direct, wire
from tests.support.deterministic_aws.answers import Reply, Request

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

#: Answers a request as AWS does.
Answering = Callable[[Request], Reply]


class Edge(str, Enum):
    """Where the requests of `clients` are answered."""

    WIRE = "wire"  # as bytes: all of botocore takes part
    DIRECT = "direct"  # in the method of the client: ten times as fast


_answering: list[tuple[Answering, Edge]] = []


@dataclass(frozen=True)
class Clients:
    """The clients of a deployment, as the provider makes them but with fewer repeats: a refused request is soon over.

    :ivar dynamodb_once: and ``s3_once``, ``aws_lambda_once``: without botocore's own repeats.
    """

    dynamodb: Any
    dynamodb_once: Any
    s3: Any
    s3_once: Any
    aws_lambda: Any
    aws_lambda_once: Any


@contextmanager
def answered_by(answering: Answering, edge: Edge = Edge.WIRE) -> Iterator[None]:
    """Inside, the requests of `clients` are answered by this function."""
    _answering.append((answering, edge))
    try:
        yield
    finally:
        _answering.pop()


@lru_cache(maxsize=4)
def clients(attempts: int = 2) -> Clients:
    """The clients of this process; `attempts` that botocore makes for a request."""
    session = boto3.session.Session(region_name="us-west-2")
    # botocore before 1.36 knows neither option, and makes no checksum that no service requires.
    options = ("request_checksum_calculation", "response_checksum_validation")
    checksums = {name: "when_required" for name in options if name in Config.OPTION_DEFAULTS}

    def make(service: str, total: int, **more: Any) -> Any:
        config = Config(
            signature_version=UNSIGNED,
            retries={"mode": "standard", "total_max_attempts": total},
            **checksums,
            user_agent="tests",  # to build the real one takes a third of a request
            **more,
        )
        # The budget of repeats would carry over from one run to the next, and runs would differ.
        with (
            patch.object(botocore.retries.standard.quota, "RetryQuota", _EndlessQuota),
            patch.object(botocore.retries.standard, "ExponentialBackoff", _ShortPause),
        ):
            client = session.client(service, endpoint_url="https://aws.test", config=config)
        client.meta.events.register_first("before-send", _answer)
        whole = client._make_api_call

        def call(operation: str, arguments: dict[str, Any]) -> Any:
            if _answering and _answering[-1][1] is Edge.DIRECT:
                if "TransactItems" in arguments:  # a page is a text until its actions are read
                    arguments = {**arguments, "TransactItems": list(arguments["TransactItems"])}
                return direct.call(client, total, operation, arguments, _answering[-1][0])
            return whole(operation, arguments)

        client._make_api_call = call
        return client

    return Clients(
        dynamodb=make("dynamodb", attempts),
        dynamodb_once=make("dynamodb", 1),
        s3=make("s3", attempts, s3={"addressing_style": "path"}),
        s3_once=make("s3", 1, s3={"addressing_style": "path"}),
        aws_lambda=make("lambda", attempts),
        aws_lambda_once=make("lambda", 1),
    )


class _EndlessQuota(botocore.retries.standard.quota.RetryQuota):  # type: ignore[misc]
    """A budget of repeats that is never used up."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def acquire(self, capacity_amount: int) -> bool:
        """Allow it."""
        return True


class _ShortPause:
    """The pause between two attempts, which botocore would draw at random."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def delay_amount(self, context: object) -> float:
        """Seconds."""
        return direct.PAUSE


def _answer(event_name: str, request: Any, **_: Any) -> AWSResponse:
    if not _answering:
        raise AssertionError(f"a request outside of a run: {event_name}")
    taken_apart = wire.request_of(event_name, request)
    return wire.response_of(taken_apart, _answering[-1][0](taken_apart))
