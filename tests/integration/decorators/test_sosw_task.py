"""`@task.sosw`: the function returns the job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone
from typing import Any

import pytest
from airflow import DAG

from sosw_airflow.exceptions import InvalidJob, SoswError
from sosw_airflow.testing import Sosw, sosw_in_memory

try:
    from airflow.sdk import task
except ImportError:
    from airflow.decorators import task

DAY = date(2026, 3, 2)


@pytest.fixture
def installation() -> Iterator[Sosw]:
    """With a labourer and a schema."""
    with sosw_in_memory() as installation:
        installation.add_labourer("worker")
        installation.add_schema("word")
        yield installation


@pytest.fixture
def dag() -> Iterator[DAG]:
    """A DAG to be decorated in."""
    with DAG("shop", schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        yield dag


def test_the_function_returns_the_job(installation: Sosw, dag: DAG) -> None:
    """Its summary is the result; dates follow the run."""

    @task.sosw(labourer="worker")
    def words() -> dict[str, Any]:
        return {"words": ["a", "b"], "isolate_words": True, "period": "yesterday"}

    words()
    summary = installation.run(dag.get_task("words"), DAY)
    assert (summary["tasks"], summary["reference_date"]) == (2, "2026-03-02")
    assert [each["words"] for each in installation.tasks("worker")] == [["a"], ["b"]]
    assert installation.tasks()[0]["date_list"] == ["2026-03-01"]


def test_arguments_and_context(installation: Sosw, dag: DAG) -> None:
    """Its own arguments, rendered, and what it asks for of the context."""

    @task.sosw(labourer="worker", job_schema={"chunkable_attrs": ["value"]})
    def job(first: str, *, second: str, ds: str | None = None) -> dict[str, Any]:
        return {"values": [first, second, ds]}

    job("{{ ds_nodash }}", second="x")
    installation.run(dag.get_task("job"), DAY)
    assert installation.tasks()[0]["values"] == ["20260301", "x", "2026-03-01"]


def test_all_of_the_context(installation: Sosw, dag: DAG) -> None:
    """As with every decorated function."""

    @task.sosw(labourer="worker")
    def job(**context: Any) -> dict[str, Any]:
        return {"run": context["run_id"]}

    job()
    installation.run(dag.get_task("job"), DAY)
    assert installation.tasks()[0]["run"].startswith("scheduled__2026-03-01")


def test_braces_are_data(installation: Sosw, dag: DAG) -> None:
    """What the function returns is not rendered."""

    @task.sosw(labourer="worker")
    def job() -> dict[str, Any]:
        return {"text": "{{ ds }}"}

    job()
    installation.run(dag.get_task("job"), DAY)
    assert installation.tasks()[0]["text"] == "{{ ds }}"


def test_a_generator_in_the_job(installation: Sosw, dag: DAG) -> None:
    """Is read once, into the values of its attribute; the job that Airflow shows afterwards has them too."""

    @task.sosw(labourer="worker")
    def job() -> dict[str, Any]:
        return {"words": (word for word in "abc"), "isolate_words": True}

    job()
    assert installation.run(dag.get_task("job"), DAY)["tasks"] == 3
    assert [each["words"] for each in installation.tasks()] == [["a"], ["b"], ["c"]]


def test_a_function_that_yields_the_attributes(installation: Sosw, dag: DAG) -> None:
    """Pairs of a name and a value make the job."""

    @task.sosw(labourer="worker")
    def job() -> Iterator[tuple[str, Any]]:
        yield "words", ["a", "b"]
        yield "isolate_words", True

    job()
    assert installation.run(dag.get_task("job"), DAY)["tasks"] == 2


def test_other_arguments_of_the_operator(installation: Sosw, dag: DAG) -> None:
    """Reach it."""

    @task.sosw(labourer="worker", queue_position="front", reference_date="2026-01-02", retries=7)
    def job() -> dict[str, Any]:
        return {"period": "yesterday", "isolate_days": True}

    job()
    operator = dag.get_task("job")
    installation.run(operator, DAY)
    assert operator.retries == 7
    assert installation.tasks()[0]["date_list"] == ["2026-01-01"]


@pytest.mark.parametrize("wrong", [None, 5, "", {"words": ["a"], "isolate_words": True, "period": "never"}])
def test_a_function_that_returns_no_job(installation: Sosw, dag: DAG, wrong: Any) -> None:
    """The job's own errors; nothing is written."""

    @task.sosw(labourer="worker")
    def job() -> Any:
        return wrong

    job()
    with pytest.raises(InvalidJob) as caught:
        installation.run(dag.get_task("job"), DAY)
    assert isinstance(caught.value, SoswError)
    assert installation.tasks() == []


def test_the_result_can_be_used(dag: DAG) -> None:
    """By the Airflow task after it."""

    @task.sosw(labourer="worker")
    def job() -> dict[str, Any]:
        return {"x": 1}

    @task
    def after(summary: dict[str, Any]) -> None:
        """Use the summary."""

    after(job())
    assert dag.get_task("after").upstream_task_ids == {"job"}


def test_mapped(dag: DAG) -> None:
    """The function's arguments may be mapped."""

    @task.sosw(labourer="worker")
    def job(word: str) -> dict[str, Any]:
        return {"word": word}

    job.expand(word=["a", "b"])
    assert dag.get_task("job").expand_input
