"""Looks whether what a Connection names is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sosw_airflow.exceptions import SoswError
from sosw_airflow.stores.aws_errors import explained
from sosw_airflow.stores.job_record import JobRecords
from sosw_airflow.stores.task_queue import TaskQueue, table_capacity

if TYPE_CHECKING:
    from sosw_airflow.stores.scheduling import Deployment

__all__ = ["missing_parts"]

#: A labourer, or a job, of which there is nothing.
_NOBODY = "-"


def missing_parts(deployment: Deployment) -> list[str]:
    """A sentence for each table, index or bucket that is not there or cannot be reached."""
    checks = [_look_at_tasks, _look_at_jobs, _look_at_bucket]
    if deployment.tables.meta_table is not None:
        checks.append(_look_at_meta)
    problems = []
    for check in checks:
        try:
            check(deployment)
        except SoswError as error:  # noqa: PERF203 - a few checks
            problems.append(str(error))
    return problems


# Each looks in two ways: the description says best what is missing, but an identity need not be allowed to read it, and
# then what the scheduling itself asks has to show whether the table is there.


def _look_at_tasks(deployment: Deployment) -> None:
    table, index = deployment.tables.tasks_table, deployment.tables.index_greenfield
    table_capacity(deployment.dynamodb, table, setting="tasks_table", index=index)
    TaskQueue(deployment.dynamodb, table, index, _NOBODY, now=deployment.now).newest()


def _look_at_jobs(deployment: Deployment) -> None:
    table = deployment.tables.jobs_table
    table_capacity(deployment.dynamodb, table, setting="jobs_table")
    JobRecords(deployment.dynamodb, table, now=deployment.now).header(_NOBODY)


def _look_at_meta(deployment: Deployment) -> None:
    table_capacity(deployment.dynamodb, str(deployment.tables.meta_table), setting="meta_table")


def _look_at_bucket(deployment: Deployment) -> None:
    bucket = deployment.queue_bucket
    with explained(action="s3:ListBucket", resource=bucket, setting="queue_bucket", bucket=True):
        deployment.s3.head_bucket(Bucket=bucket)
