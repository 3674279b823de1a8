"""AWS in the memory of this process, made by moto, safe for the threads of the writer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

__all__ = ["REGION", "memory_aws", "one_at_a_time"]

REGION = "us-east-1"

#: The variables that may lead boto3 to a real account, with values that do not.
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def memory_aws() -> Iterator[None]:
    """Inside, every boto3 client of this process reaches an empty AWS in memory, and no real one.

    If moto's mock is active already, that one is used, with its content.
    """
    from moto import mock_aws

    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with patch.dict(os.environ, {**kept, **_CREDENTIALS}, clear=True), mock_aws(), one_at_a_time():
        yield


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Serialise what moto answers within this process.

    moto has no locks. A transaction works on copies of whole tables and puts them back when it is cancelled, so that a
    concurrent write would be lost, which no DynamoDB does.
    """
    from moto.core.botocore_stubber import BotocoreStubber

    lock = threading.RLock()
    answer = BotocoreStubber.__call__

    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with lock:
            return answer(self, *args, **kwargs)

    with patch.object(BotocoreStubber, "__call__", locked):
        yield
