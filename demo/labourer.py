"""The Lambda function of the demo's labourers: "pulls" what its task names, and fails as often as it is asked to."""

from __future__ import annotations

import os
import random
import zlib
from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, int]:  # noqa: ARG001 - Lambda's signature
    """A number of posts for each value of the task; the same for the same task."""
    if random.random() < float(os.environ.get("FAILURES", "0")):  # noqa: S311
        message = "the source does not answer"
        raise TimeoutError(message)
    days = " ".join(event.pop("date_list", []))
    *_, values = [[], *(each for each in event.values() if isinstance(each, list))]  # of the innermost attribute
    return {str(value): zlib.crc32(f"{value} {days}".encode()) % 10_000 for value in values}
