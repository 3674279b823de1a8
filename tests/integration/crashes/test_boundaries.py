"""A crash before and after each remote call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.crashes.worker import Attempt, started, until_success
from tests.support.emulators.emulator import Emulator
from tests.support.faults.census import assert_exactly_once
from tests.support.faults.faults import Kill
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import anything, nth, on

TASKS = 120  # two pages


@pytest.mark.slow
def test_a_crash_at_any_remote_call_is_mended_by_a_retry(
    sosw: Emulator, proxy: FaultProxy, dynamodb: Any, queue_files: Callable[[], dict[str, str]]
) -> None:
    """Killed at each request, once before it is applied and once after: a retry completes the job, nothing is left."""
    until_success(Attempt(proxy.url, TASKS, run_id="clean"))
    requests = len(proxy.journal.entries)
    assert requests > 8
    for number in range(1, requests + 1):
        for applied in (False, True):
            attempt = Attempt(proxy.url, TASKS, run_id=f"crash-{number}-{applied}")
            proxy.clear()
            with started(attempt) as worker:
                proxy.add(anything(), Kill(worker.pid, applied), when=nth(number))
                # Pages are sent side by side, so that a run may end before it comes to the last number.
                crashed = worker.outcome() is None
            assert crashed or number > requests - 4
            proxy.clear()
            proxy.wait_idle()
            summary = until_success(attempt)
            assert summary["tasks"] == TASKS
            assert_exactly_once(dynamodb, attempt.job_id, TASKS)
            assert queue_files() == {}


@pytest.mark.slow
def test_after_a_crash_the_locked_queue_file_holds_the_whole_plan(
    proxy: FaultProxy, queue_files: Callable[[], dict[str, str]]
) -> None:
    """It has its locked name alone, and each line is what upstream reads from it."""
    attempt = Attempt(proxy.url, TASKS)
    with started(attempt) as worker:
        proxy.add(on("TransactWriteItems"), Kill(worker.pid, applied=True))
        assert worker.outcome() is None

    (key, text), *others = queue_files().items()
    assert not others
    assert key.startswith(f"sosw/scheduler/locked_tasks_queue_{attempt.job_id}_")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["words"] for row in rows] == [[f"word-{number}"] for number in range(TASKS)]
    assert {row["labourer_id"] for row in rows} == {attempt.labourer}


@pytest.mark.slow
def test_a_retry_after_success_touches_neither_s3_nor_the_rows(proxy: FaultProxy) -> None:
    """It reads the header of the job record, and beside it what a new job needs to know. It writes nothing."""
    attempt = Attempt(proxy.url, TASKS)
    first = until_success(attempt)
    proxy.journal.clear()

    assert until_success(attempt) == first
    assert sorted((entry.operation, *entry.tables) for entry in proxy.journal.entries) == [
        ("DescribeTable", "sosw_jobs"),
        ("DescribeTable", "sosw_tasks"),
        ("GetItem", "sosw_jobs"),
        ("Query", "sosw_tasks"),
    ]
