"""Several writers at once: copies of one generation, and different runs for one labourer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.crashes.worker import Attempt, Worker
from tests.support.faults.census import assert_exactly_once
from tests.support.faults.proxy import FaultProxy

TASKS = 700


def queue(dynamodb: Any, attempt: Attempt) -> list[str]:
    """The ids of the attempt's tasks, in the order in which the Orchestrator takes them."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName="sosw_tasks",
        IndexName="sosw_tasks_greenfield",
        KeyConditionExpression="labourer_id = :labourer",
        ExpressionAttributeValues={":labourer": {"S": attempt.labourer}},
    )
    ids = [item["task_id"]["S"] for page in pages for item in page["Items"]]
    return [each for each in ids if each.startswith(attempt.job_id)]


@pytest.mark.slow
def test_two_copies_of_one_generation_make_one_set_of_rows(proxy: FaultProxy, dynamodb: Any, queue_files: Any) -> None:
    """Started together, both report the same summary, and nothing is left behind."""
    for number in range(5):
        attempt = Attempt(proxy.url, TASKS, run_id=f"run-{number}")
        first, second = [worker.outcome() for worker in (Worker(attempt), Worker(attempt))]

        assert isinstance(first, dict)
        assert first == second
        assert_exactly_once(dynamodb, attempt.job_id, TASKS)
        assert queue_files() == {}


@pytest.mark.slow
def test_two_runs_for_one_labourer_at_the_same_time(proxy: FaultProxy, dynamodb: Any) -> None:
    """Both complete, and the tasks of each are invoked in its own order."""
    attempts = [Attempt(proxy.url, TASKS, run_id=run) for run in ("monday", "tuesday")]
    summaries = [worker.outcome() for worker in [Worker(attempt) for attempt in attempts]]

    for attempt, summary in zip(attempts, summaries, strict=True):
        assert isinstance(summary, dict)
        assert queue(dynamodb, attempt) == [f"{attempt.job_id}{index:012x}" for index in range(TASKS)]
