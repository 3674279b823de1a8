"""Rows that another program has changed: each command ends with a message of its own, or works on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from sosw_airflow.cli import main
from sosw_airflow.jobs.identity import command_identity
from sosw_airflow.stores.file_claims import _key
from tests.conftest import BUCKET, Aws
from tests.integration.cli.conftest import Configure
from tests.integration.orchestration.conftest import Lambda

pytestmark = pytest.mark.slow

FILE = "tasks_queue_left.txt"
JOB_ID = command_identity("schedule", "first", "worker").job_id
CLAIM = _key(f"s3://{BUCKET}/sosw/scheduler/{FILE}")["job_id"]["S"]
COMMANDS = (
    "schedule job.json --labourer worker --id first",
    "jobs",
    f"status {JOB_ID}",
    f"repair {JOB_ID} --leave-unfinished",
    f"drain {FILE}",
    "doctor",
    "orchestrate worker --once",
    f"cancel {JOB_ID}",
)

#: Table and attributes. One letter stands for the type of DynamoDB, as in its own notation.
ROWS: dict[str, tuple[str, dict[str, tuple[str, Any]]]] = {
    "a number of a header is a text": (
        "sosw_jobs",
        {"job_id": ("S", "a" * 20), "record": ("S", "header"), "state": ("S", "planned"), "tasks": ("S", "x")},
    ),
    "a header without attributes": ("sosw_jobs", {"job_id": ("S", "a" * 20), "record": ("S", "header")}),
    "a marker of no page": ("sosw_jobs", {"job_id": ("S", JOB_ID), "record": ("S", "page#xx")}),
    "a claim without an owner": ("sosw_jobs", {"job_id": ("S", CLAIM), "record": ("S", "claim")}),
    "a lease of texts": (
        "sosw_jobs",
        {
            "job_id": ("S", "orchestrator#worker"),
            "record": ("S", "lease"),
            "fence": ("S", "x"),
            "beat": ("S", "y"),
            "owner": ("N", "4"),
        },
    ),
    "a task that was created at a text": (
        "sosw_tasks",
        {
            "task_id": ("S", "f" * 32),
            "labourer_id": ("S", "worker"),
            "greenfield": ("N", "5"),
            "created_at": ("S", "x"),
            "attempts": ("N", "0"),
            "payload": ("S", "{}"),
        },
    ),
    "a task without attributes": (
        "sosw_tasks",
        {"task_id": ("S", "x"), "labourer_id": ("S", "worker"), "greenfield": ("N", "5")},
    ),
    "a task whose payload is a map": (
        "sosw_tasks",
        {
            "task_id": ("S", "g" * 32),
            "labourer_id": ("S", "worker"),
            "greenfield": ("N", "5.5"),
            "attempts": ("S", "0"),
            "payload": ("M", {}),
        },
    ),
    "an invoked task that completed at a text": (
        "sosw_tasks",
        {
            "task_id": ("S", "h" * 32),
            "labourer_id": ("S", "worker"),
            "greenfield": ("N", "1826000000"),
            "attempts": ("S", "q"),
            "completed_at": ("S", "x"),
        },
    ),
    "a retry without attributes": (
        "sosw_retry_tasks",
        {"labourer_id": ("S", "worker"), "task_id": ("S", "h" * 32), "desired_launch_time": ("N", "5")},
    ),
    "a closed task of a foreign id": (
        "sosw_closed_tasks",
        {
            "task_id": ("S", f"{JOB_ID}zz"),
            "labourer_id_task_status": ("S", "worker_0"),
            "closed_at": ("N", "1990000000.5"),
            "attempts": ("S", "x"),
            "payload": ("N", "4"),
        },
    ),
    "a failed task whose attributes have other types": (
        "sosw_closed_tasks",
        {
            "task_id": ("S", f"{JOB_ID}000000000000"),
            "labourer_id_task_status": ("S", "worker_0"),
            "closed_at": ("N", "1990000000.5"),
            "attempts": ("S", "x"),
            "payload": ("N", "4"),
            "result_error": ("N", "3"),
        },
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_each_command_ends_in_its_own_way(
    row: str,
    aws: Aws,
    configure: Configure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With one of its exit codes, and with a fix if it refuses."""
    monkeypatch.chdir(tmp_path)
    configure(
        labourers='{"worker": {"invocation": "request", "max_simultaneous_invocations": 2, "expiry": 60}}',
        schemas='{"default": {"chunkable_attrs": ["word"]}}',
    )
    (tmp_path / "job.json").write_text('{"words": ["a", "b"], "isolate_words": true}')
    line = json.dumps({"labourer_id": "worker", "words": ["b"]})
    aws.s3.put_object(Bucket=BUCKET, Key=f"sosw/scheduler/{FILE}", Body=line.encode())
    assert main(COMMANDS[0].split()) == 0
    table, attributes = ROWS[row]
    item = {name: {kind: value} for name, (kind, value) in attributes.items()}
    boto3.client("dynamodb").put_item(TableName=table, Item=item)
    for command in COMMANDS:
        if command.startswith("orchestrate"):
            Lambda(reply=lambda event: (200, "", b'"done"')).answer_all(monkeypatch)
        capsys.readouterr()
        code = main(command.split())
        said = capsys.readouterr()
        assert code in (0, 1, 3), command
        assert code != 1 or "Fix: " in said.err + said.out, (command, said.err)
