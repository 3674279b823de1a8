"""What the sources of a job may read, and with which Connections."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sosw_airflow._compat import find_connection, hook_of
from sosw_airflow.exceptions import Fault, InvalidConfiguration, SourceNotAllowed
from sosw_airflow.hooks.aws_clients import AwsClients
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.event import JobRequest
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.sources import SourcedJob
from sosw_airflow.sources.job_sources import ReadJob, read_sources
from sosw_airflow.sources.reading import missing_package

__all__ = ["Expand", "SourceAccess"]

log = logging.getLogger(__name__)

#: Checks a job, whose values are in their places.
Expand = Callable[[JobRequest], Expansion]


class SourceAccess:
    """Reads the sources of a job with the Connections of Airflow.

    :param hook: of the sosw Connection, with whose credentials a source reads that names no Connection.
    :param allowed: ids of Connections that a source may name; None for all, if the user of a command gives the job.
    """

    def __init__(self, hook: SoswHook, allowed: Collection[str] | None) -> None:
        self._hook, self._allowed = hook, allowed

    def check(self, request: JobRequest, sourced: SourcedJob, expand: Expand) -> None:
        """Check all of the job but the values of its sources. Reads nothing.

        :raises SourceNotAllowed: a source names a Connection that is not allowed.
        :raises InvalidJob: whatever the sources give, the job has faults.
        """
        for source, place in sourced.sources.items():
            conn_id = source.connection
            if conn_id is not None and self._allowed is not None and conn_id not in self._allowed:
                raise SourceNotAllowed(conn_id, place=place)
        expand(replace(request, job=sourced.with_stand_ins()))

    @contextmanager
    def read(
        self, request: JobRequest, sourced: SourcedJob, expand: Expand, *, check: Callable[[], None]
    ) -> Iterator[tuple[Expansion, str]]:
        """Read the sources. Inside, the expansion can be walked through; with it comes what the sources were.

        :param check: called now and then; may raise.
        :raises SoswError: a source cannot be read, or the job with its values is refused.
        """
        with self.expanded(request, sourced, expand, check=check) as (expansion, read):
            for warning in expansion.warnings:
                log.warning("%s", warning)
            yield expansion, read.versions

    @contextmanager
    def expanded(
        self,
        request: JobRequest,
        sourced: SourcedJob,
        expand: Expand,
        *,
        sample: int | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Expansion, ReadJob]]:
        """The same, perhaps with the first values of each source only, and all that is known of the reading.

        :param sample: read only the first so many values of each.
        """
        with read_sources(sourced, self, sample=sample, check=check) as read:
            expansion = expand(replace(request, job=read.job))
            if not expansion.tasks:
                read.refuse_no_tasks()
            yield expansion, read

    def s3(self, aws_conn_id: str | None) -> Any:
        """A boto3 S3 client of an AWS Connection; None: of the sosw Connection.

        :raises InvalidConfiguration: the AWS Connection does not exist, or cannot be used.
        """
        if aws_conn_id is None:
            return self._hook.client("s3")
        if find_connection(aws_conn_id) is None:
            raise InvalidConfiguration([Fault(f"Connection {aws_conn_id}", "does not exist, and a source names it")])
        # Another account may be elsewhere: the AWS Connection alone says where.
        settings = replace(self._hook.settings, aws_conn_id=aws_conn_id, endpoint_url=None, region_name=None)
        return AwsClients(settings, aws_conn_id, sends_ready=False).client("s3")

    def sql(self, conn_id: str) -> Any:
        """A hook of a SQL Connection.

        :raises InvalidConfiguration: the Connection does not exist, or is none of a SQL database.
        """
        path = f"Connection {conn_id}"
        with missing_package("sql", "apache-airflow-providers-common-sql", path):
            from airflow.providers.common.sql.hooks.sql import DbApiHook
        connection = find_connection(conn_id)
        if connection is None:
            raise InvalidConfiguration([Fault(path, "does not exist, and a source names it")])
        hook = hook_of(connection)
        if not isinstance(hook, DbApiHook):
            problem = f"is of the type {connection.conn_type!r}, for which no provider of a SQL database is installed"
            raise InvalidConfiguration([Fault(path, problem)])
        return hook
