"""Texts of DAG files, and the jobs that are in them."""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.system.airflow_runs.versions import start_date

LABOURER = "worker"
SCHEMA = {"chunkable_attrs": ["topic", "word"]}

#: The days on which runs are due, unless a test has others.
FIRST = date(2026, 3, 2)

_TEMPLATE = '''"""Written by a test."""

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator


def note_process(context):
    """Tell the test which process to kill."""
    Path(os.environ["SOSW_TEST_PIDS"], context["dag"].dag_id).write_text(str(os.getpid()))


class NotedOperator(SoswScheduleOperator):
    """Tells the test that Airflow has asked it to stop."""

    def on_kill(self):
        super().on_kill()
        Path(os.environ["SOSW_TEST_PIDS"], f"{{self.dag_id}}.asked").touch()


with DAG(
    dag_id={dag_id!r},
    schedule="@daily",
    start_date=datetime.fromisoformat({start!r}).replace(tzinfo=timezone.utc),
    end_date=datetime.fromisoformat({end!r}).replace(tzinfo=timezone.utc),
    catchup={catchup},
):
    {operator}
'''


def job(words: int = 2) -> dict[str, Any]:
    """Two days, two topics, so many words: four times as many tasks."""
    return {
        "topics": {topic: {"words": [f"{topic}_{number}" for number in range(words)]} for topic in ("cars", "food")},
        "period": "last_2_days",
        "isolate_days": True,
        "isolate_words": True,
    }


def dag_file(
    dag_id: str,
    *,
    days: tuple[date, date] = (FIRST, FIRST),
    catchup: bool = True,
    jobs: list[dict[str, Any]] | None = None,
    connection: str = "sosw_default",
    retries: int = 0,
    operator: str = "SoswScheduleOperator",
    **arguments: Any,
) -> str:
    """A DAG of one Airflow task, `schedule`, with daily runs that are due from the first to the last of the days.

    jobs: given, the Airflow task is mapped over them. arguments: of the operator; by default a job of 8 tasks.
    """
    given = {
        "task_id": "schedule",
        "labourer": LABOURER,
        "job_schema": SCHEMA,
        "sosw_conn_id": connection,
        "retries": retries,
        **({"job": job()} if jobs is None else {}),
        **arguments,
    }
    text = ", ".join(f"{name}={value!r}" for name, value in given.items())
    text += ", retry_delay=timedelta(0), pre_execute=note_process"
    mapped = "" if jobs is None else f".expand(job={jobs!r})"
    return _TEMPLATE.format(
        dag_id=dag_id,
        start=str(start_date(days[0])),
        end=str(start_date(days[1])),
        catchup=catchup,
        operator=f"{operator}{'' if jobs is None else '.partial'}({text}){mapped}",
    )
