"""Reading a part of an object, again if the connection breaks in the middle of the answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from botocore.exceptions import HTTPClientError, IncompleteReadError

__all__ = ["read_range"]

#: botocore repeats requests, but not the reading of an answer's body.
_READ_ATTEMPTS = 4


def read_range(
    s3: Any, start: int, length: int, *, check: Callable[[dict[str, Any]], None] = lambda _: None, **where: Any
) -> tuple[bytes, int]:
    """Bytes of an object from a position, and the object's whole size.

    :param check: gets the answer before its body is read; may raise.
    :param where: the other arguments of the request: ``Bucket``, ``Key``, ``IfMatch``.
    :raises ClientError, BotoCoreError: as boto3.
    """
    attempt = 1
    while True:
        reply = s3.get_object(**where, Range=f"bytes={start}-{start + length - 1}")
        with closing(reply["Body"]) as body:
            check(reply)
            try:
                data = body.read()
                break
            except (HTTPClientError, IncompleteReadError):
                if attempt == _READ_ATTEMPTS:
                    raise
        attempt += 1
    if "ContentRange" not in reply:  # not S3 itself, and it has given the whole
        return data[start:], len(data)
    return data, int(reply["ContentRange"].rpartition("/")[2])
