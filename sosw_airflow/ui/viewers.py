"""The person who asks for a page, as Airflow's auth manager knows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sosw_airflow._compat.server import (
    access_view,
    auth_manager,
    dag_details,
    dag_runs_entity,
    name_of_user,
    pushed_in_run,
    variable_details,
    write_audit_log,
)
from sosw_airflow.config.registry import LABOURERS_VARIABLE
from sosw_airflow.jobs.redaction import redacted
from sosw_airflow.links.pages import JOB_KEY

__all__ = ["AirflowViewer", "PushedJob", "pushed_jobs"]


@dataclass(frozen=True)
class AirflowViewer:
    """A signed-in user.

    :ivar user: for the auth manager; empty for Airflow 2, whose auth manager knows the user of the request.
    """

    user: dict[str, Any]

    @property
    def name(self) -> str:
        """As the audit log has it."""
        return name_of_user(**self.user)

    def may_see_queues(self) -> bool:
        """The permission to see Airflow's UI."""
        return bool(auth_manager().is_authorized_view(access_view=access_view("WEBSITE"), **self.user))

    def may_read_dag(self, dag_id: str) -> bool:
        """The permission to read the DAG's runs."""
        return self._may("GET", dag_id)

    def may_change_dag(self, dag_id: str) -> bool:
        """The permission to change the DAG's runs, as to clear one."""
        return self._may("PUT", dag_id)

    def _may(self, method: str, dag_id: str) -> bool:
        return bool(
            auth_manager().is_authorized_dag(
                method=method, access_entity=dag_runs_entity(), details=dag_details(dag_id), **self.user
            )
        )

    def may_change_labourers(self) -> bool:
        """The permission to change the Variable that registers the labourers: it could set their limits to 0."""
        return bool(
            auth_manager().is_authorized_variable(
                method="PUT", details=variable_details(LABOURERS_VARIABLE), **self.user
            )
        )

    def record(self, event: str, details: Mapping[str, str], *, header: Any = None) -> None:
        """Write into Airflow's audit log what the user does now: with the DAG, the run and the task of a job."""
        of_job = {}
        if header is not None:
            of_job = {name: getattr(header, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
        write_audit_log(event, self.name, redacted(dict(details)), **of_job)


class PushedJob(NamedTuple):
    """A job that an Airflow task has announced, before it wrote it."""

    task_id: str
    map_index: int
    job_id: str
    conn_id: str


def pushed_jobs(dag_id: str, run_id: str, *, task_id: str | None, map_index: int | None) -> list[PushedJob]:
    """The jobs of a DAG run, or of one Airflow task instance."""
    found = []
    for task, index, value in pushed_in_run(dag_id, run_id, JOB_KEY, task_id=task_id, map_index=map_index):
        try:
            pushed = json.loads(value) if isinstance(value, str) else value
            # Airflow 3 stores the text of an XCom as JSON again.
            pushed = json.loads(pushed) if isinstance(pushed, str) else pushed
            found.append(PushedJob(task, index, str(pushed["job_id"]), str(pushed["conn_id"])))
        except (ValueError, TypeError, KeyError):  # noqa: PERF203 - an XCom of this name that is not ours
            continue
    return found
