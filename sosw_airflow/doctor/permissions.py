"""Whether the identity may do what scheduling does: each call is made in a way that changes nothing.

Writes carry a condition that no item meets, so that DynamoDB refuses them after it has checked the permission. An
upload is begun and ended without a part, so that no object appears.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.doctor.findings import Finding, error, ok, warning
from sosw_airflow.exceptions import AccessDenied
from sosw_airflow.stores.aws_errors import error_code, explain

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["try_permissions"]

#: An id that no task and no job has: theirs are hexadecimal.
_UNUSED_ID = "sosw-airflow-doctor"
_NEVER = "attribute_exists({key}) AND attribute_not_exists({key})"

#: Answers that come after the permission was checked.
_ALLOWED = frozenset({"ConditionalCheckFailedException", "NoSuchKey", "404", "NotFound"})


def try_permissions(deployment: Deployment) -> Iterator[Finding]:
    """One finding for each table and the bucket, or one for each call that is denied."""
    tables = deployment.tables
    yield from _try(tables.tasks_table, _task_calls(deployment))
    yield from _try(tables.closed_tasks_table, _closed_calls(deployment), needed=False)
    yield from _try(tables.jobs_table, _job_calls(deployment))
    if tables.meta_table is not None:
        put = _put(deployment, tables.meta_table, {"task_id": {"S": _UNUSED_ID}, "created_at": {"N": "0"}}, "task_id")
        yield from _try(tables.meta_table, [("dynamodb:PutItem", put)])
    yield from _try(deployment.queue_bucket, _bucket_calls(deployment))


_Call = tuple[str, Callable[[], object]]


def _try(resource: str, calls: list[_Call], *, needed: bool = True) -> Iterator[Finding]:
    allowed = []
    for action, call in calls:
        try:
            call()
        except (ClientError, BotoCoreError) as failed:
            if error_code(failed) not in _ALLOWED:
                problem = explain(failed, action=action, resource=resource)
                if isinstance(problem, AccessDenied):
                    yield _denied(action, resource, needed=needed)
                continue  # a missing table or another fault has been reported by the check of it
        allowed.append(action)
    if len(allowed) == len(calls):
        yield ok("permission", resource, f"allows {', '.join(allowed)}.")


def _denied(action: str, resource: str, *, needed: bool) -> Finding:
    fix = "Allow it to the identity of aws_conn_id: docs/permissions.md has the policy."
    text = f"denies {action}."
    if not needed:
        return warning("permission", resource, f"{text} Waiting for a job needs it, scheduling does not.", fix)
    if action == "dynamodb:DeleteItem":
        return warning("permission", resource, f"{text} Cancelling a job needs it, scheduling does not.", fix)
    if action == "s3:GetObject":
        # S3 also denies the HEAD of a missing object if the bucket may not be listed.
        text = f"{text} (Or s3:ListBucket, without which S3 denies what is not there.)"
        return warning("permission", resource, text, fix)
    return error("permission", resource, text, fix)


def _task_calls(deployment: Deployment) -> list[_Call]:
    dynamodb, tables = deployment.dynamodb, deployment.tables
    key = {"task_id": {"S": _UNUSED_ID}}
    item = {**key, "labourer_id": {"S": _UNUSED_ID}, "greenfield": {"N": "0"}}
    return [
        ("dynamodb:PutItem", _put(deployment, tables.tasks_table, item, "task_id")),
        (
            "dynamodb:Query",
            lambda: dynamodb.query(
                TableName=tables.tasks_table,
                IndexName=tables.index_greenfield,
                KeyConditionExpression="labourer_id = :nothing",
                ExpressionAttributeValues={":nothing": {"S": _UNUSED_ID}},
                Limit=1,
            ),
        ),
        (
            "dynamodb:DeleteItem",
            lambda: dynamodb.delete_item(
                TableName=tables.tasks_table, Key=key, ConditionExpression=_NEVER.format(key="task_id")
            ),
        ),
    ]


def _closed_calls(deployment: Deployment) -> list[_Call]:
    dynamodb, tables = deployment.dynamodb, deployment.tables
    return [
        (
            "dynamodb:Query",
            lambda: dynamodb.query(
                TableName=tables.closed_tasks_table,
                IndexName=tables.closed_tasks_index,
                KeyConditionExpression="labourer_id_task_status = :nothing",
                ExpressionAttributeValues={":nothing": {"S": _UNUSED_ID}},
                Limit=1,
            ),
        )
    ]


def _job_calls(deployment: Deployment) -> list[_Call]:
    dynamodb, table = deployment.dynamodb, deployment.tables.jobs_table
    key = {"job_id": {"S": _UNUSED_ID}, "record": {"S": "header"}}
    return [
        ("dynamodb:GetItem", lambda: dynamodb.get_item(TableName=table, Key=key)),
        ("dynamodb:PutItem", _put(deployment, table, key, "job_id")),
        (
            "dynamodb:UpdateItem",
            lambda: dynamodb.update_item(
                TableName=table,
                Key=key,
                UpdateExpression="SET updated_at = :zero",
                ConditionExpression=_NEVER.format(key="job_id"),
                ExpressionAttributeValues={":zero": {"N": "0"}},
            ),
        ),
        (
            "dynamodb:Query",
            lambda: dynamodb.query(
                TableName=table,
                KeyConditionExpression="job_id = :nothing",
                ExpressionAttributeValues={":nothing": {"S": _UNUSED_ID}},
                Limit=1,
            ),
        ),
    ]


def _bucket_calls(deployment: Deployment) -> list[_Call]:
    s3 = deployment.s3
    where = {"Bucket": deployment.queue_bucket, "Key": f"{deployment.s3_prefix.strip('/')}/{_UNUSED_ID}".lstrip("/")}
    uploads: list[str] = []

    def end() -> None:
        for upload in uploads:
            s3.abort_multipart_upload(**where, UploadId=upload)

    return [
        ("s3:PutObject", lambda: uploads.append(s3.create_multipart_upload(**where)["UploadId"])),
        ("s3:AbortMultipartUpload", end),
        ("s3:GetObject", lambda: s3.get_object(**where)),
    ]


def _put(deployment: Deployment, table: str, item: dict[str, Any], key: str) -> Callable[[], object]:
    return lambda: deployment.dynamodb.put_item(TableName=table, Item=item, ConditionExpression=_NEVER.format(key=key))
