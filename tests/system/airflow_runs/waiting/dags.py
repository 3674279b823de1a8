"""The DAGs of the Airflow that waits. Each has one run, which begins as soon as the scheduler does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.system.airflow_runs.dag_files import FIRST
from tests.system.airflow_runs.versions import start_date
from tests.system.airflow_runs.waiting.running_sosw import WORKED_ON

#: The labourer whose tasks are closed by the tests.
BY_HAND = "closed_by_hand"

#: Where results are written.
RESULTS = "s3://sosw-queue/results/"

#: Longer than Airflow itself takes from one trigger to the next, which is 3 to 13 s.
HOPPING_INTERVAL = timedelta(seconds=20)

_TEMPLATE = '''"""Written by a test."""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor

DAY = datetime.fromisoformat({day!r}).replace(tzinfo=timezone.utc)

with DAG(dag_id={dag_id!r}, schedule="@daily", start_date=DAY, end_date=DAY, catchup=True):
    schedule = SoswScheduleOperator(task_id="schedule", {arguments})
    {more}
'''

#: Two tasks of these never complete.
MIXED = [*(f"good_{number}" for number in range(18)), "bad_0", "bad_1"]
EIGHT = [f"word_{number}" for number in range(8)]
THOUSAND = [f"word_{number}" for number in range(1000)]

#: DAG id → text.
DAGS: dict[str, str] = {}

_DEFERRED: dict[str, Any] = {"wait_for_completion": True, "deferrable": True}
_WAITING: dict[str, Any] = {"wait_for_completion": True, "deferrable": False}


def _add(dag_id: str, words: list[str], labourer: str, more: str = "", **arguments: Any) -> None:
    given = {
        "labourer": labourer,
        "job_schema": {"chunkable_attrs": ["word"]},
        "job": {"words": words, "isolate_words": True},
        "poll_interval": 0.5,
        **arguments,
    }
    text = ", ".join(f"{name}={value!r}" for name, value in given.items())
    DAGS[f"{dag_id}.py"] = _TEMPLATE.format(
        day=str(start_date(FIRST)), dag_id=dag_id, arguments=text, more=more.strip().replace("\n", "\n    ")
    )


def _sensor(task_id: str, **arguments: Any) -> str:
    text = ", ".join(
        f"{name}={value!r}" for name, value in {"task_id": task_id, "poke_interval": 0.5, **arguments}.items()
    )
    return f"{task_id} = SoswJobSensor(job_id=schedule.output, {text})\n"


# What sosw itself works on.
_add("over_deferred", MIXED, WORKED_ON, **_DEFERRED, tolerated_failures=2, results=RESULTS)
_add("over_waiting", MIXED, WORKED_ON, **_WAITING, tolerated_failures="10%", results=RESULTS)
_add("over_deferred_strict", MIXED, WORKED_ON, **_DEFERRED)
_add("over_waiting_strict", MIXED, WORKED_ON, **_WAITING, tolerated_failures=1)
_add(
    "sensed",
    MIXED,
    WORKED_ON,
    _sensor("deferred", deferrable=True, tolerated_failures=2)
    + _sensor("waiting", deferrable=False, tolerated_failures=2)
    + _sensor("strict", deferrable=True),
)

# What the tests close.
_add("triggerer_killed", EIGHT, BY_HAND, **_DEFERRED, tolerated_failures=1)
_add("late", EIGHT, BY_HAND, **_DEFERRED, timeout=2)
_add("late_waiting", EIGHT, BY_HAND, **_WAITING, timeout=2)
_add("late_cancelled", EIGHT, BY_HAND, **_DEFERRED, timeout=2, timeout_action="cancel", retries=2)
_add("fast_deferred", EIGHT, BY_HAND, **_DEFERRED, fail_fast=True, retries=2)
_add("fast_waiting", EIGHT, BY_HAND, **_WAITING, fail_fast=True, retries=2)
_add("marked_deferred", EIGHT, BY_HAND, **_DEFERRED, cancel_on_kill=True)
_add("marked_waiting", EIGHT, BY_HAND, **_WAITING, cancel_on_kill=True)
_add("stalled", EIGHT, BY_HAND, **_DEFERRED, cancel_on_kill=True)
_add("stalled_worker", EIGHT, BY_HAND, **_WAITING, cancel_on_kill=True, retries=1, retry_delay=1)
_add(
    "hopping",
    EIGHT,
    BY_HAND,
    **_DEFERRED,
    poll_interval=HOPPING_INTERVAL.total_seconds(),
    sosw_conn_id="sosw_only_workers",
)
_add("cleared_cancelled", EIGHT, BY_HAND, **_DEFERRED, cancel_on_kill=True)
_add("marked_kept", EIGHT, BY_HAND, **_DEFERRED)
for _choice in ("reschedule", "failed", "resume"):
    _add(f"cleared_{_choice}", EIGHT, BY_HAND, **_DEFERRED, on_clear=_choice, tolerated_failures=2)
_add("cleared_after_failures", THOUSAND, BY_HAND, **_DEFERRED, on_clear="failed")
_add(
    "repaired",
    THOUSAND,
    BY_HAND,
    _sensor("sensor", deferrable=True)
    + """
repair = SoswRepairOperator(
    task_id="repair",
    job_id=schedule.output,
    trigger_rule="one_failed",
    wait_for_completion=True,
    deferrable=True,
    poll_interval=0.5,
)
sensor >> repair
""",
)
_add("linked", EIGHT, BY_HAND, **_DEFERRED, sosw_conn_id="sosw_without_endpoint")
_add("loaded", EIGHT, BY_HAND, **_DEFERRED, sosw_conn_id="sosw_counted")
