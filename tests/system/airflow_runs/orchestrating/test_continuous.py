"""`SoswOrchestrateOperator` in a DAG that runs without end: twenty labourers, in one triggerer.

Two minutes; `SOSW_TEST_CONTINUOUS_SECONDS=600` for longer.
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psutil
import pytest

from tests.support.emulators.emulator import Emulator
from tests.system.airflow_runs.conftest import connections
from tests.system.airflow_runs.waiting.deployment import TRIGGERER, AirflowThatWaits
from tests.system.airflow_runs.waiting.stalls import RunQueue, blocked_by_itself

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("SOSW_TEST_CONTINUOUS_SECONDS", "120"))
LABOURERS = [f"continuous_{number}" for number in range(20)]

#: Of a new task for one of the labourers, and between two readings of the memory.
EVERY, SAMPLE_EVERY = 0.5, 5.0

DAG = f"""
from datetime import datetime, timedelta, timezone

from airflow import DAG

from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator

with DAG(
    dag_id="orchestrate",
    schedule="@continuous",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    catchup=False,
):
    SoswOrchestrateOperator(
        task_id="schedule", labourers={LABOURERS!r}, until=timedelta(seconds={SECONDS / 3}), deferrable=True
    )
"""


@pytest.fixture
def continuous(tmp_path_factory: pytest.TempPathFactory, aws: Emulator) -> Iterator[AirflowThatWaits]:
    """An Airflow whose only DAG runs again whenever it has ended."""
    home = tmp_path_factory.mktemp("airflow_without_end")
    settings = {"arn": "quick", "invocation": "request", "max_simultaneous_invocations": 3}
    environment = {
        **connections({"default": aws.endpoint_url}),
        "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps(dict.fromkeys(LABOURERS, settings)),
    }
    with AirflowThatWaits(home, dags={"orchestrate.py": DAG}, environment=environment, parallelism=2) as running:
        yield running


@contextmanager
def tasks_arrive(aws: Emulator) -> Iterator[list[str]]:
    """Put a task into the queue of one labourer after the other; inside, the list grows."""
    put: list[str] = []
    stop, dynamodb = threading.Event(), aws.client("dynamodb", retries=True)

    def work() -> None:
        for number in count():
            if stop.wait(EVERY):
                return
            task_id = f"{number:032x}"
            item = {
                "task_id": {"S": task_id},
                "labourer_id": {"S": LABOURERS[number % len(LABOURERS)]},
                "greenfield": {"N": str(1000 * (number + 1))},
                "attempts": {"N": "0"},
                "created_at": {"N": str(time.time())},
                "payload": {"S": "{}"},
            }
            dynamodb.put_item(TableName="sosw_tasks", Item=item)
            put.append(task_id)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield put
    finally:
        stop.set()
        thread.join()


@pytest.mark.timeout(SECONDS + 900)
def test_twenty_labourers(continuous: AirflowThatWaits, aws: Emulator) -> None:
    """Every task is done, one run follows the other, the event loop is never blocked, and memory does not grow."""
    continuous.in_state("orchestrate", "deferred")
    memory: list[float] = []
    with tasks_arrive(aws) as put:
        continuous.wait_until(lambda: closed(aws) >= 20, "the first tasks are done", lambda: closed(aws))
        log, end = len(continuous.triggerer_log()), time.monotonic() + SECONDS
        with RunQueue.of(continuous.triggerer_pid()) as queue:
            while time.monotonic() < end:
                time.sleep(SAMPLE_EVERY)
                memory.append(megabytes(continuous))
    continuous.wait_until(lambda: closed(aws) >= len(put), "all tasks are done", lambda: (closed(aws), len(put)))
    blocked = blocked_by_itself(continuous.triggerer_log()[log:], queue, most=0.2)
    third = len(memory) // 3
    first, last = statistics.median(memory[:third]), statistics.median(memory[-third:])
    runs = continuous.runs("orchestrate")
    print(
        f"{len(put)} tasks, {len(runs)} runs in {SECONDS:.0f} s; triggerer {first:.0f} MB, later {last:.0f} MB; "
        f"waited for a processor {queue.share():.0%} of the time; blocked: {blocked}"
    )
    assert len(runs) >= 3
    assert blocked == []
    assert last < first * 1.05


def closed(aws: Emulator) -> int:
    """Tasks of these labourers that are completed."""
    pages = aws.client("dynamodb", retries=True).get_paginator("scan").paginate(TableName="sosw_closed_tasks")
    ends = {f"{labourer}_1" for labourer in LABOURERS}
    return sum(row["labourer_id_task_status"]["S"] in ends for page in pages for row in page["Items"])


def megabytes(airflow: AirflowThatWaits) -> float:
    """Of the triggerer's processes, what they share counted once."""
    root = psutil.Process(airflow._processes[TRIGGERER].pid)
    return sum(each.memory_full_info().uss for each in root.children(recursive=True)) / 2**20
