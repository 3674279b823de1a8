"""A deployment of sosw: its names and the clients that reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sosw_airflow.jobs.rows import LAMBDA_PAYLOAD_LIMIT
from sosw_airflow.stores.tables import TableNames

__all__ = ["Deployment"]


@dataclass(frozen=True)
class Deployment:
    """The names of a deployment of sosw, and the clients that reach it.

    :ivar dynamodb: a boto3 DynamoDB client with botocore's retries.
    :ivar dynamodb_once: one without retries, safe for threads, for the page writer, which decides about each answer.
    :ivar s3: a boto3 S3 client with botocore's retries.
    :ivar s3_once: one without retries, for copies that another process takes. `s3` unless it is given.
    :ivar max_rows_per_second: a limit that the user sets, or None.
    :ivar lambda_payload_limit: bytes.
    :ivar now: the present, in seconds since 1970.
    """

    dynamodb: Any
    dynamodb_once: Any
    s3: Any
    tables: TableNames
    queue_bucket: str
    s3_prefix: str
    now: Callable[[], float]
    max_rows_per_second: float | None = None
    lambda_payload_limit: int = LAMBDA_PAYLOAD_LIMIT
    s3_once: Any = None

    def __post_init__(self) -> None:
        """Let a deployment whose S3 client has no retries do with that one."""
        if self.s3_once is None:
            object.__setattr__(self, "s3_once", self.s3)
