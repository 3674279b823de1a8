"""The policies of docs/permissions.md allow every call that is made, and nothing that is never called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest

from sosw_airflow.doctor import orphans as leftovers
from sosw_airflow.doctor.functions import check_functions
from sosw_airflow.doctor.permissions import try_permissions
from sosw_airflow.doctor.tables import examine
from sosw_airflow.exceptions import QueueFull
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.scheduler import JobScheduler
from sosw_airflow.stores.closed_tasks import ClosedTasks
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.stores.task_queue import open_tasks
from sosw_airflow.waiting.progress import ProgressReader
from tests.integration.conftest import Installation, MakeInstallation, request_for
from tests.support.network_edge import Crash, crash_at

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
ACCOUNT = "arn:aws:{}:us-west-2:123456789012"

#: An action, and the ARN that it is done to.
Call = tuple[str, str]

#: Operations whose permission has another name.
ACTIONS = {
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
}


@dataclass(frozen=True)
class Policy:
    """One of the page's policies."""

    allowed: frozenset[Call]

    def allows(self, call: Call) -> bool:
        """As IAM would."""
        return any(call[0] == action and fnmatchcase(call[1], resource) for action, resource in self.allowed)

    def unused(self, calls: set[Call]) -> set[Call]:
        """What it allows though nobody calls it."""
        return {
            (action, resource)
            for action, resource in self.allowed
            if not any(called == action and fnmatchcase(arn, resource) for called, arn in calls)
        }


def policy(*headings: str) -> Policy:
    """What the policies under these headings allow together."""
    allowed = set()
    for heading in headings:
        found = re.search(rf"^## {heading}\n.*?^```json\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        assert found, heading
        for statement in json.loads(found[1].replace("my-queue-bucket", "sosw-queue"))["Statement"]:
            assert statement["Effect"] == "Allow"
            actions, resources = (
                [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
            )
            allowed |= {(action, resource) for action in actions for resource in resources}
    return Policy(frozenset(allowed))


@contextmanager
def recorded(*clients: Any) -> Iterator[set[Call]]:
    """What these clients are asked for meanwhile, in IAM's words."""
    calls: set[Call] = set()

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        calls.update(in_words_of_iam(model.service_model.service_name, model.name, params))

    for client in clients:
        client.meta.events.register("before-parameter-build", record)
    try:
        yield calls
    finally:
        for client in clients:
            client.meta.events.unregister("before-parameter-build", record)


def in_words_of_iam(service: str, operation: str, params: dict[str, Any]) -> Iterator[Call]:
    """The actions and ARNs of one request."""
    action = ACTIONS.get(f"{service}:{operation}", f"{service}:{operation}")
    if operation == "TransactWriteItems":
        for item in params["TransactItems"]:
            ((kind, inner),) = item.items()
            yield from in_words_of_iam(service, f"{kind}Item", inner)
    elif operation == "BatchGetItem":
        for table in params["RequestItems"]:
            yield action, f"{ACCOUNT.format(service)}:table/{table}"
    elif service == "dynamodb":
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        yield action, f"{ACCOUNT.format(service)}:table/{params['TableName']}{index}"
    elif service == "s3":
        key = f"/{params['Key']}" if "Key" in params else ""
        yield action, f"arn:aws:s3:::{params['Bucket']}{key}"
    else:
        yield action, f"{ACCOUNT.format(service)}:function:{params['FunctionName']}"


def schedule_in_all_ways(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan in parts, one that is broken off, a crash, a retry."""
    with pytest.raises(Crash), crash_at(10, *installation.clients, applied=False):
        installation.scheduler().schedule(request_for())
    installation.scheduler().schedule(request_for())
    with monkeypatch.context() as changed:
        changed.setattr("sosw_airflow.stores.queue_file.PART_BYTES", 1)
        changed.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
        installation.scheduler().schedule(request_for(run_id="another"))
        early = JobScheduler(replace(installation.deployment, now=lambda: 87_000.0), concurrency=1)
        with pytest.raises(QueueFull):
            early.schedule(request_for(run_id="without room"))


def test_scheduling(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer's policy."""
    with recorded(*installation.clients) as calls:
        schedule_in_all_ways(installation, monkeypatch)
    least = policy("Scheduling")
    assert {call for call in calls if not least.allows(call)} == set()
    assert least.unused(calls) == set()


def test_the_table_of_histories(make_installation: MakeInstallation) -> None:
    """Takes what the page says in words."""
    installation = make_installation(tables=TableNames(meta_table="sosw_tasks_meta"))
    with recorded(*installation.clients) as calls:
        installation.scheduler().schedule(request_for())
    assert {action for action, arn in calls if arn.endswith("table/sosw_tasks_meta")} == {
        "dynamodb:PutItem",
        "dynamodb:DescribeTable",
    }


def test_waiting(installation: Installation) -> None:
    """What is beyond the writer's policy, and what an identity needs that only waits."""
    job_id = installation.scheduler().schedule(request_for()).header.job_id
    tables = installation.deployment.tables
    with recorded(*installation.clients) as calls:
        watch = ProgressReader(installation.deployment.dynamodb, tables, job_id)
        watch.read()
        list(ClosedTasks(installation.deployment.dynamodb, tables, "worker").rows([f"{job_id}000000000000"]))
        open_tasks(installation.deployment.dynamodb, tables, "worker", [f"{job_id}{'f' * 12}"])
    least = policy("Waiting and repairing")
    beyond = {call for call in calls if not least.allows(call)}
    assert beyond == {("dynamodb:GetItem", f"{ACCOUNT.format('dynamodb')}:table/sosw_jobs")}
    assert least.unused(calls) == set()


def test_cancelling(installation: Installation) -> None:
    """On top of the writer's policy."""
    job_id = installation.scheduler().schedule(request_for()).header.job_id
    with recorded(*installation.clients) as calls:
        cancel_job(installation.deployment, job_id)
    both = policy("Scheduling", "Cancelling")
    assert {call for call in calls if not both.allows(call)} == set()
    assert policy("Cancelling").unused(calls) == set()


def test_examining(installation: Installation) -> None:
    """On top of all others."""
    installation.scheduler().schedule(request_for())
    deployment = replace(installation.deployment, dynamodb_once=None)
    functions = boto3.client("lambda")
    with recorded(deployment.dynamodb, deployment.s3, functions) as calls:
        for findings in (
            examine(deployment),
            try_permissions(deployment),
            leftovers.find_planned_jobs(deployment),
            leftovers.check_queue(deployment, "worker"),
            leftovers.find_queue_files(deployment),
            leftovers.find_uploads(deployment),
            check_functions(functions, {"worker": "worker"}),
        ):
            list(findings)
    everything = policy("Scheduling", "Waiting and repairing", "Cancelling", "Examining")
    assert {call for call in calls if not everything.allows(call)} == set()
    assert policy("Examining").unused(calls) == set()
