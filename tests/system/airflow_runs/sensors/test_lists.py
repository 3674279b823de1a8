"""Outputs of mapped Airflow tasks as lists of a job, and as the jobs that a sensor waits for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.system.airflow_runs.queue import Queue
from tests.system.airflow_runs.waiting.closing import Closer
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

pytestmark = pytest.mark.slow

WORDS = ["word_0", "word_1", "word_2"]


@pytest.mark.parametrize(
    ("task_id", "words"),
    [
        ("plain", WORDS),
        ("mapped", ["WORD_0", "WORD_1", "WORD_2"]),
        ("zipped", [f"{word}-{word}" for word in WORDS]),
        ("joined", [*WORDS, "WORD_0", "WORD_1", "WORD_2"]),
        ("generated", ["WORD_0", "WORD_1", "WORD_2"]),
    ],
)
def test_the_output_of_a_mapped_task_as_a_list(
    task_id: str, words: list[str], airflow: AirflowThatWaits, queue: Queue
) -> None:
    """Each of its values is a task."""
    airflow.in_state("lists", "success", task_id=task_id)
    payloads = queue.payloads(str(airflow.result("lists", task_id)["job_id"]))
    assert [payload["words"] for payload in payloads] == [[word] for word in words]


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_a_sensor_waits_for_all_jobs_of_a_mapped_task(
    mode: str, airflow: AirflowThatWaits, closer: Closer, queue: Queue
) -> None:
    """It reports every one."""
    airflow.in_state("lists", "success", task_id="several")
    airflow.wait_until(
        lambda: [ti.state for ti in airflow.instances("lists", "several")] == ["success"] * 3, "the jobs are scheduled"
    )
    summaries = [_decoded(value) for value in airflow.values("lists", "several")]
    airflow.in_state("lists", "running", "deferred", "success", task_id=f"all_{mode}")
    for summary in summaries:
        closer.close(summary["job_id"])
    airflow.in_state("lists", "success", task_id=f"all_{mode}")
    (reports,) = [_decoded(value) for value in airflow.values("lists", f"all_{mode}")]
    assert [(each["job_id"], each["completed"]) for each in reports] == [(each["job_id"], 1) for each in summaries]


def _decoded(value: Any) -> Any:
    while isinstance(value, (str, bytes)):
        value = json.loads(value)
    return value
