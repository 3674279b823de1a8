"""Each DAG in dags/ is what a user can copy: it is imported, its preparation suffices, and it runs."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from demo import embedded_aws
from demo.airflow_home import AirflowHome
from demo.queue import Queue, Task
from demo.settings import connections
from demo.workers import Workers
from sosw_airflow.jobs import expand

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))

#: Tasks of each labourer after a run of the DAG for one day.
EXPECTED = {
    "sosw_hashtags": {"sosw_tutorial_pull_tweeter_hashtags": 36},
    "sosw_many_labourers": {"pull_weather": 4, "pull_traffic": 2, "pull_air_quality": 7},
    "sosw_product_sales": {"pull_product_sales": 5},
    "sosw_wait_for_workers": {"measure_station": 6},
}


def variables_of(file: Path) -> dict[str, Any]:
    """The Variables that the file's docstring tells the user to set."""
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    return {name: json.loads(value) for name, value in re.findall(r"airflow variables set (\w+) '(.+)'", docstring)}


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    """All DAGs of the folder, by id; the folder imports without an error."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag

    bag = DagBag(str(DAGS))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_every_file_has_its_dag(dags: dict[str, Any]) -> None:
    """One DAG a file, named as the file."""
    assert set(dags) == {file.stem for file in FILES} == set(EXPECTED)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_docstring_says_what_the_dag_needs(file: Path, dags: dict[str, Any]) -> None:
    """With the labourers and job schemas of the docstring, and no others, the jobs become the expected tasks."""
    variables = variables_of(file)
    operator = dags[file.stem].get_task("schedule")
    if hasattr(operator, "expand_input"):
        jobs, settings = operator.expand_input.value["job"], operator.partial_kwargs
    else:
        jobs, settings = [operator.job], vars(operator)
    schema = settings["job_schema"]
    if isinstance(schema, str):
        schema = variables["sosw_job_schemas"][schema]
    tasks = {
        job.get("lambda_name") or settings["labourer"]: len(
            list(expand(job, schema=schema, reference_date=date(2026, 3, 2)))
        )
        for job in jobs
    }
    assert tasks == EXPECTED[file.stem]
    assert set(variables["sosw_labourers"]) == set(tasks)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Task], dict[str, Any]]:
    """What is in the queue after a real Airflow has run each DAG once, prepared as their docstrings say; their runs."""
    state = tmp_path_factory.mktemp("example_dags")
    variables: dict[str, dict[str, Any]] = {}
    for file in FILES:
        for name, value in variables_of(file).items():
            variables.setdefault(name, {}).update(value)
    aws = embedded_aws.start(state)
    try:
        queue = Queue(aws.url)
        queue.create_what_is_missing()
        airflow = AirflowHome(state)
        airflow.set_up(connections(aws.url), variables)
        with Workers(queue, labourer_id="measure_station"):
            runs = airflow.run(date(2026, 3, 2), *EXPECTED)
        return queue.tasks(), runs
    finally:
        embedded_aws.stop(state)


@pytest.mark.slow
@pytest.mark.parametrize("dag_id", [each for each in EXPECTED if each != "sosw_wait_for_workers"])
def test_dag_runs(dag_id: str, ran: tuple[list[Task], dict[str, Any]]) -> None:
    """Run by Airflow for one day, the DAG has put its expected tasks into the queue."""
    tasks, _ = ran
    labourers = EXPECTED[dag_id]
    assert Counter(task.labourer_id for task in tasks if task.labourer_id in labourers) == labourers


@pytest.mark.slow
def test_the_dag_that_waits_goes_on_when_the_workers_are_done(ran: tuple[list[Task], dict[str, Any]]) -> None:
    """Its second Airflow task has the counts."""
    _, runs = ran
    results = runs["sosw_wait_for_workers"]["results"]
    assert results["report"] == "6 of 6 stations were measured, 0 failed"
    assert results["schedule"]["state"] == "closed"
