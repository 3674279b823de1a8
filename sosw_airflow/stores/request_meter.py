"""Counts the requests of boto3 clients, and the units of DynamoDB that its answers report."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.jobs.cost import Usage

__all__ = ["RequestMeter", "Tally", "tallied"]


@dataclass
class Tally:
    """What one piece of work has used, though others share its clients."""

    usage: Usage = field(default_factory=Usage)


_tally: ContextVar[Tally | None] = ContextVar("sosw_tally", default=None)


@contextmanager
def tallied(tally: Tally) -> Iterator[None]:
    """Count the requests of metered clients that this thread sends inside also in the tally."""
    token = _tally.set(tally)
    try:
        yield
    finally:
        _tally.reset(token)


_WRITES = frozenset(
    {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
    | {"PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"}
    | {"ListObjectsV2", "ListMultipartUploads", "ListParts"}  # S3 charges lists as it does writes
)

#: Requests that S3 does not charge.
_FREE = frozenset({"DeleteObject", "DeleteObjects", "AbortMultipartUpload"})


class RequestMeter:
    """Counts what the clients that are attached to it use. Safe for threads; it sends no requests of its own.

    DynamoDB is asked to add the units to its answers, which it does at no charge. Requests that AWS refused are not in
    it, nor what botocore repeats by itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """All that was used so far."""
        with self._lock:
            return self._usage

    def attach(self, client: Any) -> None:
        """Count the requests of this client from now on."""
        events = client.meta.events
        events.register("before-parameter-build.dynamodb", _ask_for_units)
        for service, count in (("dynamodb", _units_of), ("s3", _object_requests), ("lambda", _invocations)):
            events.register(f"after-call.{service}", self._counted_by(count))

    def _counted_by(self, count: Any) -> Any:
        def take(model: Any, parsed: Any, **_: Any) -> None:
            usage = count(model.name, parsed if isinstance(parsed, dict) else {})
            with self._lock:
                self._usage += usage
            tally = _tally.get()
            if tally is not None:
                tally.usage += usage

        return take


def _ask_for_units(params: dict[str, Any], model: Any, **_: Any) -> None:
    # In place: of what the handlers of an event return, botocore takes one, and a deployment may have one of its own.
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params.setdefault("ReturnConsumedCapacity", "TOTAL")


def _units_of(operation: str, answer: dict[str, Any]) -> Usage:
    """The units of table and indexes together; of a request to several tables a list."""
    consumed = answer.get("ConsumedCapacity") or []
    parts = consumed if isinstance(consumed, list) else [consumed]
    units = sum(float(part.get("CapacityUnits", 0)) for part in parts)
    return Usage(write_units=units) if operation in _WRITES else Usage(read_units=units)


def _object_requests(operation: str, answer: dict[str, Any]) -> Usage:
    del answer
    if operation in _FREE:
        return Usage()
    return Usage(s3_writes=1) if operation in _WRITES else Usage(s3_reads=1)


def _invocations(operation: str, answer: dict[str, Any]) -> Usage:
    invoked = operation == "Invoke" and answer.get("StatusCode", 500) < 300
    return Usage(lambda_requests=1) if invoked else Usage()
