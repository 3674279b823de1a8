"""`SoswDrainQueueOperator`: a queue file that sosw's Scheduler has left becomes rows, once."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from sosw_airflow import exceptions as errors
from sosw_airflow.operators.sosw import SoswDrainQueueOperator
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.integration.operators.test_schedule import payloads
from tests.support.network_edge import Crash
from tests.support.upstream.scheduler import upstream_lines

NAME = "tasks_queue_0a1b2c.txt"
KEY = f"sosw/scheduler/{NAME}"
LOCKED = f"sosw/scheduler/locked_{NAME}"
JOB = {
    "lambda_name": LABOURER,
    "topics": {"cars": {"words": ["ü\u2028", "b", "c"]}},
    "isolate_words": True,
    "payload": {"merged": [1, 2.5]},
    "nothing": None,
}


def left(aws: Aws, lines: list[str] | None = None, *, key: str = KEY) -> list[str]:
    """Put the file there that sosw's own Scheduler makes of the job; gives its lines."""
    if lines is None:
        lines = upstream_lines(JOB, {"chunkable_attrs": ["topic", "word"]}, date(2026, 3, 2))
    aws.s3.put_object(Bucket=aws.bucket, Key=key, Body="".join(f"{line}\r\n" for line in lines).encode())
    return lines


def draining(**arguments: Any) -> SoswDrainQueueOperator:
    """An operator that drains."""
    return SoswDrainQueueOperator(**{"task_id": "drain", "queue_file": NAME, **arguments})


@pytest.mark.parametrize("given", [NAME, f"locked_{NAME}", KEY, f"s3://sosw-queue/{KEY}"])
def test_each_line_is_a_task(installation: Aws, context: MakeContext, given: str) -> None:
    """With the payload that sosw's Scheduler would have given it, and the file is gone."""
    left(installation)

    summary = draining(queue_file=given).execute(context())

    assert payloads(installation) == [
        {"isolate_words": True, "merged": [1, 2.5], "nothing": None, "topics": ["cars"], "words": [word]}
        for word in ("ü\u2028", "b", "c")
    ]
    assert (summary["labourer"], summary["tasks"], installation.queue_files()) == (LABOURER, 3, {})


def test_a_retry_finds_it_done(installation: Aws, context: MakeContext) -> None:
    """Though the file is gone."""
    left(installation)
    first = draining().execute(context(max_tries=1))

    assert (draining().execute(context(try_number=2, max_tries=1)), len(installation.rows())) == (first, 3)


@pytest.mark.parametrize("operation", ["CopyObject", "DeleteObject", "PutObject", "PutItem", "TransactWriteItems"])
def test_a_crash_anywhere(
    installation: Aws, context: MakeContext, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it, a retry brings each task once."""
    import botocore.client

    left(installation)
    call = botocore.client.BaseClient._make_api_call

    dead = False

    def dying(self: Any, name: str, arguments: Any) -> Any:
        nonlocal dead
        dead = dead or name == operation
        if dead:  # a dead process does nothing more, whatever would clean up
            raise Crash
        return call(self, name, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", dying)
        with pytest.raises(Crash):
            draining().execute(context(max_tries=1))
    draining().execute(context(try_number=2, max_tries=1))

    assert (len(installation.rows()), installation.queue_files()) == (3, {})


def test_a_locked_file_is_left_alone(installation: Aws, context: MakeContext) -> None:
    """Somebody may still work on it."""
    left(installation, key=LOCKED)

    with pytest.raises(errors.QueueFileLocked, match="take_locked=True"):
        draining().execute(context())
    assert (installation.rows(), list(installation.queue_files())) == ([], [LOCKED])


def test_a_locked_file_can_be_taken(installation: Aws, context: MakeContext, caplog: pytest.LogCaptureFixture) -> None:
    """The log says plainly what cannot be known."""
    left(installation, key=LOCKED)

    draining(take_locked=True).execute(context())

    assert (len(installation.rows()), installation.queue_files()) == (3, {})
    assert "Which of its tasks are in the queue already cannot be known" in caplog.text


def test_a_file_that_is_not_there(installation: Aws, context: MakeContext) -> None:
    """Neither locked nor unlocked."""
    with pytest.raises(errors.MissingQueueFile, match=f"s3://sosw-queue/{KEY}, and no locked one"):
        draining().execute(context())


def test_lines_that_are_no_tasks(installation: Aws, context: MakeContext) -> None:
    """All of them are named; nothing is written, and the file stays as it is."""
    good = json.dumps({"labourer_id": LABOURER, "q": 1})
    left(installation, [good, "{", "", "[1]", json.dumps({"labourer_id": "another"}), good])

    with pytest.raises(errors.InvalidQueueFile) as refused:
        draining().execute(context())

    assert [fault.path for fault in refused.value.faults] == ["line 2", "line 4", "line 5"]
    assert (installation.rows(), list(installation.queue_files())) == ([], [KEY])


def test_a_labourer_that_is_not_registered(installation: Aws, context: MakeContext) -> None:
    """Its tasks would never be invoked, so the file is not even claimed."""
    left(installation, [json.dumps({"labourer_id": "stranger", "q": 1})])

    with pytest.raises(errors.UnknownLabourer):
        draining().execute(context())
    assert list(installation.queue_files()) == [KEY]


def test_an_empty_file(installation: Aws, context: MakeContext) -> None:
    """Has no task."""
    left(installation, [])

    with pytest.raises(errors.InvalidQueueFile, match="the file has no task"):
        draining().execute(context())


@pytest.mark.parametrize("given", [5, None, ["tasks.txt"], b"tasks.txt"])
def test_a_queue_file_that_is_no_text(installation: Aws, context: MakeContext, given: Any) -> None:
    """As a template that renders objects may give it."""
    with pytest.raises(errors.InvalidConfiguration, match="queue_file: must be a name, a key or s3://bucket/key, not"):
        draining(queue_file=given).execute(context())
