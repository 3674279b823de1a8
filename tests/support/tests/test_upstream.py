"""The harness itself: the real sosw expands, schedules, invokes, completes, retries and archives, on our tables."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Aws
from tests.support.upstream.components import Upstream, upstream
from tests.support.upstream.scheduler import plural_first, singular_first, upstream_lines, upstream_rows

TODAY = dt.date(2026, 11, 23)
SCHEMA = {"chunkable_attrs": ["section", "store", "product"]}
ONE_LEVEL = {"chunkable_attrs": ["section"]}
JOB = {"sections": {"a": {"stores": {"x": None, "y": None}}, "b": None}, "isolate_stores": True}


@pytest.fixture
def sosw(aws: Aws) -> Any:
    """sosw's components on an account with our tables."""
    with upstream(aws) as components:
        yield components


def test_rows_are_those_of_the_queue_file() -> None:
    """The harness gives what sosw would write, with the labourer last."""
    assert upstream_rows(JOB, SCHEMA, TODAY) == [
        {"isolate_stores": True, "sections": ["a"], "stores": ["x"], "labourer_id": "worker"},
        {"isolate_stores": True, "sections": ["a"], "stores": ["y"], "labourer_id": "worker"},
        {"isolate_stores": True, "sections": ["b"], "labourer_id": "worker"},
    ]


def test_lines_are_json_text() -> None:
    """Order of keys and spelling of values are kept, to compare them as text."""
    assert upstream_lines({"b": "é", "a": 1}, SCHEMA, TODAY) == ['{"labourer_id": "worker", "b": "\\u00e9", "a": 1}']


def test_today_is_given() -> None:
    """Periods are resolved against the date that is given, not against the clock."""
    job = {**JOB, "period": "last_2_days"}
    assert upstream_rows(job, SCHEMA, TODAY)[0]["date_list"] == ["2026-11-21", "2026-11-22"]


def test_the_labourer_is_the_jobs() -> None:
    """`lambda_name` in the job is used, as a name or an ARN, and an event may wrap the job."""
    arn = "arn:aws:lambda:us-west-2:000000000000:function:other"
    assert upstream_rows({"job": json.dumps({"lambda_name": arn})}, SCHEMA, TODAY) == [{"labourer_id": "other"}]


def test_the_order_of_spellings_can_be_fixed() -> None:
    """What depends on the hash seed in sosw can be shown both ways."""
    job = {"section": ["a"], "sections": ["b"], "isolate_sections": True}
    found = {
        order.__name__: [row["sections"] for row in upstream_rows(job, ONE_LEVEL, TODAY, spellings=order)]
        for order in (plural_first, singular_first)
    }
    assert found == {"plural_first": [["b"], ["a"]], "singular_first": [["a"], ["b"]]}


def test_the_given_job_is_not_changed() -> None:
    """sosw pops from the job that it is given; the harness gives it a copy."""
    job = {**JOB, "lambda_name": "worker"}
    upstream_rows(job, SCHEMA, TODAY)
    assert job == {**JOB, "lambda_name": "worker"}


def test_errors_of_sosw_come_through_and_leave_nothing_behind() -> None:
    """After a failure the module has its own `open` and `datetime` again."""
    from sosw import scheduler

    with pytest.raises(ValueError, match="Unsupported period"):
        upstream_rows({**JOB, "period": "nonsense"}, SCHEMA, TODAY)
    assert (hasattr(scheduler, "open"), scheduler.datetime) == (False, dt)


def test_importing_it_leaves_logging_alone() -> None:
    """sosw sets the root logger to INFO at import; with the harness it stays as it was."""
    code = (
        "import logging; before = logging.getLogger().level, list(logging.getLogger().handlers);"
        "import tests.support.upstream.components, tests.support.upstream.scheduler;"
        "print(before == (logging.getLogger().level, list(logging.getLogger().handlers)))"
    )
    root = str(Path(__file__).parents[3])
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root, env={**os.environ}
    )
    assert (result.stdout, result.stderr) == ("True\n", "")


def test_it_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of expansions write no log."""
    with caplog.at_level(logging.DEBUG):
        upstream_rows(JOB, SCHEMA, TODAY)
    assert caplog.records == []


def test_a_task_goes_all_the_way(aws: Aws, sosw: Upstream) -> None:
    """On the tables of `create_missing_tables` sosw schedules, invokes, completes and archives its own tasks."""
    sosw.schedule(JOB)
    sosw.orchestrator({})
    assert [(labourer, payload["sections"], payload.get("stores")) for labourer, payload in sosw.invocations] == [
        ("worker", ["a"], ["x"]),
        ("worker", ["a"], ["y"]),
        ("worker", ["b"], None),
    ]
    for _, payload in sosw.invocations:
        sosw.complete(payload["task_id"])
    sosw.scavenger({})
    assert aws.rows() == []
    closed = aws.rows(aws.names.closed_tasks_table)
    assert [row["labourer_id_task_status"]["S"] for row in closed] == ["worker_1"] * 3


def test_the_audit_table_has_every_step(aws: Aws, sosw: Upstream) -> None:
    """Where the meta table exists, sosw writes a row for each step of a task."""
    sosw.schedule({"x": 1})
    sosw.orchestrator({})
    sosw.complete(sosw.invocations[0][1]["task_id"])
    sosw.scavenger({})
    rows = sorted(aws.rows(aws.names.meta_table), key=lambda row: float(row["created_at"]["N"]))
    assert [row["action"]["S"] for row in rows] == ["created", "invoked", "marked_as_completed", "archived"]


def test_an_expired_task_is_retried_at_the_head_of_the_queue(aws: Aws, sosw: Upstream) -> None:
    """It waits in the retry table, comes back before the others, and is dead after three attempts."""
    sosw.schedule({"x": 1})
    for attempt in (1, 2, 3):
        sosw.orchestrator({})
        task_id = sosw.invocations[-1][1]["task_id"]
        assert [row["attempts"]["N"] for row in aws.rows()] == [str(attempt)]
        sosw.expire(task_id)
        sosw.scavenger({})
        if attempt < 3:
            assert (len(aws.rows()), len(aws.rows(aws.names.retry_tasks_table))) == (0, 1)
            sosw.end_delay("worker", task_id)
            sosw.scavenger({})
    assert [row["labourer_id_task_status"]["S"] for row in aws.rows(aws.names.closed_tasks_table)] == ["worker_0"]
    assert [task_id in message for message in sosw.messages] == [True]


def test_the_task_manager_can_be_used_alone(aws: Aws, sosw: Upstream) -> None:
    """`create_task` writes a row as sosw's Scheduler would, 1000 behind the newest."""
    manager = sosw.task_manager
    for _ in range(2):
        manager.create_task(labourer=manager.get_labourer("worker"), x=1)
    assert sorted(int(row["greenfield"]["N"]) for row in aws.rows()) == [2000, 3000]


def test_a_queue_file_can_be_drained(aws: Aws, sosw: Upstream) -> None:
    """A file that lies unlocked under sosw's prefix becomes rows, and is gone afterwards."""
    body = '{"labourer_id": "worker", "x": 1}\n{"labourer_id": "worker", "x": 2}\n'
    name = f"tasks_queue_{time.time_ns()}.txt"
    aws.s3.put_object(Bucket=aws.bucket, Key=f"sosw/scheduler/{name}", Body=body.encode())
    sosw.drain(name)
    assert sorted(row["payload"]["S"] for row in aws.rows()) == ['{"x": 1}', '{"x": 2}']
    assert aws.queue_files() == {}
