"""The Lambda function that workers and destinations report to: marks a task's row as completed or failed.

One file, standard library and the runtime's boto3 only: `sosw-airflow init --assistant` and the CloudFormation template
deploy it as it is. It serves two protocols:

- sosw's `Worker`: ``{"action": "mark_task_as_completed" | "mark_task_as_failed", "task_id", "stats", "result"}``.
- Lambda's destinations on success and on failure: the envelope with ``requestPayload``, the event of the task.

A report changes an existing row only, so no ghost item is made (ORCHESTRATION.md E8, E9, E10); the first completion
wins; a report that names its attempt is refused once another attempt runs.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import time
from typing import Any

VERSION = "1"

log = logging.getLogger()
log.setLevel(logging.INFO)

#: Bytes of a result or an error that are kept; a row has room for 400 KB with its payload.
KEPT_BYTES = 32 * 1024

#: Statistics and result attributes of one report that are kept.
KEPT_NAMES = 50

#: Attempts of a task. A larger number is none.
MOST_ATTEMPTS = 10**9

#: Bytes of a key in DynamoDB.
KEY_BYTES = 1024

_clients: dict[str, Any] = {}


def handler(event: dict[str, Any], context: object = None) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Lambda's entry point. An event that is no report is logged and answered with ``{"marked": False}``."""
    if "dynamodb" not in _clients:
        import boto3

        _clients["dynamodb"] = boto3.client("dynamodb")
    report = report_of(event)
    if report is None:
        # Not its values: they are those of a task, which may have secrets, and Lambda's log has no masker.
        log.warning("No report of a task: it has %s.", _names(event))
        return {"marked": False}
    tables = {
        "tasks_table": os.environ.get("SOSW_TASKS_TABLE", "sosw_tasks"),
        "retry_tasks_table": os.environ.get("SOSW_RETRY_TASKS_TABLE", "sosw_retry_tasks"),
    }
    marked = mark(_clients["dynamodb"], report, now=int(time.time()), **tables)
    if not marked:
        log.warning(
            "The report is not taken: task %s is closed, runs another attempt, or is unknown.", report["task_id"]
        )
    return {"marked": marked}


def _names(event: Any) -> str:
    return ", ".join(map(str, event))[:500] if isinstance(event, dict) else type(event).__name__


def report_of(event: Any) -> dict[str, Any] | None:
    """What an event reports: ``task_id``, ``ok``, ``attempt`` (None if unknown), ``labourer_id``, ``attributes``."""
    if not isinstance(event, dict):
        return None
    if event.get("action") in ("mark_task_as_completed", "mark_task_as_failed") and _is_key(event.get("task_id")):
        attributes = {**_prefixed("stat", event.get("stats")), **_prefixed("result", event.get("result"))}
        ok = event["action"] == "mark_task_as_completed"
        return _report(event["task_id"], attributes, ok=ok)
    request = event.get("requestPayload")
    if not isinstance(request, dict) or not _is_key(request.get("task_id")) or "requestContext" not in event:
        return None
    context, answer = (
        event[name] if isinstance(event.get(name), dict) else {} for name in ("requestContext", "responseContext")
    )
    response, labourer_id = event.get("responsePayload"), request.get("labourer_id")
    failed = context.get("condition") != "Success" or bool(answer.get("functionError"))
    attributes = error_of(response, _shown(context.get("condition", ""))) if failed else result_of(response)
    attempt: Any = request.get("attempts")
    return _report(
        request["task_id"],
        attributes,
        ok=not failed,
        # The event has the number before its own invocation (SOSW.md 8).
        attempt=int(attempt) + 1 if type(attempt) in (int, float) and 0 <= attempt < MOST_ATTEMPTS else None,
        labourer_id=str(labourer_id) if _is_key(labourer_id) else "",
    )


def result_of(response: Any) -> dict[str, Any]:
    """The attribute ``result``: the answer of a function as JSON text, cut to `KEPT_BYTES` with a mark."""
    return {} if response is None else _text("result", _json(response))


def error_of(response: Any, condition: str = "") -> dict[str, Any]:
    """The attributes ``error_type`` and ``error_message`` of a failed invocation."""
    answer = response if isinstance(response, dict) else {}
    kind = answer.get("errorType") or condition or "FunctionError"
    message = answer.get("errorMessage") or ("" if response is None else response)
    return {**_text("error_type", _shown(kind)[:200]), **_text("error_message", _shown(message))}


def mark(
    dynamodb: Any, report: dict[str, Any], *, now: int, tasks_table: str, retry_tasks_table: str | None = None
) -> bool:
    """Mark the task's row. False: there is no such row, it is completed, or another attempt of it runs.

    A row without room for the attributes of the report is marked without them. A completion whose row waits in the
    retry table marks it there: the orchestrator then closes it as completed.

    :param now: seconds since 1970.
    """
    keys = [in_queue := (tasks_table, {"task_id": {"S": report["task_id"]}})]
    if report["ok"] and report["labourer_id"] and retry_tasks_table:
        retry_key = {"labourer_id": {"S": report["labourer_id"]}, "task_id": {"S": report["task_id"]}}
        # Again the first: the row may come back into the queue between the two requests.
        keys += [(retry_tasks_table, retry_key), in_queue]
    whole, bare = _request(report, report["attributes"], now), _request(report, {}, now)
    return any(_update(dynamodb, table, key, whole, bare) for table, key in keys)


def _request(report: dict[str, Any], extra: dict[str, Any], now: int) -> dict[str, Any]:
    attributes, values = dict(extra), {":attempt": {"N": str(report["attempt"])}}
    condition = "attribute_exists(labourer_id) AND attribute_not_exists(completed_at)"
    if report["ok"]:
        attributes["completed_at"] = {"N": str(now)}
        adding = ""
    else:
        attributes["failed_at"] = {"N": str(now)}
        adding = " ADD failed_attempts :one"
        values[":one"] = {"N": "1"}
    setting = [f"#n{number} = :v{number}" for number in range(len(attributes))]
    if not report["ok"]:
        setting.append("failed_attempt = attempts")
    names = {f"#n{number}": name for number, name in enumerate(attributes)}
    values.update({f":v{number}": value for number, value in enumerate(attributes.values())})
    if report["attempt"] is None:
        del values[":attempt"]
    else:
        condition += " AND attempts = :attempt"
    return {
        "UpdateExpression": f"SET {', '.join(setting)}{adding}",
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _update(dynamodb: Any, table: str, key: dict[str, Any], request: dict[str, Any], bare: dict[str, Any]) -> bool:
    try:
        dynamodb.update_item(TableName=table, Key=key, **request)
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    except dynamodb.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException" or request == bare:
            raise
        return _update(dynamodb, table, key, bare, bare)
    return True


def _is_key(value: Any) -> bool:
    """Whether DynamoDB takes a value as a key: a text that UTF-8 can hold."""
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= KEY_BYTES
    except UnicodeEncodeError:
        return False


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except (ValueError, RecursionError):
        return '"not stored: nested too deeply, or a number that is too long"'


def _report(
    task_id: Any, attributes: dict[str, Any], *, ok: bool, attempt: int | None = None, labourer_id: str = ""
) -> dict[str, Any]:
    return {
        "task_id": str(task_id),
        "ok": ok,
        "attempt": attempt,
        "labourer_id": labourer_id,
        "attributes": attributes,
    }


def _prefixed(prefix: str, values: Any) -> dict[str, Any]:
    """Sosw's ``stat_<name>`` and ``result_<name>``; what is not an object is kept whole under the prefix (E18)."""
    if values is None or values == {}:
        return {}
    if not isinstance(values, dict):
        return _text(prefix, _json(values))
    kept = list(values.items())[:KEPT_NAMES]
    attributes: dict[str, Any] = {}
    for name, value in kept:
        attributes.update(_attribute(f"{prefix}_{re.sub(r'[^A-Za-z0-9_]', '_', str(name))[:100]}", value))
    return attributes


def _attribute(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {name: {"BOOL": value}}
    if isinstance(value, int) and abs(value) < 10**38:
        return {name: {"N": str(value)}}
    if isinstance(value, float) and math.isfinite(value) and (value == 0 or 1e-130 < abs(value) < 1e125):
        return {name: {"N": repr(value)}}
    return _text(name, _shown(value))


def _text(name: str, text: str) -> dict[str, Any]:
    """A text, cut to `KEPT_BYTES` with a mark beside it."""
    whole = text.encode("utf-8", "replace")
    if len(whole) <= KEPT_BYTES:
        return {name: {"S": whole.decode()}}
    return {name: {"S": whole[:KEPT_BYTES].decode("utf-8", "ignore")}, f"{name}_truncated": {"BOOL": True}}
