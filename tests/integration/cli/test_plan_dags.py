"""`sosw-airflow plan --dag-id`: the job of an operator, as the DAG has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow.cli import main

DAG_FILE = """
from datetime import datetime, timezone

from airflow import DAG

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

from sosw_airflow.operators.sosw import SoswScheduleOperator

JOB = {"words": ["a", "b"], "isolate_words": True, "period": "last_2_days", "isolate_days": True}
with DAG("shop", schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), params={"word": "c"}):
    other = EmptyOperator(task_id="other")
    SoswScheduleOperator(task_id="plain", labourer="worker", job=JOB)
    SoswScheduleOperator(
        task_id="templated",
        labourer="{{ params.labourer }}",
        params={"labourer": "worker"},
        job={**JOB, "words": ["{{ params.word }}"], "end": "{{ data_interval_end | ds }}", "period": "data_interval"},
    )
    SoswScheduleOperator(task_id="working", labourer="worker", job=JOB, orchestrate=True, results="s3://bucket/x/")
    SoswScheduleOperator(task_id="dated", labourer="worker", job=JOB, reference_date="{{ macros.ds_add(ds, -9) }}")
    SoswScheduleOperator.partial(task_id="mapped", labourer="worker").expand(job=[JOB, {**JOB, "words": ["x"]}])
    SoswScheduleOperator.partial(task_id="late", labourer="worker").expand(job=other.output)
    SoswScheduleOperator(task_id="handed", labourer="worker", job=other.output)
    SoswScheduleOperator(task_id="stored", labourer="worker", job="s3://bucket/key")
    SoswScheduleOperator(task_id="running", labourer="worker", job={"x": "{{ ti.try_number }}"})
"""


@pytest.fixture(autouse=True)
def dags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the DAG, and the Variables that its operators need."""
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", '{"default": {"chunkable_attrs": ["word"]}}')
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", '{"worker": {}}')
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as the command sets it, but not beyond the test
    (tmp_path / "shop.py").write_text(DAG_FILE)
    return tmp_path


def plan(dags: Path, task_id: str, *arguments: str, dag_id: str = "shop") -> int:
    """The exit code."""
    where = ["--dags-folder", str(dags), "--date", "2026-03-02"]
    return main(["plan", "--dag-id", dag_id, "--task-id", task_id, *where, *arguments])


def figures(dags: Path, capsys: pytest.CaptureFixture[str], task_id: str, *arguments: str) -> dict[str, Any]:
    """The plan as JSON, which is all that is on stdout."""
    assert plan(dags, task_id, "--output", "json", *arguments) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_an_operator(dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its job, its labourer, the Variables' schema, seen from the date."""
    found = figures(dags, capsys, "plain")
    assert (found["source"], found["labourer_id"], found["tasks"]) == ("shop.plain", "worker", 4)
    assert [day["dates"] for day in found["days"]] == ["2026-02-28", "2026-03-01"]


def test_templates(dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that follow from the day are rendered; the interval is the day before."""
    found = figures(dags, capsys, "templated")
    assert found["first"] == [{"isolate_words": True, "end": "2026-03-02", "date_list": ["2026-03-01"], "words": ["c"]}]


def test_the_reference_date_of_the_operator(dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Comes before that of the command line."""
    assert figures(dags, capsys, "dated")["reference_date"].startswith("2026-02-2")


def test_a_mapped_operator(dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of its jobs."""
    found = figures(dags, capsys, "mapped", "--map-index", "1")
    assert (found["source"], found["tasks"]) == ("shop.mapped[1]", 2)


@pytest.mark.parametrize(
    ("task_id", "arguments", "message"),
    [
        ("mapped", (), "shop.mapped: is mapped: give --map-index, from 0 to 1"),
        ("late", ("--map-index", "0"), "shop.late: is mapped over values that are known only when the DAG runs"),
        ("plain", ("--map-index", "0"), "shop.plain: is not mapped"),
        ("handed", (), "shop.handed.job: is the result of another Airflow task"),
        ("stored", (), "shop.stored: takes its job from s3://bucket/key: download it"),
        ("running", (), "shop.running.job: has a template that cannot be rendered without a run: 'ti' is undefined"),
        ("other", (), "shop.other: is no SoswScheduleOperator; the DAG's: dated, handed, late"),
        ("nothing", (), "shop.nothing: is not in the DAG"),
    ],
)
def test_what_cannot_be_planned(
    dags: Path, capsys: pytest.CaptureFixture[str], task_id: str, arguments: tuple[str, ...], message: str
) -> None:
    """It is said why."""
    assert plan(dags, task_id, *arguments) == 1
    assert message in capsys.readouterr().err


def test_a_folder_that_does_not_exist(dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage, which names the folder; not a DAG that is missing in it."""
    assert plan(dags / "gone", "plain") == 2
    assert f"--dags-folder: there is no {dags / 'gone'}" in capsys.readouterr().err


def test_an_unknown_dag(dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The known ones are listed, and the files that cannot be imported."""
    (dags / "broken.py").write_text("from airflow import DAG\nimport no_such_module\n")
    assert plan(dags, "plain", dag_id="shopp") == 1
    printed = capsys.readouterr().err
    assert "the DAGs there: shop" in printed
    assert "broken.py: ModuleNotFoundError: No module named 'no_such_module'" in printed


def test_the_costs_are_those_of_what_the_operator_does(dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an argument of the command."""
    parts = {"schedule", "invoke", "orchestrate", "wait", "results", "total"}
    assert parts & set(figures(dags, capsys, "plain")["cost"]) == {"schedule", "invoke", "total"}
    assert parts & set(figures(dags, capsys, "working")["cost"]) == parts
