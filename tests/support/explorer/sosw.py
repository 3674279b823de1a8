"""sosw 0.7.51 reduced to its requests, people, and time to live: what acts beside the provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.stores.deployment import Deployment

__all__ = [
    "close_failed",
    "complete_late",
    "delivered_files",
    "invoke_queued",
    "orchestrate",
    "process_queue",
    "remove_file",
    "report_completed",
    "run_scheduler",
    "scavenge",
    "upload",
]

#: From the greenfield of a queued task to that of an invoked one, seconds.
_INVOKED = 31_557_600


def delivered_files(at: Deployment) -> list[str]:
    """The bare names of the queue files that sosw's Scheduler would take."""
    listed = at.s3.list_objects_v2(Bucket=at.queue_bucket, Prefix=f"{at.s3_prefix}/tasks_queue_")
    return [each["Key"].rpartition("/")[2] for each in listed.get("Contents", ())]


def run_scheduler(at: Deployment, name: str, *, who: str = "0") -> int:
    """What sosw's Scheduler does with a file: download, copy to its lock, delete, put each row, delete the lock.

    :param who: makes the ids of its tasks different from those of another one.
    """
    where = {"Bucket": at.queue_bucket}
    key, locked = f"{at.s3_prefix}/{name}", f"{at.s3_prefix}/locked_{name}"
    try:
        body = at.s3.get_object(**where, Key=key)["Body"].read().decode()
    except ClientError:
        return 0  # upstream logs it and ends
    at.s3.copy_object(**where, Key=locked, CopySource={**where, "Key": key})
    at.s3.delete_object(**where, Key=key)
    for number, line in enumerate(body.splitlines()):
        task = json.loads(line)
        item = {
            "task_id": {"S": f"sosw{who}{int(at.now()):x}{number:012x}"[:32]},
            "labourer_id": {"S": task.pop("labourer_id")},
            "payload": {"S": json.dumps(task)},
            "created_at": {"N": str(int(at.now()))},
            "greenfield": {"N": str(1000 * number + 1000)},
            "attempts": {"N": "0"},
        }
        at.dynamodb.put_item(TableName=at.tables.tasks_table, Item=item)
    at.s3.delete_object(**where, Key=locked)
    return len(body.splitlines())


def invoke_queued(at: Deployment) -> int:
    """What sosw's Orchestrator does: invoke each queued task and count the attempt; here in one request a task."""
    return sum(_invoke(at, row) for row in _queued(at))


def _queued(at: Deployment) -> list[dict[str, Any]]:
    reply = at.dynamodb.query(
        TableName=at.tables.tasks_table,
        IndexName=at.tables.index_greenfield,
        KeyConditionExpression="labourer_id = :labourer AND greenfield <= :now",
        ExpressionAttributeValues={":labourer": {"S": "worker"}, ":now": {"N": str(int(at.now()))}},
    )
    return list(reply["Items"])


def _invoke(at: Deployment, row: Mapping[str, Any]) -> bool:
    try:
        at.dynamodb.update_item(
            TableName=at.tables.tasks_table,
            Key={"task_id": row["task_id"]},
            UpdateExpression="SET greenfield = :invoked ADD attempts :one",
            ConditionExpression="greenfield = :seen",
            ExpressionAttributeValues={
                ":invoked": {"N": str(int(at.now()) + _INVOKED)},
                ":one": {"N": "1"},
                ":seen": row["greenfield"],
            },
        )
    except ClientError:
        return False
    return True


def orchestrate(at: Deployment, aws_lambda: Any) -> None:
    """As `invoke_queued`, with the invocation of each worker."""
    for row in _queued(at):
        if _invoke(at, row):
            event = {
                "task_id": row["task_id"]["S"],
                "labourer_id": row["labourer_id"]["S"],
                "attempts": int(row["attempts"]["N"]),
                **json.loads(row["payload"]["S"]),
            }
            aws_lambda.invoke(FunctionName="worker", InvocationType="Event", Payload=json.dumps(event).encode())


def report_completed(at: Deployment, task: str) -> None:
    """What sosw's WorkerAssistant does with a completion: mark the row, whatever it is, or make one of the mark."""
    at.dynamodb.update_item(
        TableName=at.tables.tasks_table,
        Key={"task_id": {"S": task}},
        UpdateExpression="SET completed_at = :now",
        ExpressionAttributeValues={":now": {"N": str(int(at.now()))}},
    )


def scavenge(at: Deployment, *, expiry: int = 1200, max_attempts: int = 3, timeout: int = 5) -> bool:
    """One run of sosw's Scavenger, without conditions. False: an error has ended it, as E12 in ORCHESTRATION.md does.

    :param expiry: seconds from an invocation to its end.  :param timeout: of the function, seconds.
    """
    try:
        _archive_completed(at)
        _retry_expired(at, int(at.now()) + _INVOKED - expiry, max_attempts, timeout)
        _return_retries(at)
    except ClientError:
        return False
    return True


def _invoked(at: Deployment, condition: str, values: Mapping[str, Any], *, completed: bool) -> list[dict[str, Any]]:
    reply = at.dynamodb.query(
        TableName=at.tables.tasks_table,
        IndexName=at.tables.index_greenfield,
        KeyConditionExpression=f"labourer_id = :labourer AND {condition}",
        FilterExpression=f"attribute_{'' if completed else 'not_'}exists(completed_at)",
        ExpressionAttributeValues={":labourer": {"S": "worker"}, **values},
    )
    return list(reply["Items"])


def _archive_completed(at: Deployment) -> None:
    now = {":now": {"N": str(int(at.now()))}}
    for row in _invoked(at, "greenfield >= :now", now, completed=True):
        _archive(at, row["task_id"], status=1)


def _archive(at: Deployment, task: dict[str, str], *, status: int) -> None:
    item = at.dynamodb.get_item(TableName=at.tables.tasks_table, Key={"task_id": task}).get("Item", {})
    ends = {"closed_at": {"N": str(int(at.now()))}, "labourer_id_task_status": {"S": f"worker_{status}"}}
    # Without a row this item has no id, and DynamoDB refuses it.
    at.dynamodb.put_item(TableName=at.tables.closed_tasks_table, Item={**item, **ends})
    at.dynamodb.delete_item(TableName=at.tables.tasks_table, Key={"task_id": task})


def _retry_expired(at: Deployment, expired: int, max_attempts: int, timeout: int) -> None:
    span = {":now": {"N": str(int(at.now()))}, ":expired": {"N": str(expired)}}
    for row in _invoked(at, "greenfield BETWEEN :now AND :expired", span, completed=False):
        attempts = int(row["attempts"]["N"])
        if attempts >= max_attempts:
            _archive(at, row["task_id"], status=0)
            continue
        launch = {"desired_launch_time": {"N": str(int(at.now()) + timeout * attempts)}}
        at.dynamodb.put_item(TableName=at.tables.retry_tasks_table, Item={**row, **launch})
        at.dynamodb.delete_item(TableName=at.tables.tasks_table, Key={"task_id": row["task_id"]})


def _return_retries(at: Deployment) -> None:
    reply = at.dynamodb.query(
        TableName=at.tables.retry_tasks_table,
        IndexName=at.tables.retry_tasks_index,
        KeyConditionExpression="labourer_id = :labourer AND desired_launch_time <= :now",
        ExpressionAttributeValues={":labourer": {"S": "worker"}, ":now": {"N": str(int(at.now()))}},
    )
    for number, row in enumerate(reply["Items"], start=1):
        item = {name: value for name, value in row.items() if name != "desired_launch_time"}
        key = {name: row[name] for name in ("labourer_id", "task_id")}
        put = {"TableName": at.tables.tasks_table, "Item": {**item, "greenfield": {"N": str(1000 - number)}}}
        delete = {"TableName": at.tables.retry_tasks_table, "Key": key}
        at.dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"Delete": delete}])


def process_queue(at: Deployment) -> int:
    """Invoke the queued tasks; their workers complete them, and sosw's Scavenger archives them."""
    queued = _queued(at)
    invoked = {row["task_id"]["S"]: row["payload"]["S"] for row in queued if _invoke(at, row)}
    close_failed(at, invoked, status=1)
    return len(invoked)


def close_failed(at: Deployment, tasks: Mapping[str, str], *, status: int = 0) -> None:
    """What sosw's Scavenger does with tasks that are over: into the closed table, out of the queue.

    :param tasks: id and payload.  :param status: 0 failed, 1 completed.
    """
    for task, payload in tasks.items():
        item = {
            "task_id": {"S": task},
            "labourer_id": {"S": "worker"},
            "labourer_id_task_status": {"S": f"worker_{status}"},
            "closed_at": {"N": str(int(at.now()))},
            "attempts": {"N": "3"},
            "payload": {"S": payload},
        }
        at.dynamodb.put_item(TableName=at.tables.closed_tasks_table, Item=item)
        at.dynamodb.delete_item(TableName=at.tables.tasks_table, Key={"task_id": {"S": task}})


def complete_late(at: Deployment, tasks: Mapping[str, str]) -> None:
    """Tasks that were closed as failed have completed after all."""
    close_failed(at, tasks, status=1)


def remove_file(at: Deployment, wanted: Callable[[str], bool] = lambda _: True) -> None:
    """A person, or a lifecycle rule, removes queue files."""
    listed = at.s3.list_objects_v2(Bucket=at.queue_bucket, Prefix=at.s3_prefix)
    for each in listed.get("Contents", ()):
        if wanted(each["Key"]):
            at.s3.delete_object(Bucket=at.queue_bucket, Key=each["Key"])


def upload(at: Deployment, name: str, body: bytes) -> None:
    """A person puts a queue file."""
    at.s3.put_object(Bucket=at.queue_bucket, Key=f"{at.s3_prefix}/{name}", Body=body)
