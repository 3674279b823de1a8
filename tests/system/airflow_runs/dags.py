"""The DAGs of the Airflow that the tests share. Each belongs to one test, which unpauses it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.system.airflow_runs.dag_files import FIRST, dag_file, job

#: Ten days, and jobs of 8 tasks for each.
TEN_DAYS = [FIRST + timedelta(days=number) for number in range(10)]
#: 300 tasks: four pages.
LARGE = job(words=75)
MAPPED: list[dict[str, Any]] = [
    {"topics": {f"topic_{number}": {"words": ["a", "b"]}}, "isolate_words": True} for number in range(50)
]

_CHOICES = ("reschedule", "resume")

#: DAG id → text. DAGs of `FAULTY` have a Connection of their own, of the same name, behind a fault proxy.
DAGS: dict[str, str] = {}
FAULTY: list[str] = []


def _add(dag_id: str, *, faulty: bool = False, **arguments: Any) -> None:
    if faulty:
        FAULTY.append(dag_id)
        arguments["connection"] = f"sosw_{dag_id}"
    DAGS[f"{dag_id}.py"] = dag_file(dag_id, **arguments)


#: Nothing of it is scheduled.
_SPRING: dict[str, Any] = {"days": (date(2026, 1, 1), date(2026, 4, 30)), "catchup": False}

_add("backfilled", **_SPRING)
_add("backfilled_resume", **_SPRING, on_clear="resume")
_add("deleted", **_SPRING)
_add("mapped", jobs=MAPPED)
_add("mapped_resume", jobs=MAPPED[:3], on_clear="resume")
for _choice in _CHOICES:
    _add(f"caught_up_{_choice}", days=(TEN_DAYS[0], TEN_DAYS[2]), on_clear=_choice)
    _add(f"killed_{_choice}", faulty=True, job=LARGE, retries=1, on_clear=_choice)
    _add(f"cleared_running_{_choice}", faulty=True, job=LARGE, on_clear=_choice)
    _add(f"failing_{_choice}", **_SPRING, faulty=True, job=LARGE, on_clear=_choice)
    _add(f"edited_{_choice}", job=f"s3://sosw-queue/jobs/edited_{_choice}.json", on_clear=_choice)
    _between = f"edited_in_between_{_choice}"
    _add(_between, faulty=True, job=f"s3://sosw-queue/jobs/{_between}.json", retries=3, on_clear=_choice)
    _cancelling = {"operator": "NotedOperator", "cancel_on_kill": True}
    _add(f"cancelled_{_choice}", faulty=True, job=LARGE, on_clear=_choice, **_cancelling)
