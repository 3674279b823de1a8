"""The connection type `sosw`: its extras, its AWS clients, the deployment that it describes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseHook, configured, find_connection, get_variable, redact
from sosw_airflow.config.options import (
    hides_payloads_from,
    max_invocations_from,
    max_tasks_from,
    period_modules_from,
    sends_ready_from,
)
from sosw_airflow.config.registry import (
    LABOURER_CONN_TYPE,
    LABOURERS_VARIABLE,
    SCHEMAS_VARIABLE,
    Labourer,
    job_schema_from,
    labourers_from,
)
from sosw_airflow.config.settings import SoswSettings
from sosw_airflow.connection_forms import SOSW_FORM, form_behaviour, form_widgets
from sosw_airflow.exceptions import Fault, InvalidConfiguration, SoswError, UnknownLabourer
from sosw_airflow.hooks.aws_clients import CONNECTIONS, AwsClients
from sosw_airflow.jobs import redaction
from sosw_airflow.jobs.json_documents import read_object
from sosw_airflow.jobs.rendered_texts import rendered_wrongly
from sosw_airflow.jobs.schema import JobSchema

if TYPE_CHECKING:
    from sosw_airflow.jobs.cost import Usage
    from sosw_airflow.waiting.task_results import TaskResult

__all__ = [
    "SoswHook",
    "default_max_invocations",
    "default_max_tasks",
    "extras_of",
    "hide_what_airflow_hides",
    "period_modules",
]


def period_modules() -> tuple[str, ...]:
    """Modules whose functions a job schema may name, by Airflow's configuration."""
    return period_modules_from(configured("custom_period_modules"))


def default_max_tasks() -> int:
    """The most tasks of a job, by Airflow's configuration."""
    return max_tasks_from(configured("max_tasks"))


def default_max_invocations() -> int:
    """The tasks of a labourer without a limit of its own that run at once, by Airflow's configuration."""
    return max_invocations_from(configured("max_simultaneous_invocations"))


def hide_what_airflow_hides() -> None:
    """Let this process hide the secrets that Airflow masks, and payloads if its configuration says so."""
    redaction.install(redact, hides_payloads=lambda: hides_payloads_from(configured("hide_payloads")))


# Everything that schedules, waits or examines goes through this module.
hide_what_airflow_hides()

log = logging.getLogger(__name__)


def extras_of(connection: Any, conn_id: str) -> dict[str, Any]:
    """The extras as a mapping; empty if the Connection has none.

    :raises InvalidConfiguration: they are not a JSON object. Airflow itself treats extras that are not JSON as empty.
    """
    text = connection.extra
    if not text or not text.strip():
        return {}
    try:
        read_object(text, InvalidConfiguration, place="extra")
    except InvalidConfiguration as error:
        problem = f"has extras that are not a JSON object ({'; '.join(map(str, error.faults))})"
        raise InvalidConfiguration([Fault(f"Connection {conn_id}", problem)]) from None
    # Read in this way, Airflow masks what is secret in them.
    return _without_doubles(connection.extra_dejson, f"extra__{connection.conn_type}__")


def _without_doubles(extras: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The button "Test" of Airflow 2 sends each field of the form twice, once as ``extra__sosw__<name>``."""
    return {
        name: value
        for name, value in extras.items()
        if not (name.startswith(prefix) and name.removeprefix(prefix) in extras)
    }


class SoswHook(BaseHook):
    """Reads the sosw Connection and the Variables, and makes the AWS clients. Reads nothing before it is needed.

    :param sosw_conn_id: a Connection of type ``sosw``; its extras are described at `SoswSettings`.
    """

    conn_name_attr = "sosw_conn_id"
    default_conn_name = "sosw_default"
    conn_type = "sosw"
    hook_name = "sosw"

    def __init__(self, sosw_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.sosw_conn_id = sosw_conn_id
        #: A sentence for each extra that is no setting; known once `settings` was read.
        self.ignored_extras: list[str] = []

    @cached_property
    def settings(self) -> SoswSettings:
        """The names and addresses of the deployment.

        :raises InvalidConfiguration: the Connection does not exist, or it has faults.
        """
        connection = find_connection(self.sosw_conn_id)
        if connection is None:
            if wrong := rendered_wrongly(self.sosw_conn_id):
                raise InvalidConfiguration([Fault("sosw_conn_id", wrong)])
            problem = f"does not exist: create it with  {self.creation_command}"
            raise InvalidConfiguration([Fault(f"Connection {self.sosw_conn_id}", problem)])
        extras = extras_of(connection, self.sosw_conn_id)
        settings = SoswSettings.of(extras, conn_id=self.sosw_conn_id)
        self.ignored_extras = list(SoswSettings.ignored(extras, conn_id=self.sosw_conn_id))
        for text in self.ignored_extras:
            log.warning("%s", text)
        return settings

    @property
    def creation_command(self) -> str:
        """The shell command that creates the Connection; the bucket's name is left to the user."""
        extra = '{"queue_bucket": "..."}'
        return f"airflow connections add {self.sosw_conn_id} --conn-type sosw --conn-extra '{extra}'"

    def labourer(self, labourer_id: str) -> Labourer:
        """A registered labourer, from the Variable or else from a Connection of type ``sosw_labourer``.

        :raises UnknownLabourer: neither has it.
        """
        registered = labourers_from(get_variable(LABOURERS_VARIABLE))
        if labourer_id in registered:
            return registered[labourer_id]
        connection = find_connection(labourer_id)
        if connection is not None and connection.conn_type == LABOURER_CONN_TYPE:
            place = f"Connection {labourer_id}, extra"
            return Labourer.of(labourer_id, extras_of(connection, labourer_id), place=place)
        raise UnknownLabourer(labourer_id, registered)

    def labourers(self) -> dict[str, Labourer]:
        """The labourers of the Variable ``sosw_labourers``, by id; those that are Connections are not listed.

        :raises InvalidConfiguration: the Variable is faulty.
        """
        return labourers_from(get_variable(LABOURERS_VARIABLE))

    def job_schema(self, name: str) -> JobSchema:
        """A variant of the job schema, from the Variable.

        :raises UnknownJobSchema: the Variable has none of this name.
        """
        return job_schema_from(get_variable(SCHEMAS_VARIABLE), name, period_modules=period_modules())

    def get_conn(self) -> Any:
        """A boto3 DynamoDB client."""
        return self.client("dynamodb")

    def client(
        self,
        service: str,
        *,
        attempts: int = 10,
        region_name: str | None = None,
        connections: int = CONNECTIONS,
        read_timeout: float | None = None,
    ) -> Any:
        """A boto3 client with the credentials, the region and the endpoint of the Connection, safe for threads.

        :param attempts: that botocore makes for a request, unless the user has set another number. 1 is always kept:
            for requests that must not be sent twice.
        :param region_name: another than the Connection's.
        :param connections: kept open: requests at the same time, unless the user has set another number.
        :param read_timeout: seconds that an answer may take at least, whatever the user has set; None for the default.
        :raises InvalidConfiguration: no region is known, or the AWS Connection cannot be used.
        :raises MissingCredentials: no credentials are found.
        :raises AccessDenied: the role of the AWS Connection may not be assumed.
        """
        return self._clients.client(
            service, attempts=attempts, region_name=region_name, connections=connections, read_timeout=read_timeout
        )

    @property
    def usage(self) -> Usage:
        """What the requests of this hook's clients have used so far, as AWS counts it."""
        return self._clients.meter.usage

    @cached_property
    def _clients(self) -> AwsClients:
        return AwsClients(self.settings, self.sosw_conn_id, sends_ready=sends_ready_from(configured("wire")))

    def deployment(self) -> Any:
        """The deployment that the Connection describes, a `sosw_airflow.stores.deployment.Deployment`."""
        return self._deployment

    @cached_property
    def _deployment(self) -> Any:
        from sosw_airflow.stores.deployment import Deployment

        settings = self.settings
        return Deployment(
            dynamodb=self.client("dynamodb"),
            dynamodb_once=self.client("dynamodb", attempts=1),
            s3=self.client("s3"),
            s3_once=self.client("s3", attempts=1),
            tables=settings.table_names(),
            queue_bucket=settings.queue_bucket,
            s3_prefix=settings.s3_prefix,
            now=time.time,
            max_rows_per_second=settings.max_rows_per_second,
            lambda_payload_limit=settings.lambda_payload_limit,
        )

    def results(self, job_id: object, state: str | None = None) -> Iterator[TaskResult]:
        """The results of a job's tasks, in the job's order, one for each task. The memory does not grow with the job.

        Each task costs half a read unit for each 4 KB of its row: 500,000 units for a million small tasks. A task that
        is not closed costs up to three times that. With ``state="failed"`` only failed tasks are read, and the index:
        16 units for each 1,000 tasks that the labourer has closed since.

        Secrets in payloads, results and errors are not hidden: your code may need them.

        :param job_id: of the job, or its summary (the XCom of the Airflow task that scheduled it).
        :param state: only tasks in this state: ``completed``, ``failed``, ``queued``, ``running``, ``retrying`` or
            ``unknown`` (in no table: not written yet, removed by a cancellation, or its time to live has ended).
        :raises UnknownJob: there is no record of the job.
        :raises JobDelivered: sosw's own Scheduler has written its tasks, under ids that are not known here.
        :raises InvalidConfiguration: ``job_id`` or ``state`` is none.
        """
        from sosw_airflow.jobs.identity import is_empty_job, parse_job_id
        from sosw_airflow.waiting.results import read_results

        if is_empty_job(job_id):
            return iter(())
        deployment = self.deployment()
        return read_results(deployment.dynamodb, deployment.tables, parse_job_id(job_id), state=state)

    def test_connection(self) -> tuple[bool, str]:
        """Check each table, index and the bucket: Airflow's "Test" button. Says what is wrong first, and its fix."""
        from sosw_airflow.doctor.findings import Level
        from sosw_airflow.doctor.tables import examine

        try:
            findings = list(examine(self.examined()))
        except SoswError as error:
            return False, str(error)
        worst_first = sorted(findings, key=lambda each: (Level.ERROR, Level.WARNING, Level.OK).index(each.level))
        marks = {Level.ERROR: "WRONG: ", Level.WARNING: "Note: ", Level.OK: ""}
        lines = [*(f"{marks[each.level]}{each}" for each in worst_first), *(f"Note: {e}" for e in self.ignored_extras)]
        text = "\n".join(lines)
        return not any(each.level is Level.ERROR for each in findings), text

    def examined(self) -> Any:
        """The deployment with clients that give up soon, to examine one that may not work."""
        from dataclasses import replace

        dynamodb, s3 = self.client("dynamodb", attempts=2), self.client("s3", attempts=2)
        return replace(self.deployment(), dynamodb=dynamodb, dynamodb_once=dynamodb, s3=s3, s3_once=s3)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's fields, for Airflow before 3.2; later versions read them from the provider info."""
        return form_widgets(SOSW_FORM)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Which of Airflow's own fields are shown, and how."""
        return form_behaviour(SOSW_FORM)
