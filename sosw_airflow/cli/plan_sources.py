"""Where `sosw-airflow plan` takes job, schema and labourer from: files, Airflow's Variables, an operator in a DAG."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sosw_airflow.cli.usage import NoAirflowError, UsageError, read_bytes
from sosw_airflow.config.options import period_modules_from
from sosw_airflow.config.registry import LABOURERS_VARIABLE, SCHEMAS_VARIABLE, job_schema_from, labourers_from
from sosw_airflow.exceptions import ConflictingLabourers, Fault, InvalidJobSchema, UnknownJobSchema, UnknownLabourer
from sosw_airflow.jobs.event import JobRequest, function_name, parse_event
from sosw_airflow.jobs.json_documents import read_object
from sosw_airflow.jobs.periods import DataInterval
from sosw_airflow.jobs.schema import SETTINGS, JobSchema

if TYPE_CHECKING:
    from sosw_airflow.jobs.expansion import Expansion

__all__ = ["JobSources", "PlannedJob", "planned_job", "resolve_job"]


@dataclass(frozen=True)
class PlannedJob:
    """A job with all that its plan needs.

    :ivar source: the file or the operator that has the job, for the title.
    :ivar remarks: what could not be checked.
    """

    source: str
    request: JobRequest
    labourer_id: str
    schema: JobSchema
    reference_date: date
    data_interval: DataInterval | None
    remarks: tuple[str, ...] = ()

    def expand(self, request: JobRequest, *, max_tasks: int | None = None) -> Expansion:
        """The expansion of the job, or of one like it with the values of its sources.

        :raises SoswError: it is refused.
        """
        from sosw_airflow.jobs.expansion import Expansion

        return Expansion(
            request,
            schema=self.schema,
            reference_date=self.reference_date,
            data_interval=self.data_interval,
            max_tasks=max_tasks,
        )


def planned_job(arguments: argparse.Namespace, today: date) -> PlannedJob:
    """The job that the command line asks for.

    :raises UsageError: it does not say which, or a file cannot be read.
    :raises SoswError: job, schema or labourer would be refused.
    """
    interval = _interval(arguments.data_interval)
    if arguments.dag_id or arguments.task_id:
        if arguments.job:
            raise UsageError("give JOB.json, or --dag-id and --task-id, not both")
        if not (arguments.dag_id and arguments.task_id):
            raise UsageError("--dag-id and --task-id belong together")
        if arguments.dags_folder and not Path(arguments.dags_folder).exists():
            raise UsageError(f"--dags-folder: there is no {arguments.dags_folder}")
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
        for work in given.does:  # as if it were asked for
            setattr(arguments, work, True)
    elif arguments.job:
        job, labourer, schema, source = read_bytes(arguments.job), arguments.labourer, None, arguments.job
    else:
        raise UsageError("give a file with the job, or --dag-id and --task-id")
    request = parse_event(job)
    # A job with its schema is planned without Airflow.
    offline = arguments.schema is not None
    sources = JobSources(schema=arguments.schema, labourers=arguments.labourers, offline=offline)
    sources.labourer(request, labourer)
    return resolve_job(request, sources, arguments, today, schema=schema, interval=interval, source=source)


def resolve_job(
    request: JobRequest,
    sources: JobSources,
    arguments: argparse.Namespace,
    today: date,
    *,
    schema: Any = None,
    interval: DataInterval | None = None,
    source: str = "",
) -> PlannedJob:
    """The job with its schema and dates.

    :param sources: that have named the labourer.
    :param today: the reference date.
    :param schema: of the operator, if there is one.
    :raises UsageError: an argument has faults.
    :raises SoswError: the job schema would be refused.
    """
    wanted = request.schema_name or arguments.schema_name or schema or "default"
    return PlannedJob(
        source=source,
        request=request,
        labourer_id=sources.labourer_id,
        schema=sources.schema(wanted),
        reference_date=today,
        data_interval=interval or _interval(arguments.data_interval),
        remarks=sources.remarks,
    )


class JobSources:
    """The two Variables, or the files that stand in for them.

    :param schema: file or text with job schemas; None for the Variable.
    :param labourers: file with labourers; None for the Variable and the Connections.
    :param offline: without a file, do not check the labourer instead of asking Airflow.
    :ivar labourer_id: of the job, once `labourer` has found it.
    :ivar remarks: what could not be checked.
    """

    def __init__(self, *, schema: str | None, labourers: str | None = None, offline: bool = False) -> None:
        self._schema, self._labourers, self._offline = schema, labourers, offline
        self.labourer_id = ""
        self.remarks: tuple[str, ...] = ()

    def schema(self, wanted: Any) -> JobSchema:
        """A job schema by its name, or from itself."""
        if not isinstance(wanted, str):
            return JobSchema.of(wanted, period_modules=_period_modules(wanted))
        given = self._schema
        if given is None:
            given = _variable(SCHEMAS_VARIABLE, "--schema")
            return job_schema_from(given, wanted, period_modules=_period_modules(given))
        text = given if given.lstrip().startswith("{") else read_bytes(given)
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

    def labourer(self, request: JobRequest, given: str | None) -> str:
        """The labourer's id, which must be registered.

        :param given: beside the job.
        """
        name = function_name(given) if given else None
        if name and request.lambda_name and name != request.lambda_name:
            raise ConflictingLabourers(name, request.lambda_name)
        labourer_id = name or request.lambda_name
        if labourer_id is None:
            raise UsageError("the job has no lambda_name. Fix: give --labourer")
        registered = self._registered()
        if registered is None:
            self.remarks = (
                "whether the labourer is registered was not checked: --labourers FILE names those that are",
            )
        elif labourer_id not in registered and not self._has_connection(labourer_id):
            raise UnknownLabourer(labourer_id, registered)
        self.labourer_id = labourer_id
        return labourer_id

    def _registered(self) -> Mapping[str, Any] | None:
        """The registered labourers; None if nothing names them."""
        if self._labourers is not None:
            return labourers_from(read_bytes(self._labourers))
        if self._offline:
            return None
        return labourers_from(_variable(LABOURERS_VARIABLE, "--labourers"))

    def _has_connection(self, labourer_id: str) -> bool:
        """Whether a Connection registers this labourer, if Airflow is asked at all."""
        if self._labourers is not None:
            return False
        from sosw_airflow.cli.deployments import is_labourer_connection

        return is_labourer_connection(labourer_id)


def _variable(name: str, option: str) -> str | None:
    from sosw_airflow.cli.deployments import read_variable

    try:
        return read_variable(name)
    except NoAirflowError:
        raise NoAirflowError(f"no Airflow here whose Variable {name} could be read. Fix: give {option}") from None


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
    from sosw_airflow.cli.deployments import period_modules

    try:
        return period_modules()
    except NoAirflowError:
        return period_modules_from(os.environ.get("AIRFLOW__SOSW__CUSTOM_PERIOD_MODULES", ""))
