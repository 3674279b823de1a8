"""A boto3 client whose requests end before a socket is opened, with the answers that a test gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from sosw_airflow.stores.ready_wire import use_ready_wire

__all__ = ["UnsentRequests"]


class UnsentRequests:
    """The requests of a client, and what they are answered with.

    :param ready: the client is one of `use_ready_wire`; else it is as boto3 makes it.
    :param session: has the credentials; None for some that never change.
    :ivar sent: the requests, signed.
    :ivar answer: body of the answers.
    """

    def __init__(
        self,
        service: str = "dynamodb",
        *,
        ready: bool,
        session: boto3.session.Session | None = None,
        endpoint_url: str | None = None,
        **config: Any,
    ) -> None:
        session = session or boto3.session.Session(aws_access_key_id="123456789012", aws_secret_access_key="x")
        self.client = session.client(
            service, region_name="us-west-2", endpoint_url=endpoint_url, config=Config(**config)
        )
        if ready:
            use_ready_wire(self.client)
        self.sent: list[Any] = []
        self.answer, self.status = b"{}", 200
        self.client.meta.events.register("before-send", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.sent.append(request)
        return AWSResponse(request.url, self.status, {}, _Raw(self.answer))

    def body(self) -> Any:
        """The body of the last request, parsed."""
        return json.loads(self.sent[-1].body)


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._content
