"""Links from an Airflow task to its job's page, and to queue file, tasks and Lambda function in the AWS console.

Their addresses are XComs, pushed before the work begins, so that the links work while it runs. Airflow 3 reads them
under these names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseOperatorLink

# Airflow imports this module whenever it parses a DAG file: what only `push_links` needs is imported there.
if TYPE_CHECKING:
    from sosw_airflow.config.registry import Labourer
    from sosw_airflow.hooks.sosw import SoswHook

__all__ = ["LINKS", "FunctionLink", "FunctionLogsLink", "JobPageLink", "QueueFileLink", "TaskRowsLink", "push_links"]


class _PushedLink(BaseOperatorLink):
    """A link whose address `push_links` has pushed."""

    @property
    def xcom_key(self) -> str:
        """Name of the XCom with the address. Airflow 3 has the same by default, Airflow 2 knows no such name."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """The address, or an empty text."""
        from sosw_airflow._compat import pushed_xcom

        return pushed_xcom(ti_key, self.xcom_key) or ""


class JobPageLink(_PushedLink):
    """The job's page in Airflow's UI. Airflow 3.0 has no such page."""

    name = "sosw job"


class QueueFileLink(_PushedLink):
    """The queue file, which exists while the job is written."""

    name = "sosw queue file"


class TaskRowsLink(_PushedLink):
    """The labourer's rows in the table of tasks."""

    name = "sosw tasks"


class FunctionLink(_PushedLink):
    """The labourer's Lambda function."""

    name = "Labourer"


class FunctionLogsLink(_PushedLink):
    """The logs of the labourer's Lambda function."""

    name = "Labourer's logs"


_CONSOLE_LINKS = (QueueFileLink(), TaskRowsLink(), FunctionLink(), FunctionLogsLink())

LINKS = (JobPageLink(), *_CONSOLE_LINKS)


def push_links(ti: Any, hook: SoswHook, labourer: Labourer, job_id: str) -> None:
    """Push the job's id and its page, and the addresses in the console, which an emulator does not have."""
    from sosw_airflow._compat.server import pages_of_this_airflow, path_before_airflow
    from sosw_airflow.links.console import console_of_deployment, console_of_function, function_name
    from sosw_airflow.links.pages import JOB_KEY, PAGES, page_path
    from sosw_airflow.stores.queue_file_keys import queue_file_prefix

    ti.xcom_push(key=JOB_KEY, value={"job_id": job_id, "conn_id": hook.sosw_conn_id})
    if pages_of_this_airflow():
        path = page_path("c", hook.sosw_conn_id, "dags", ti.dag_id, "jobs", job_id)
        ti.xcom_push(key=JobPageLink().xcom_key, value=f"{path_before_airflow()}{PAGES}{path}")
    here = console_of_deployment(hook)
    if here is None:
        return
    settings, name = hook.settings, labourer.labourer_id
    there, function = console_of_function(labourer.arn, here), function_name(name, labourer.arn)
    addresses = (
        here.s3_objects(settings.queue_bucket, queue_file_prefix(settings.s3_prefix, job_id)),
        here.table_rows(settings.tasks_table, settings.index_greenfield, name),
        there.function(function),
        there.function_logs(function),
    )
    for link, address in zip(_CONSOLE_LINKS, addresses, strict=True):
        ti.xcom_push(key=link.xcom_key, value=address)
