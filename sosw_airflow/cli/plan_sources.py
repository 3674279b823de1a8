"""Where `sosw-airflow plan` takes job, schema and labourer from: files, Airflow's Variables, an operator in a DAG."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sosw_airflow.config.options import period_modules_from
from sosw_airflow.config.registry import LABOURERS_VARIABLE, SCHEMAS_VARIABLE, job_schema_from, labourers_from
from sosw_airflow.exceptions import ConflictingLabourers, Fault, InvalidJobSchema, UnknownJobSchema, UnknownLabourer
from sosw_airflow.jobs.event import JobRequest, function_name, parse_event
from sosw_airflow.jobs.json_documents import read_object
from sosw_airflow.jobs.periods import DataInterval
from sosw_airflow.jobs.schema import SETTINGS, JobSchema

__all__ = ["Planned", "UsageError", "planned_job"]


class UsageError(Exception):
    """The command line does not say enough, or too much."""


@dataclass(frozen=True)
class Planned:
    """A job with all that its plan needs.

    :ivar source: where the job comes from, for the title.
    :ivar remarks: what could not be checked.
    """

    source: str
    request: JobRequest
    labourer_id: str
    schema: JobSchema
    reference_date: date
    data_interval: DataInterval | None
    remarks: tuple[str, ...] = ()


def planned_job(arguments: argparse.Namespace, today: date) -> Planned:
    """The job that the command line asks for.

    :raises UsageError: it does not say which.
    :raises OSError: a file cannot be read.
    :raises SoswError: job, schema or labourer would be refused.
    """
    interval = _interval(arguments.data_interval)
    if arguments.dag_id or arguments.task_id:
        if arguments.job:
            raise UsageError("give JOB.json, or --dag-id and --task-id, not both")
        if not (arguments.dag_id and arguments.task_id):
            raise UsageError("--dag-id and --task-id belong together")
        from sosw_airflow.cli.dag_operators import find_operator

        given = find_operator(
            arguments.dag_id,
            arguments.task_id,
            today=today,
            map_index=arguments.map_index,
            dags_folder=arguments.dags_folder,
        )
        job, labourer, schema = given.job, arguments.labourer or given.labourer, given.job_schema
        source, today, interval = given.name, given.reference_date, interval or given.data_interval
    elif arguments.job:
        job, labourer, schema, source = _text(arguments.job), arguments.labourer, None, arguments.job
    else:
        raise UsageError("give a file with the job, or --dag-id and --task-id")
    request = parse_event(job)
    variables = _Variables(arguments)
    labourer_id, remark = _labourer(request, labourer, variables)
    wanted = request.schema_name or arguments.schema_name or schema or "default"
    return Planned(
        source=source,
        request=request,
        labourer_id=labourer_id,
        schema=variables.schema(wanted),
        reference_date=today,
        data_interval=interval,
        remarks=(remark,) if remark else (),
    )


class _Variables:
    """The two Variables, or what the command line gives in their place."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments

    def schema(self, wanted: Any) -> JobSchema:
        """A job schema by its name, or from itself."""
        if not isinstance(wanted, str):
            return JobSchema.of(wanted, period_modules=_period_modules(wanted))
        given = self._arguments.schema
        if given is None:
            given = self._variable(SCHEMAS_VARIABLE, "--schema")
            return job_schema_from(given, wanted, period_modules=_period_modules(given))
        text = given if given.lstrip().startswith("{") else _text(given)
        where = "--schema" if text is given else given
        document = read_object(text, InvalidJobSchema, place=where, form='{"chunkable_attrs": [...]}')
        if not document or SETTINGS.intersection(document):
            return JobSchema.of(document, period_modules=_period_modules(document))
        variants = document.get("job_schema_variants", document)
        if not isinstance(variants, dict) or not all(isinstance(each, dict) for each in variants.values()):
            problem = 'is neither a job schema, {"chunkable_attrs": [...]}, nor named ones, {name: job schema}'
            raise InvalidJobSchema([Fault(where, problem)])
        if wanted not in variants:
            raise UnknownJobSchema(wanted, variants, where=where)
        return JobSchema.of(variants[wanted], period_modules=_period_modules(variants[wanted]))

    def labourers(self) -> Mapping[str, Any] | None:
        """The registered labourers; None where nothing says which those are."""
        if self._arguments.labourers is not None:
            return labourers_from(_text(self._arguments.labourers))
        if self._arguments.schema is not None:  # without Airflow
            return None
        return labourers_from(self._variable(LABOURERS_VARIABLE, "--labourers"))

    def has_labourer_connection(self, labourer_id: str) -> bool:
        """Whether a Connection registers this labourer, where Airflow is asked at all."""
        if self._arguments.labourers is not None:
            return False
        from sosw_airflow.cli.deployments import is_labourer_connection

        return is_labourer_connection(labourer_id)

    @staticmethod
    def _variable(name: str, option: str) -> str | None:
        from sosw_airflow.cli.deployments import NoAirflowError, read_variable

        try:
            return read_variable(name)
        except NoAirflowError:
            raise UsageError(f"there is no Airflow here whose Variable {name} could be read: give {option}") from None


def _labourer(request: JobRequest, given: str | None, variables: _Variables) -> tuple[str, str | None]:
    """The labourer's id, and what to say of it."""
    name = function_name(given) if given else None
    if name and request.lambda_name and name != request.lambda_name:
        raise ConflictingLabourers(name, request.lambda_name)
    labourer_id = name or request.lambda_name
    if labourer_id is None:
        raise UsageError("the job has no lambda_name: give --labourer")
    registered = variables.labourers()
    if registered is None:
        return labourer_id, "whether the labourer is registered was not looked at: --labourers FILE says which are"
    if labourer_id not in registered and not variables.has_labourer_connection(labourer_id):
        raise UnknownLabourer(labourer_id, registered)
    return labourer_id, None


def _interval(text: str | None) -> DataInterval | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", text)
    try:
        days = (date.fromisoformat(match[1]), date.fromisoformat(match[2])) if match else None
    except ValueError:
        days = None
    if days is None or days[1] < days[0]:
        raise UsageError(f"--data-interval must be START..END with dates as YYYY-MM-DD, not {text}")
    return days


def _period_modules(schema: Any) -> tuple[str, ...]:
    """Modules whose functions a job schema may name. Airflow is only asked about a schema that names one."""
    if "custom_period_patterns" not in schema:
        return ()
    from sosw_airflow.cli.deployments import NoAirflowError, period_modules

    try:
        return period_modules()
    except NoAirflowError:
        return period_modules_from(os.environ.get("AIRFLOW__SOSW__CUSTOM_PERIOD_MODULES", ""))


def _text(name: str) -> str | bytes:
    if name == "-":
        return getattr(sys.stdin, "buffer", sys.stdin).read()
    return Path(name).read_bytes()
