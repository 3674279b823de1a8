"""Looks whether what a Connection names is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sosw_airflow.exceptions import SoswError
from sosw_airflow.stores.aws_errors import explained
from sosw_airflow.stores.task_queue import table_capacity

if TYPE_CHECKING:
    from sosw_airflow.stores.scheduling import Deployment

__all__ = ["missing_parts"]


def missing_parts(deployment: Deployment) -> list[str]:
    """A sentence for each table, index or bucket that is not there or cannot be reached."""
    tables = deployment.tables
    checks: list[Callable[[], object]] = [
        lambda: table_capacity(
            deployment.dynamodb, tables.tasks_table, setting="tasks_table", index=tables.index_greenfield
        ),
        lambda: table_capacity(deployment.dynamodb, tables.jobs_table, setting="jobs_table"),
        lambda: _head_bucket(deployment),
    ]
    problems = []
    for check in checks:
        try:
            check()
        except SoswError as error:  # noqa: PERF203 - three checks
            problems.append(str(error))
    return problems


def _head_bucket(deployment: Deployment) -> None:
    bucket = deployment.queue_bucket
    with explained(action="s3:ListBucket", resource=bucket, setting="queue_bucket", bucket=True):
        deployment.s3.head_bucket(Bucket=bucket)
