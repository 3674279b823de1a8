"""Whatever is stored in AWS, or answered by it, is read, or refused with an error of this package.

Each test is one entrance, as in test_every_entrance.py: queues and records that another program has changed, answers of
Lambda, reports of functions.
"""

from __future__ import annotations

import json
from datetime import date
from functools import partial
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError, ResponseStreamingError

from sosw_airflow.jobs.json_values import is_utf8
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.orchestration import assistant
from sosw_airflow.orchestration.invoker import Answer, Outcome, invoke
from sosw_airflow.orchestration.lease import Lease
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.task_rows import event_of, row_of
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile
from sosw_airflow.stores.closed_tasks import _closed_task
from sosw_airflow.stores.file_claims import FileClaims
from sosw_airflow.stores.job_record import Header, JobRecords
from tests.support.entrances import bounded_memory, enter, many, own_folder, patient, seeds, unfit
from tests.support.hostile import Hostile

__all__ = ["bounded_memory", "own_folder"]

MONDAY = date(2026, 11, 23)
JOB, OTHER = "0123456789abcdef0123", "fedcba98765432100123"

pytestmark = patient


# -- what Lambda answers, and what functions report --------------------------------------------------------------------


class Body:
    """The body of an answer. What it has may be an error of the network."""

    def __init__(self, given: bytes | Exception) -> None:
        self._given = given

    def read(self) -> bytes:
        """The whole body."""
        if isinstance(self._given, Exception):
            raise self._given
        return self._given


@seeds
@many
def test_an_answer_of_lambda(seed: int) -> None:
    """Each has an outcome, and what is kept of it fits a row."""
    hostile = Hostile(seed)
    body: Any = hostile.one_of(
        hostile.bytes, lambda: b"[" * 100_000, lambda: b'"' + b"x" * 1_000_000 + b'"', partial(_broken_body, hostile)
    )
    reply = {"Payload": Body(body), **hostile.choice({}, {"FunctionError": "Unhandled"}, {"FunctionError": None})}
    given = hostile.one_of(*[lambda: reply] * 3, partial(_client_error, hostile))
    policy = LabourerPolicy("w", "w")
    if hostile.choice(True, False):
        policy = LabourerPolicy.of("w", {"invocation": "request"})

    def send(**_: Any) -> Any:
        if isinstance(given, Exception):
            raise given
        return given

    answer: Answer = enter(partial(invoke, SimpleNamespace(invoke=send), policy, {"task_id": JOB}))
    assert isinstance(answer.outcome, Outcome)
    assert unfit(str(answer.error)) is None
    for read in (assistant.result_of, assistant.error_of):
        _are_storable(enter(partial(read, answer.response)))


def _broken_body(hostile: Hostile) -> Exception:
    kind = hostile.choice(
        partial(ReadTimeoutError, endpoint_url="https://aws"), partial(ResponseStreamingError, error=hostile.text())
    )
    return kind()  # type: ignore[no-any-return]


def _client_error(hostile: Hostile) -> ClientError:
    code = hostile.one_of(lambda: "TooManyRequestsException", lambda: "413", hostile.text)
    parts = {"Code": code, "Message": hostile.text()}
    status = {"HTTPStatusCode": hostile.choice(0, 413, 429, 500)}
    response = {"Error": hostile.choice(parts, {}), "ResponseMetadata": status}
    return ClientError(response, "Invoke")  # type: ignore[arg-type]


@seeds
@many
def test_an_event_of_the_assistant(seed: int) -> None:
    """Of a Worker or of a destination: what DynamoDB takes is marked, the rest is no report."""
    hostile = Hostile(seed)
    worker = {
        "action": hostile.choice("mark_task_as_completed", "mark_task_as_failed"),
        "task_id": JOB,
        "stats": hostile.json_value(),
        "result": hostile.one_of(hostile.json_value, lambda: {hostile.text(): hostile.json_value()}),
    }
    destination = {
        "requestContext": hostile.damaged({"condition": hostile.choice("Success", "RetriesExhausted")}),
        "requestPayload": hostile.damaged({"task_id": JOB, "attempts": hostile.choice(0, 2.0), "labourer_id": "w"}),
        "responseContext": hostile.damaged({"statusCode": 200, "functionError": None}),
        "responsePayload": hostile.damaged({"errorType": "KeyError", "errorMessage": "x", "trace": []}),
    }
    event: Any = hostile.one_of(*[lambda: hostile.damaged(hostile.choice(worker, destination))] * 5, hostile.json_value)
    report = enter(partial(assistant.report_of, event))
    if report is None:
        return
    assert 0 < len(report["task_id"].encode()) <= 1024
    assert report["attempt"] is None or 0 < report["attempt"] <= 10**9
    _are_storable(report["attributes"])


def _are_storable(attributes: dict[str, Any]) -> None:
    """What DynamoDB takes: names, texts, and numbers."""
    for name, value in attributes.items():
        ((kind, content),) = value.items()
        assert kind in ("S", "N", "BOOL")
        assert 0 < len(name) < 256
        if kind == "S":
            assert is_utf8(content)
            assert len(content.encode()) <= assistant.KEPT_BYTES
        if kind == "N":
            assert abs(float(content)) < 1e126


# -- rows, files and records in AWS ------------------------------------------------------------------------------------


def item_of(hostile: Hostile, whole: dict[str, Any]) -> dict[str, Any]:
    """An item of DynamoDB with attributes that are gone or of another type."""
    item = dict(whole)
    for name in whole:
        damage = hostile.choice(*["none"] * 3, "gone", "text", "number", "map")
        if damage == "gone":
            del item[name]
        elif damage == "text":
            item[name] = {"S": hostile.text()}
        elif damage == "number":
            item[name] = {"N": hostile.choice("1e125", "-1", "9" * 38, "0.5")}
        elif damage == "map":
            item[name] = {"M": {}}
    return item


@seeds
@many
def test_an_item_beside_the_job_records(seed: int) -> None:
    """The claim on a file, the lease of a labourer, the note of a run."""
    hostile = Hostile(seed)
    whole = {
        "claimed_by": {"S": JOB},
        "run_started": {"S": "2026-11-26"},
        "fence": {"N": "1"},
        "beat": {"N": "2"},
        "owner": {"S": "x"},
    }
    item = item_of(hostile, whole)
    dynamodb = SimpleNamespace(get_item=lambda **_: {"Item": item}, update_item=lambda **_: {}, put_item=lambda **_: {})
    enter(partial(FileClaims(dynamodb, "sosw_jobs", seconds=1).owner, "s3://b/k"))
    enter(partial(JobRecords(dynamodb, "sosw_jobs").run_note, JOB))
    enter(Lease(dynamodb, "sosw_jobs", "w", "me").acquire)


@seeds
@many
def test_a_row_in_the_queue(seed: int) -> None:
    """Of any program; the orchestration reads it, and sends what can be sent."""
    hostile = Hostile(seed)
    item: dict[str, Any] = {
        "task_id": {"S": "0" * 32},
        "labourer_id": {"S": "worker"},
        "created_at": {hostile.choice("N", "N", "N", "S"): hostile.choice("1795431000.5", "9.9e125", "-1")},
        "greenfield": {hostile.choice("N", "N", "N", "S"): hostile.choice("1000", "1e125", "0.5", "-1")},
        "attempts": {"N": hostile.choice("0", "3", "0.5", "9" * 38)},
        "payload": {hostile.choice("S", "S", "S", "M"): hostile.choice(hostile.text(), '{"a": 1}')},
    }
    for name in list(item):
        if hostile.choice(*[False] * 8, True):
            del item[name]
    row = enter(partial(row_of, item))
    if not row.fault:
        enter(partial(json.dumps, event_of(row)))
    assert is_utf8(row.fault)
    assert len(row.fault) < 1000


@seeds
@many
def test_a_queue_file(seed: int) -> None:
    """Of sosw's Scheduler, or whatever lies under its name."""
    hostile = Hostile(seed)
    lines = [b'{"labourer_id": "worker", "a": 1}', hostile.bytes().replace(b"\n", b" ")]
    lines.append(b'{"labourer_id": "worker", ' + hostile.text().encode("utf-8", "surrogatepass")[1:])
    enter(partial(drained, b"\n".join(lines[hostile.choice(0, 1) :])))


def drained(content: bytes) -> None:
    """What the drain does with a claimed file, up to the lines of its own queue file."""
    stored = StoredFile(content)
    file = LeftFile(stored, stored, "bucket", "tasks.txt")
    labourer_id = file.labourer_id()
    request = DrainRequest(SimpleNamespace(labourer_id=labourer_id), file, MONDAY)  # type: ignore[arg-type]
    codec = LineCodec(str(labourer_id))
    for block in request.blocks(codec):
        for line in block.lines():
            codec.payload(line).encode("ascii")


class StoredFile:
    """S3 with one object."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def head_object(self, **_: Any) -> dict[str, Any]:
        """The object exists."""
        return {"Metadata": {}}

    def get_object(self, **_: Any) -> dict[str, Any]:
        """The whole object."""
        body = SimpleNamespace(read=lambda: self._content, close=lambda: None)
        return {"Body": body, "Metadata": {}}


@seeds
@many
def test_a_header_of_a_job_record(seed: int) -> None:
    """As DynamoDB gives it, damaged."""
    hostile = Hostile(seed)
    whole = Header(**{name: _example(kind) for name, kind in Header.__annotations__.items()}).item()
    for name in list(whole):
        damage = hostile.choice(*["none"] * 12, "gone", "text", "number")
        if damage == "gone":
            del whole[name]
        elif damage != "none":
            whole[name] = (
                {"S": hostile.text()} if damage == "text" else {"N": hostile.choice("1e5", "-1", "9" * 38, "0.5")}
            )
    whole["outline"] = {"S": hostile.text()}
    header = enter(partial(Header.of, whole))
    if header is not None:
        enter(header.outline_parts)


def _example(kind: str) -> Any:
    from sosw_airflow.stores.job_record import JobState

    return JobState.PLANNED if "JobState" in kind else 1 if kind == "int" else "2026-01-01"


@seeds
@many
def test_a_closed_row(seed: int) -> None:
    """Its payload is JSON, the text of a Python object, or anything else."""
    hostile = Hostile(seed)
    payload = hostile.choice(
        hostile.text(), repr(hostile.document(json_only=True)), "{[]: 1}", "{'a': {1, 2}}", "-" * 1000
    )
    item = {
        **item_of(hostile, {name: {"S": "x"} for name in ("error_type", "error_message", "closed_reason", "result")}),
        "task_id": {"S": "0" * 32},
        "labourer_id_task_status": {"S": hostile.text()},
        "attempts": {"N": hostile.choice("1", "1e125", "0.5", "-1")},
        "payload": {hostile.choice("S", "S", "S", "M", "B"): payload},
    }
    if hostile.choice(True, False):
        del item[hostile.choice("attempts", "payload", "labourer_id_task_status")]
    row = enter(partial(_closed_task, item))
    str(row).encode("utf-8", "strict")
