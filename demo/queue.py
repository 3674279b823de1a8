"""sosw's side of the demo: its tables and bucket in the embedded AWS, and the rows that are in its queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import boto3
from botocore.exceptions import ClientError

from demo.settings import ACCESS_KEY, QUEUE_BUCKET, REGION, SECRET_KEY
from sosw_airflow.stores.tables import TableNames, create_missing_tables
from sosw_airflow.testing.kit import Sosw


@dataclass(frozen=True)
class Task:
    """One row of `sosw_tasks`. `payload` is the JSON text that the worker gets."""

    task_id: str
    labourer_id: str
    greenfield: int
    payload: str

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

    def create_function(self, name: str) -> None:
        """Create a Lambda function that answers with its event, if it does not exist. No code of it is run."""
        with suppress(ClientError):  # both exist since an earlier start
            role = self._client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
            code = BytesIO()
            with ZipFile(code, "w") as archive:
                archive.writestr("app.py", "def handler(event, context): return event")
            self._client("lambda").create_function(
                FunctionName=name,
                Runtime="python3.12",
                Role=role,
                Handler="app.handler",
                Code={"ZipFile": code.getvalue()},
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

    def tasks(self) -> list[Task]:
        """Return all rows of `sosw_tasks`, in the queue's order."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._names.tasks_table, ConsistentRead=True)
        rows = [
            Task(
                task_id=item["task_id"]["S"],
                labourer_id=item["labourer_id"]["S"],
                greenfield=int(item["greenfield"]["N"]),
                payload=item["payload"]["S"],
            )
            for page in pages
            for item in page["Items"]
        ]
        return sorted(rows, key=lambda row: (row.greenfield, row.task_id))
