"""AWS's side of the demo: sosw's tables, a bucket and functions in the embedded AWS, and the tasks in the tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import boto3
from botocore.exceptions import ClientError

from demo.settings import ACCESS_KEY, QUEUE_BUCKET, REGION, SECRET_KEY
from sosw_airflow.jobs.identity import task_index
from sosw_airflow.stores.tables import TableNames, create_missing_tables
from sosw_airflow.testing.kit import Sosw

#: The function of each labourer that Airflow invokes.
FUNCTION = Path(__file__).with_name("labourer.py")


@dataclass(frozen=True)
class Task:
    """One task, wherever its row is.

    :ivar state: queued, invoked, retrying, completed or failed.
    :ivar payload: the JSON text that the worker gets.  :ivar result: the JSON text that it has returned, or its error.
    """

    task_id: str
    state: str
    attempts: int
    payload: str
    result: str

    @property
    def index(self) -> int | None:
        """The place in its job, if a job of ours has it."""
        return task_index(self.task_id)

    def attribute(self, name: str) -> list[Any]:
        """One attribute of the payload."""
        values: list[Any] = json.loads(self.payload)[name]
        return values


class Queue:
    """The queue in the AWS at `endpoint_url`."""

    def __init__(self, endpoint_url: str) -> None:
        self._session, self._endpoint_url = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION), endpoint_url
        self._dynamodb = self._client("dynamodb")
        self._s3 = self._client("s3")
        self._names = TableNames()

    def create_what_is_missing(self) -> list[str]:
        """Create tables and bucket; return the names of those that were missing."""
        created = create_missing_tables(self._dynamodb, names=self._names)
        if QUEUE_BUCKET not in [bucket["Name"] for bucket in self._s3.list_buckets()["Buckets"]]:
            self._s3.create_bucket(Bucket=QUEUE_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
            created.append(QUEUE_BUCKET)
        return created

    def create_function(self, name: str, failures: float) -> None:
        """Create the Lambda function of a labourer, if it does not exist.

        :param failures: share of its invocations that fail, from 0 to 1.
        """
        with suppress(ClientError):  # both exist since an earlier start
            role = self._client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
            code = BytesIO()
            with ZipFile(code, "w") as archive:
                archive.writestr("labourer.py", FUNCTION.read_text())
            self._client("lambda").create_function(
                FunctionName=name,
                Runtime="python3.12",
                Role=role,
                Handler="labourer.handler",
                Code={"ZipFile": code.getvalue()},
                Environment={"Variables": {"FAILURES": str(failures)}},
            )

    def leave_queue_file(self, name: str, labourer_id: str, payloads: Sequence[dict[str, Any]]) -> None:
        """Put a queue file into the bucket, as sosw's Scheduler leaves it when it is switched off."""
        lines = [json.dumps({**payload, "labourer_id": labourer_id}) for payload in payloads]
        self._s3.put_object(Bucket=QUEUE_BUCKET, Key=f"sosw/scheduler/{name}", Body="\n".join(lines).encode())

    def _client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint_url)

    def sosw(self) -> Sosw:
        """The other components of sosw, played on these tables."""
        return Sosw(self._dynamodb, self._s3, self._names, QUEUE_BUCKET)

    def busy_labourers(self) -> set[str]:
        """Labourers with a task that is queued or invoked."""
        return {row["labourer_id"]["S"] for row in self._rows(self._names.tasks_table)}

    def tasks(self) -> list[Task]:
        """Return all tasks, in the order of their ids."""
        names = self._names
        tables = (names.tasks_table, names.retry_tasks_table, names.closed_tasks_table)
        found = [_task(row) for table in tables for row in self._rows(table)]
        return sorted(found, key=lambda task: task.task_id)

    def _rows(self, table: str) -> Iterator[dict[str, Any]]:
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            yield from page["Items"]


def _task(row: dict[str, Any]) -> Task:
    ended = row.get("labourer_id_task_status", {}).get("S", "")
    if ended:
        state = "completed" if ended.endswith("_1") else "failed"
    elif "desired_launch_time" in row:
        state = "retrying"
    else:
        state = "queued" if float(row["greenfield"]["N"]) <= time.time() else "invoked"
    answer = row.get("result") or row.get("error_message") or {"S": ""}
    return Task(row["task_id"]["S"], state, int(row["attempts"]["N"]), row["payload"]["S"], answer["S"])
