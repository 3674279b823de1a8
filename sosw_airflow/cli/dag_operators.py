"""The job of an operator in a DAG, rendered as for a scheduled run of one day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sosw_airflow.cli.deployments import own_airflow
from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.periods import DataInterval

__all__ = ["OperatorJob", "find_operator"]


@dataclass(frozen=True)
class OperatorJob:
    """What an operator of a DAG would schedule.

    :ivar name: DAG and task, for a title.
    :ivar does: what it does beside scheduling: ``orchestrate``, ``wait``, ``results``.
    """

    name: str
    job: Any
    labourer: str | None
    job_schema: Any
    reference_date: date
    data_interval: DataInterval
    does: frozenset[str] = frozenset()


def find_operator(
    dag_id: str, task_id: str, *, today: date, map_index: int | None, dags_folder: str | None
) -> OperatorJob:
    """Load the DAG, find the operator and render its arguments.

    :param today: the end of the run's data interval, which is the reference date unless the operator has its own.
    :raises InvalidConfiguration: there is no such DAG or task, or its job is known only when the DAG runs.
    """
    with own_airflow():
        return _find_operator(dag_id, task_id, today, map_index, dags_folder)


_FIELDS = ("job", "labourer", "job_schema", "reference_date")

#: Arguments of an operator -> what it does, by the names that the command has for it.
_WORK = {"orchestrate": "orchestrate", "wait_for_completion": "wait", "results": "results"}


def _find_operator(
    dag_id: str, task_id: str, today: date, map_index: int | None, dags_folder: str | None
) -> OperatorJob:
    from sosw_airflow.run_context import reference_date

    dag = _dag(dag_id, dags_folder)
    operator = _task(dag, task_id)
    name = f"{dag_id}.{task_id}"
    arguments = _arguments(operator, name, map_index)
    context = _context(dag, operator, today)
    rendered = {each: _rendered(name, each, arguments.get(each), context) for each in _FIELDS}
    job = rendered["job"]
    if isinstance(job, str) and job.strip().startswith("s3://"):
        raise _fault(name, f"takes its job from {job}: download it, and plan the file")
    last = context["data_interval_end"].date() - timedelta(days=1)
    return OperatorJob(
        name=name if map_index is None else f"{name}[{map_index}]",
        job=job,
        labourer=rendered["labourer"],
        job_schema=rendered["job_schema"],
        reference_date=reference_date({"dag": dag}, rendered["reference_date"] or today),
        data_interval=(last, last),
        does=frozenset(work for argument, work in _WORK.items() if arguments.get(argument)),
    )


def _fault(path: str, problem: str) -> InvalidConfiguration:
    return InvalidConfiguration([Fault(path, problem)])


def _dag(dag_id: str, folder: str | None) -> Any:
    from sosw_airflow._compat import load_dag_bag

    bag = load_dag_bag(folder)
    dag = bag.dags.get(dag_id)
    if dag is None:
        broken = [f"{file}: {str(error).strip().splitlines()[-1]}" for file, error in bag.import_errors.items()]
        trouble = f". Files that cannot be imported: {'; '.join(broken[:5])}" if broken else ""
        known = ", ".join(sorted(bag.dags)[:20]) or "none"
        raise _fault(f"DAG {dag_id}", f"is not in {folder or bag.dag_folder}; the DAGs there: {known}{trouble}")
    return dag


def _task(dag: Any, task_id: str) -> Any:
    from sosw_airflow.operators.sosw import SoswScheduleOperator

    ours = {}
    for each in dag.tasks:
        kind = getattr(each, "operator_class", type(each))
        if isinstance(kind, type) and issubclass(kind, SoswScheduleOperator):
            ours[each.task_id] = each
    if task_id not in ours:
        there = "is no SoswScheduleOperator" if task_id in dag.task_ids else "is not in the DAG"
        raise _fault(f"{dag.dag_id}.{task_id}", f"{there}; the DAG's: {', '.join(sorted(ours)) or 'none'}")
    return ours[task_id]


def _arguments(operator: Any, name: str, map_index: int | None) -> Mapping[str, Any]:
    if hasattr(operator, "python_callable") or "python_callable" in getattr(operator, "partial_kwargs", {}):
        raise _fault(name, "gets its job from a Python function when the DAG runs: plan what the function returns")
    if not hasattr(operator, "expand_input"):
        if map_index is not None:
            raise _fault(name, "is not mapped: leave --map-index out")
        return dict(vars(operator))
    expansions = _expansions(operator, name)
    if map_index is None or not 0 <= map_index < len(expansions):
        raise _fault(name, f"is mapped: give --map-index, from 0 to {len(expansions) - 1}")
    return {"job_schema": "default", **operator.partial_kwargs, **expansions[map_index]}


def _expansions(operator: Any, name: str) -> list[dict[str, Any]]:
    """The arguments of each mapped Airflow task, where they are known before the DAG runs."""
    given = operator.expand_input.value
    if isinstance(given, Mapping) and len(given) == 1:
        [(argument, values)] = given.items()
        if isinstance(values, (list, tuple)):
            return [{argument: value} for value in values]
    elif isinstance(given, (list, tuple)) and all(isinstance(each, Mapping) for each in given):
        return [dict(each) for each in given]
    raise _fault(name, "is mapped over values that are known only when the DAG runs: plan the job as a file")


def _context(dag: Any, operator: Any, today: date) -> dict[str, Any]:
    """What templates of a scheduled run know, as far as it follows from the day alone."""
    import pendulum

    from sosw_airflow._compat import template_macros

    end = pendulum.datetime(today.year, today.month, today.day, tz=dag.timezone)
    start = end.subtract(days=1)
    # With Airflow 3's triggers a run is named after the moment at which it starts, before after the interval's start.
    logical_date = end if "Trigger" in type(dag.timetable).__name__ else start
    return {
        "dag": dag,
        "task": operator,
        "params": {name: getattr(each, "value", each) for name, each in {**dag.params, **operator.params}.items()},
        "data_interval_start": start,
        "data_interval_end": end,
        "logical_date": logical_date,
        "ds": logical_date.strftime("%Y-%m-%d"),
        "ds_nodash": logical_date.strftime("%Y%m%d"),
        "ts": logical_date.isoformat(),
        "macros": template_macros(),
    }


def _rendered(name: str, field: str, value: Any, context: dict[str, Any]) -> Any:
    if _has_reference(value):
        raise _fault(f"{name}.{field}", "is the result of another Airflow task, known only when the DAG runs")
    import jinja2

    try:
        return _render(value, context["dag"].get_template_env(), context)
    except jinja2.TemplateError as error:
        raise _fault(f"{name}.{field}", f"has a template that cannot be rendered without a run: {error}") from None


def _render(value: Any, environment: Any, context: dict[str, Any]) -> Any:
    """Render all text within; a mapped operator cannot do it itself before it is unmapped."""
    if isinstance(value, str):
        return environment.from_string(value).render(context) if "{" in value else value
    if isinstance(value, Mapping):
        return {key: _render(below, environment, context) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_render(below, environment, context) for below in value]
    return value


def _has_reference(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_reference(below) for below in value.values())
    if isinstance(value, (list, tuple)):
        return any(_has_reference(below) for below in value)
    return hasattr(value, "iter_references")
