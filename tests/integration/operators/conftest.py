"""An installation of sosw as a user configures it: a Connection, two Variables, tables and a bucket in moto."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from sosw_airflow.operators.sosw import SoswScheduleOperator
from tests.conftest import Aws
from tests.integration.orchestration.conftest import Lambda
from tests.support.airflow_answers import FakeAirflow
from tests.support.deferrals import deferrals

__all__ = ["FakeAirflow", "deferrals"]

LABOURER = "sosw_tutorial_pull_tweeter_hashtags"
SCHEMAS = {
    "default": {"chunkable_attrs": [["topic", {}], ["word", {}]]},
    "shop": {"chunkable_attrs": ["section", "store", "product"]},
}

Context = dict[str, Any]
MakeContext = Callable[..., Context]
Attempt = Callable[..., Any]


@pytest.fixture
def installation(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The Connection and the Variables, beside what they name."""
    extra = {"queue_bucket": aws.bucket, "region_name": aws.region, "aws_conn_id": ""}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({LABOURER: {"max_simultaneous_invocations": 5}}))
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", json.dumps(SCHEMAS))
    # A labourer is also looked for among the Connections; there is no metadata database to look into here.
    monkeypatch.setattr("sosw_airflow.hooks.sosw.find_connection", _from_environment)
    return aws


def _from_environment(conn_id: str) -> Any:
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend

    from sosw_airflow._compat import BaseHook

    found = EnvironmentVariablesBackend().get_conn_value(conn_id)
    return BaseHook.get_connection(conn_id) if found else None


@pytest.fixture
def context() -> MakeContext:
    """What Airflow hands to `execute` in a scheduled daily run."""

    def make(
        day: datetime = datetime(2026, 3, 2, tzinfo=timezone.utc),
        *,
        run_id: str | None = None,
        map_index: int = -1,
        try_number: int = 1,
        max_tries: int = 0,
        retries: int | None = None,
        started: str | None = None,
    ) -> Context:
        run_id = run_id or f"scheduled__{day.isoformat()}"
        start = day - timedelta(days=1)
        return {
            "ti": SimpleNamespace(
                dag_id="hashtags",
                run_id=run_id,
                task_id="schedule",
                map_index=map_index,
                try_number=try_number,
                max_tries=max_tries,
                xcom_push=lambda key, value: None,
            ),
            "dag": SimpleNamespace(timezone=timezone.utc),
            "task": SimpleNamespace(**({} if retries is None else {"retries": retries})),
            "dag_run": SimpleNamespace(
                run_type="scheduled",
                logical_date=start,
                data_interval_end=day,
                start_date=None if started is None else datetime.fromisoformat(started).replace(tzinfo=timezone.utc),
            ),
            "logical_date": start,
            "data_interval_start": start,
            "data_interval_end": day,
        }

    return make


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> FakeAirflow:
    """An Airflow that can be asked for the state of the Airflow task instance."""
    return FakeAirflow(monkeypatch)


@pytest.fixture
def tutorial_job() -> dict[str, Any]:
    """Two topics of two words each, for two days: 8 tasks."""
    return {
        "topics": {"cars": {"words": ["toyota", "mazda"]}, "food": {"words": ["pizza", "soup"]}},
        "period": "last_2_days",
        "isolate_days": True,
        "isolate_words": True,
    }


@pytest.fixture
def schedule() -> Callable[..., SoswScheduleOperator]:
    """An operator with the tutorial's labourer, unless told otherwise."""

    def make(job: Any, **arguments: Any) -> SoswScheduleOperator:
        return SoswScheduleOperator(**{"task_id": "schedule", "labourer": LABOURER, "job": job, **arguments})

    return make


@pytest.fixture
def function(installation: Aws, monkeypatch: pytest.MonkeyPatch) -> Lambda:
    """The labourer is invoked synchronously and answers at once."""
    stub = Lambda(reply=lambda event: (200, "", b'"done"'))
    settings = {LABOURER: {"invocation": "request", "max_simultaneous_invocations": 2}}
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps(settings))
    stub.answer_all(monkeypatch)
    for name in ("_BUSY", "_QUIET", "_BESIDE"):
        monkeypatch.setattr(f"sosw_airflow.orchestration.turn.{name}", 0.05)
    return stub


@pytest.fixture
def attempt(installation: Aws, schedule: Any, context: MakeContext, tutorial_job: dict[str, Any]) -> Attempt:
    """Execute an operator with the tutorial's job; ``clear``: after the Airflow task was cleared."""

    def execute(changes: Any = None, /, *, clear: bool = False, **arguments: Any) -> Any:
        operator = schedule({**tutorial_job, **(changes or {})}, **arguments)
        return operator.execute(context(try_number=1 + clear, max_tries=int(clear)))

    return execute
