"""What the real Orchestrator, WorkerAssistant and Scavenger of sosw leave behind is counted and repaired."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sosw_airflow.scheduling.repair import repair
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.waiting.progress import JobProgress, ProgressReader
from sosw_airflow.waiting.results import read_results
from tests.conftest import Aws
from tests.integration.conftest import Installation, MakeInstallation, request_for
from tests.support.upstream.components import Upstream, upstream

JOB: dict[str, Any] = {
    "sections": ["a", "b", "c", "d"],
    "isolate_sections": True,
    "values": ["ü\u2028\"'\\", 1.5, 1e-9, 2**63, None, True, [], {"nested": {"x": [1]}}],
}


@pytest.fixture
def sosw(aws: Aws) -> Iterator[Upstream]:
    """sosw's components, on the account where we schedule."""
    with upstream(aws) as components:
        yield components


def standing(installation: Installation, job_id: str) -> JobProgress:
    """As a new watch sees it."""
    deployment: Deployment = installation.deployment
    return ProgressReader(deployment.dynamodb, deployment.tables, job_id).read()


def let_die(sosw: Upstream, task_id: str, labourer: str = "worker") -> None:
    """Let a task that was invoked fail until it is archived dead."""
    for attempt in (1, 2, 3):
        sosw.expire(task_id)
        sosw.scavenger({})
        if attempt < 3:
            sosw.end_delay(labourer, task_id)
            sosw.scavenger({})
            sosw.orchestrator({})


def test_results_that_the_real_sosw_keeps(make_installation: MakeInstallation, sosw: Upstream) -> None:
    """Its assistant stores what a `Worker` reports, its Scavenger keeps that; the error of a dead task is unknown."""
    installation = make_installation(now=time.time)
    job_id = installation.scheduler().schedule(request_for(JOB)).header.job_id
    sosw.orchestrator({})
    *completing, dying = sorted(payload["task_id"] for _, payload in sosw.invocations)
    for number, task in enumerate(completing):
        report = {"result": {"rows": number, "place": "a"}, "stats": {"seconds": 1}}
        sosw.worker_assistant({"action": "mark_task_as_completed", "task_id": task, **report})
    sosw.scavenger({})
    let_die(sosw, dying)
    deployment: Deployment = installation.deployment
    *completed, dead = read_results(deployment.dynamodb, deployment.tables, job_id)
    assert [each.result for each in completed] == [{"rows": number, "place": "a"} for number in range(3)]
    assert [(each.state.value, each.stats, each.attempts) for each in completed] == [
        ("completed", {"seconds": 1}, 1)
    ] * 3
    assert all(abs((each.invoked_at or 0) - time.time()) < 600 for each in completed)
    assert all(each.payload == {**JOB, "sections": [name]} for each, name in zip(completed, "abc", strict=True))
    assert (dead.state.value, dead.error, dead.attempts) == ("failed", "", 3)


def test_completed_and_dead_tasks_of_the_real_sosw(make_installation: MakeInstallation, sosw: Upstream) -> None:
    """Three complete, one dies; that one is repaired with the payload that it had, and completes."""
    installation = make_installation(now=time.time)
    scheduled = installation.scheduler().schedule(request_for(JOB))
    job_id = scheduled.header.job_id
    sosw.orchestrator({})
    invoked = {payload["task_id"]: payload for _, payload in sosw.invocations}
    dying, *completing = sorted(invoked)
    for task in completing:
        sosw.complete(task)
    sosw.scavenger({})
    halfway = standing(installation, job_id)
    let_die(sosw, dying)
    ended = standing(installation, job_id)

    repaired = repair(installation.scheduler(), job_id)
    (payload,) = installation.payloads()
    sosw.orchestrator({})
    sosw.complete(sosw.invocations[-1][1]["task_id"])
    sosw.scavenger({})
    after = standing(installation, repaired.header.job_id)

    own = {"task_id", "labourer_id", "created_at", "greenfield", "attempts"}
    assert (halfway.completed, halfway.failed, halfway.over) == (3, 0, False)
    assert (ended.completed, ended.failed, ended.over) == (3, 1, True)
    assert json.loads(payload) == {name: value for name, value in invoked[dying].items() if name not in own}
    assert (after.total, after.completed, after.over) == (1, 1, True)
