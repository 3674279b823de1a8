"""The fix that a fault of an argument names: templates, lists, generators, periods, partitions, carried out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow import DAG

from sosw_airflow import exceptions as errors
from sosw_airflow.operators.sosw import SoswDrainQueueOperator, SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.testing.kit import Sosw, sosw_in_memory
from tests.integration.operators.test_remedies import refusal

DAY = date(2026, 3, 2)
JOB = {"words": ["a", "b"], "isolate_words": True}


@pytest.fixture
def sosw(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sosw]:
    """An installation in memory, with the labourer ``pull`` and the attribute ``word``."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    with sosw_in_memory() as installation:
        installation.add_labourer("pull")
        installation.add_schema("word")
        yield installation


def operator(job: Any, *, native: bool = False, text: str = "", **arguments: Any) -> SoswScheduleOperator:
    """In a DAG of its own, with the job, its words and a text as parameters of the DAG."""
    params = {"job": JOB, "words": ["a", "b"], "text": text}
    dag = DAG(dag_id="d", schedule=None, params=params, render_template_as_native_obj=native)
    own = {"task_id": "schedule", "labourer": "pull", "job": job, "dag": dag}
    return SoswScheduleOperator(**{**own, **arguments})


# -- templates --------------------------------------------------------------------------------------------------------

#: A template that renders the text of an object, with `| tojson`, and what stands for the object itself.
TEMPLATES = {
    "the job": ("{{ params.job }}", "{{ params.job | tojson }}", JOB),
    "an attribute": (
        {"words": "{{ params.words }}", "isolate_words": True},
        '{"words": {{ params.words | tojson }}, "isolate_words": true}',
        JOB,
    ),
}


@pytest.mark.parametrize("way", ["tojson", "native", "the object"])
@pytest.mark.parametrize("place", TEMPLATES)
def test_the_text_of_an_object_becomes_the_object(sosw: Sosw, place: str, way: str) -> None:
    """By each of the three ways out. Airflow gives the object in the place of an XComArg before it executes."""
    wrong, as_json, itself = TEMPLATES[place]
    refusal(
        errors.InvalidJob,
        lambda: sosw.run(operator(wrong), DAY),
        'put "| tojson" behind the expression, or set render_template_as_native_obj=True on the DAG, or give the XComA',
    )
    right = {"tojson": operator(as_json), "native": operator(wrong, native=True), "the object": operator(itself)}[way]
    assert sosw.run(right, DAY)["tasks"] == 2


#: Each argument that is a text from a template, with a value that it may have.
TEXTS = {
    "job": "{{ params.job | tojson }}",
    "labourer": "{{ 'pull' }}",
    "job_schema": "{{ 'default' }}",
    "reference_date": "{{ '2026-03-02' }}",
    "sosw_conn_id": "{{ 'sosw_default' }}",
}


@pytest.mark.parametrize("found", ["{{ params.nothing | default('') }}", "{{ none }}", "{{ ' ' }}"])
@pytest.mark.parametrize("argument", TEXTS)
def test_an_expression_that_finds_no_value_is_corrected(sosw: Sosw, argument: str, found: str) -> None:
    """It is refused in every argument; then the template is right."""
    given = {"job": JOB, argument: found}
    wrong = (errors.InvalidConfiguration, errors.InvalidJob)
    with pytest.raises(wrong, match="the template found no value. Fix: correct the expression"):
        sosw.run(operator(**given), DAY)
    assert sosw.run(operator(**{**given, argument: TEXTS[argument]}), DAY)["tasks"] == 2


@pytest.mark.parametrize("found", ["", " ", "None"])
def test_a_scheduler_function_that_is_no_name(sosw: Sosw, found: str) -> None:
    """Nothing is delivered; with a name, sosw's Scheduler is invoked."""
    given = operator(JOB, delivery="queue_file", scheduler_function=found)
    refusal(errors.InvalidConfiguration, lambda: sosw.run(given, DAY), "correct the expression")
    assert sosw._rows(sosw.tables.jobs_table, None) == []


@pytest.mark.parametrize("found", ["", "None"])
def test_the_name_of_a_queue_file_that_is_no_name(sosw: Sosw, found: str) -> None:
    """It is refused before S3 is asked."""
    given = SoswDrainQueueOperator(task_id="drain", queue_file=found)
    refusal(errors.InvalidConfiguration, lambda: sosw.run(given, DAY), "correct the expression")


@pytest.mark.parametrize("way", ["the value itself", "a templated argument"])
def test_a_template_that_nothing_renders(sosw: Sosw, way: str) -> None:
    """A value from a Variable or a file is no template: it is given itself, or the template moves to the operator."""
    given = "{{ ti.xcom_pull('words') }}"
    refusal(
        errors.InvalidConfiguration,
        lambda: sosw.run(operator(JOB, labourer="{{ params.text }}", text=given), DAY),
        "give the value itself, or put the template into a templated argument",
    )
    right = {"the value itself": "pull", "a templated argument": "{{ 'pull' }}"}[way]
    assert sosw.run(operator(JOB, labourer=right), DAY)["tasks"] == 2


# -- lists and generators ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["expand", "attribute"])
def test_a_list_in_the_place_of_a_job(sosw: Sosw, way: str) -> None:
    """The operator is mapped over it, or the list becomes the values of an attribute."""
    refusal(
        errors.InvalidJob,
        lambda: sosw.run(operator([JOB, JOB]), DAY),
        r"map the operator over the list, SoswScheduleOperator.partial\(...\).expand\(job=...\), or give the list as",
    )
    if way == "attribute":
        assert sosw.run(operator({"words": ["a", "b"], "isolate_words": True}), DAY)["tasks"] == 2
        return
    with DAG(dag_id="mapped", schedule=None) as dag:
        SoswScheduleOperator.partial(task_id="schedule", labourer="pull").expand(job=[JOB, {**JOB, "number": 2}])
    mapped: Any = dag.get_task("schedule")
    for each in mapped.expand_input.value["job"]:  # what Airflow makes an instance of
        own = {name: value for name, value in mapped.partial_kwargs.items() if name == "labourer"}
        assert sosw.run(operator(each, task_id=f"t{each.get('number', 1)}", **own), DAY)["tasks"] == 2


@pytest.mark.parametrize("way", ["attribute", "pairs"])
def test_a_generator_of_values(sosw: Sosw, way: str) -> None:
    """It becomes the values of an attribute, or yields pairs."""
    refusal(
        errors.InvalidJob,
        lambda: operator(each for each in "ab").execute(_context(sosw)),
        "return the job with the generator as the values of an attribute, .* or yield pairs of a name and a value",
    )
    values: Callable[[], Iterator[str]] = lambda: (each for each in "ab")  # noqa: E731 - each run needs a new one
    right = (each for each in JOB.items()) if way == "pairs" else {"words": values(), "isolate_words": True}
    assert operator(right).execute(_context(sosw))["tasks"] == 2


def _context(sosw: Sosw) -> Any:
    from sosw_airflow.testing.runs import _context as made

    return made(operator(JOB), DAY, 1, 0)


# -- ids of jobs -------------------------------------------------------------------------------------------------------


def test_a_list_of_ids_for_a_repair(sosw: Sosw) -> None:
    """The operator is mapped over it: an instance for each job."""
    ids = [sosw.run(operator(JOB, task_id=f"t{number}"), DAY)["job_id"] for number in range(2)]
    sosw.fail("pull")
    refusal(
        errors.InvalidConfiguration,
        lambda: sosw.run(SoswRepairOperator(task_id="repair", job_id=ids), DAY),
        r"map the operator over it, .expand\(job_id=...\)",
    )
    with DAG(dag_id="repairs", schedule=None) as dag:
        SoswRepairOperator.partial(task_id="repair").expand(job_id=ids)
    mapped: Any = dag.get_task("repair")
    for job_id in mapped.expand_input.value["job_id"]:
        assert sosw.run(SoswRepairOperator(task_id="repair", job_id=job_id), DAY)["tasks"] == 2


def test_an_id_that_is_none(sosw: Sosw) -> None:
    """A job that is scheduled without a wait gives its id to the sensor and to the repair."""
    refusal(
        errors.InvalidConfiguration,
        lambda: sosw.run(SoswRepairOperator(task_id="repair", job_id=None), DAY),
        "schedule the job without wait_for_completion, wait for it with SoswJobSensor, and give job_id=schedule.output",
    )
    output = sosw.run(operator(JOB), DAY)
    sosw.fail("pull", only=lambda payload: payload["words"] == ["b"])
    sosw.finish("pull")
    with pytest.raises(errors.JobFailed):
        sosw.run(SoswJobSensor(task_id="wait", job_id=output), DAY).resume()
    assert sosw.run(SoswRepairOperator(task_id="repair", job_id=output), DAY)["tasks"] == 1


# -- periods and dates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["configuration", "function"])
def test_a_function_that_a_variable_names(
    sosw: Sosw, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """Its module is listed, or the DAG file gives the function."""
    (tmp_path / "our_periods.py").write_text("def sprint(period, today):\n    return [today]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    named = {"chunkable_attrs": ["word"], "custom_period_patterns": {"sprint": "our_periods:sprint"}}
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", json.dumps({"default": named}))
    job = {**JOB, "period": "sprint", "isolate_days": True}
    refusal(
        errors.InvalidJobSchema,
        lambda: sosw.run(operator(job), DAY),
        r"add it to custom_period_modules in the section \[sosw\] of Airflow's configuration, or give the function its",
    )
    if way == "configuration":
        monkeypatch.setenv("AIRFLOW__SOSW__CUSTOM_PERIOD_MODULES", "our_periods")
        assert sosw.run(operator(job), DAY)["tasks"] == 2
    else:
        from importlib import import_module

        schema = {**named, "custom_period_patterns": {"sprint": import_module("our_periods").sprint}}
        assert sosw.run(operator(job, job_schema=schema), DAY)["tasks"] == 2
    sys.modules.pop("our_periods", None)


@pytest.mark.parametrize(
    ("key", "given"), [("eu|2026-02-28", "{{ partition_key.split('|')[1] }}"), ("eu", "2026-02-28")]
)
def test_a_partition_without_a_date(key: str, given: str) -> None:
    """`reference_date` names it, for example by the template of the message."""
    from sosw_airflow.run_context import reference_date

    context: Any = {"partition_key": key, "dag": SimpleNamespace(timezone=None), "dag_run": SimpleNamespace()}
    refusal(
        errors.InvalidConfiguration,
        lambda: reference_date(context),
        "give reference_date=, for example reference_date=\"{{ partition_key.split\\('\\|'\\)",
    )
    schedule = operator(JOB, reference_date=given)
    schedule.render_template_fields(context)
    assert reference_date(context, schedule.reference_date) == date(2026, 2, 28)


def test_a_run_without_a_date() -> None:
    """`reference_date` gives it."""
    from sosw_airflow.run_context import reference_date

    context: Any = {"dag": SimpleNamespace(timezone=None), "dag_run": SimpleNamespace(run_type="manual")}
    refusal(errors.InvalidConfiguration, lambda: reference_date(context), "give reference_date=")
    assert reference_date(context, "2026-02-28") == date(2026, 2, 28)


# -- labourers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["variable", "name"])
def test_a_variable_without_labourers(sosw: Sosw, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A function is registered there, or the orchestrator is given the name of one that a Connection registers."""
    from sosw_airflow.hooks.orchestration import policies_of
    from sosw_airflow.hooks.sosw import SoswHook

    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", "{}")
    refusal(
        errors.InvalidConfiguration,
        lambda: policies_of(SoswHook(), None),
        "add your Lambda functions to it, or name a labourer",
    )
    if way == "variable":
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", '{"pull": {}}')
        (policy,) = policies_of(SoswHook(), None)
    else:
        monkeypatch.setenv("AIRFLOW_CONN_PULL", '{"conn_type": "sosw_labourer"}')
        (policy,) = policies_of(SoswHook(), ["pull"])
    assert policy.labourer_id == "pull"
