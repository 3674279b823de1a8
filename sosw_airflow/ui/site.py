"""The site: which page answers which path, who may see it, and what is shown instead."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from sosw_airflow._compat.server import airflow_paths
from sosw_airflow.jobs.excerpts import printable
from sosw_airflow.jobs.identity import COMMAND_DAG_ID
from sosw_airflow.jobs.redaction import hides_payloads
from sosw_airflow.links.pages import PAGES, page_path
from sosw_airflow.ui.action_pages import ActionPages, ActionTarget
from sosw_airflow.ui.action_runs import ActionRuns
from sosw_airflow.ui.actions import Action
from sosw_airflow.ui.cached_reads import Reading
from sosw_airflow.ui.reading import LABOURER_ROWS, PAGE_TASKS, SoswReadings
from sosw_airflow.ui.rendering import page, static
from sosw_airflow.ui.requests import PageRequest, PageResponse
from sosw_airflow.ui.routes import ROUTES, is_permitted, refusal
from sosw_airflow.ui.task_query import TaskQuery

__all__ = ["Site"]

log = logging.getLogger(__name__)

#: An id of a job: 20 hex characters (SOSW.md 8).
_JOB_ID = re.compile(r"[0-9a-f]{20}")

#: Seconds between two refreshes of a page that is visible.
REFRESH_SECONDS = 5


class Site:
    """Answers requests.

    :param pushed_jobs: gives the jobs that the Airflow tasks of a DAG run have announced: `viewers.pushed_jobs`.
    """

    def __init__(
        self,
        pushed_jobs: Callable[..., list[Any]],
        readings: SoswReadings | None = None,
        runs: ActionRuns | None = None,
    ) -> None:
        self._pushed_jobs = pushed_jobs
        self._readings = readings or SoswReadings()
        self._actions = ActionPages(self._readings, runs or ActionRuns())

    def answer(self, request: PageRequest) -> PageResponse:
        """The answer to a request, whatever it asks for. Raises nothing that a user could cause."""
        for route in ROUTES:
            found = route.match(request.parts)
            if found is not None:
                break
        else:
            return self._problem(request, 404, "There is no such page.")
        if request.method not in route.methods:
            return self._problem(request, 405, f"This page answers {', '.join(route.methods)} requests only.")
        view: Callable[..., PageResponse] = getattr(self, f"_{route.view}")
        try:
            if not is_permitted(request.viewer, route.guard, found):
                return self._problem(request, 403, refusal(route.guard, found))
            if request.method == "POST" and not request.own_form:
                return self._problem(request, 403, _FOREIGN_FORM)
            with self._readings.cache.one_page(request.changed_at):
                return view(request, **found)
        except Exception:
            log.exception("The page %s could not be made.", printable("/".join(request.parts)[:300]))
            return self._problem(request, 500, "This page could not be made. Airflow's log has the details.")

    @staticmethod
    def _problem(request: PageRequest, status: int, text: str) -> PageResponse:
        return page(request, "problem.html", status=status, title=_TITLES[status], text=text, refresh=0)

    # -- views ---------------------------------------------------------------------------------------------------------

    def _static(self, request: PageRequest, name: str) -> PageResponse:
        return static(name) or self._problem(request, 404, "There is no such file.")

    def _start(self, request: PageRequest) -> PageResponse:
        found = self._readings.connections()
        if found.value is not None and len(found.value) == 1:
            return PageResponse(b"", 303, location=f"{request.root}{page_path('c', found.value[0])}")
        return page(request, "start.html", found=found, refresh=0)

    def _overview(self, request: PageRequest, conn_id: str) -> PageResponse:
        reading = self._readings.overview(conn_id)
        others = [each for each in self._readings.connections().value or () if each != conn_id]
        return page(
            request,
            "overview.html",
            now=int(time.time()),
            conn_id=conn_id,
            actions=self._offered(request, ActionTarget.deployment(conn_id)),
            reading=reading,
            others=others,
            refresh=REFRESH_SECONDS,
        )

    def _labourer(self, request: PageRequest, conn_id: str, labourer_id: str) -> PageResponse:
        reading = self._readings.labourer(conn_id, labourer_id)
        sight = reading.value
        if sight is not None and not sight.registered and sight.policy is None and not sight.glance.jobs:
            return self._problem(request, 404, f"No labourer {labourer_id} is registered, and it has no tasks.")
        return page(
            request,
            "labourer.html",
            conn_id=conn_id,
            labourer_id=labourer_id,
            actions=self._offered(request, ActionTarget.labourer(conn_id, labourer_id)),
            labourer_rows=LABOURER_ROWS,
            reading=reading,
            refresh=REFRESH_SECONDS,
        )

    def _header(self, conn_id: str, dag_id: str, job_id: str) -> Reading | None:
        """The header of a job of this DAG; None if the DAG has no such job."""
        header = self._readings.header(conn_id, job_id) if _JOB_ID.fullmatch(job_id) else Reading()
        is_foreign = header.value is not None and header.value.dag_id != dag_id
        is_missing = header.value is None and not header.problem and not header.waiting
        return None if is_foreign or is_missing else header

    def _no_job(self, request: PageRequest, dag_id: str, job_id: str) -> PageResponse:
        """The same words for a foreign job as for none: a viewer of one DAG learns nothing of another one's jobs."""
        return self._problem(request, 404, f"The DAG {dag_id} has no job {job_id} in this deployment.")

    def _job(self, request: PageRequest, conn_id: str, dag_id: str, job_id: str) -> PageResponse:
        header = self._header(conn_id, dag_id, job_id)
        if header is None:
            return self._no_job(request, dag_id, job_id)
        known = header.value
        reading = self._readings.job(conn_id, job_id) if known is not None else header
        sight = reading.value if known is not None else None
        asked = TaskQuery.of(request.query, job_id)
        tasks = self._tasks(conn_id, sight, asked) if sight is not None else Reading()
        # A search is not repeated by itself: it reads more than all the rest.
        is_settled = sight is not None and (sight.progress.over or bool(asked.text))
        return page(
            request,
            "job.html",
            conn_id=conn_id,
            dag_id=dag_id,
            job_id=job_id,
            is_command=dag_id == COMMAND_DAG_ID,
            family=self._visible(request, self._readings.family(conn_id, known) if known is not None else None, dag_id),
            now=time.time(),
            airflow=airflow_paths(request.root.removesuffix(PAGES), known) if known is not None else None,
            header=known,
            actions=self._offered(request, ActionTarget.job(conn_id, known), dag_id) if known is not None else (),
            reading=reading,
            sight=sight,
            asked=asked,
            tasks=tasks,
            page_tasks=PAGE_TASKS,
            hides_payloads=hides_payloads(),
            refresh=REFRESH_SECONDS if tasks.waiting or not is_settled else 0,
        )

    @staticmethod
    def _visible(request: PageRequest, reading: Reading | None, dag_id: str) -> list[Any]:
        """The relatives of a job that the viewer may read: a repair may be another DAG's."""
        family = (reading.value if reading is not None else None) or ()
        dags = {each.header.dag_id for each in family}
        readable = {each for each in dags if each == dag_id or request.viewer.may_read_dag(each)}
        return [each for each in family if each.header.dag_id in readable]

    @staticmethod
    def _offered(request: PageRequest, target: ActionTarget, dag_id: str = "") -> tuple[Action, ...]:
        """The actions that the viewer may carry out."""
        viewer = request.viewer
        may = viewer.may_change_dag(dag_id) if dag_id else viewer.may_change_labourers()
        return tuple(target.actions.values()) if may else ()

    def _tasks(self, conn_id: str, sight: Any, asked: TaskQuery) -> Reading:
        is_refused = bool(asked.text) and hides_payloads()
        if asked.problem or is_refused or (asked.index or 0) >= sight.progress.total:
            return Reading()
        if asked.text:
            return self._readings.search(conn_id, sight, asked.text, asked.start)
        if asked.cause:
            causes = sight.causes.causes if sight.causes is not None else ()
            message = next((each.message for each in causes if each.key == asked.cause), None)
            if message is None:
                return Reading()
            return self._readings.tasks_of_cause(conn_id, sight, message, asked.page)
        if asked.index is None:
            return self._readings.tasks(conn_id, sight, asked.state, asked.page)
        return self._readings.task(conn_id, sight, asked.index)

    def _deployment_action(self, request: PageRequest, conn_id: str, action: str) -> PageResponse:
        return self._action(request, ActionTarget.deployment(conn_id), action)

    def _labourer_action(self, request: PageRequest, conn_id: str, labourer_id: str, action: str) -> PageResponse:
        return self._action(request, ActionTarget.labourer(conn_id, labourer_id), action)

    def _job_action(self, request: PageRequest, conn_id: str, dag_id: str, job_id: str, action: str) -> PageResponse:
        header = self._header(conn_id, dag_id, job_id)
        if header is None:
            return self._no_job(request, dag_id, job_id)
        if header.value is None:
            return self._problem(request, 503, header.problem or "AWS has not answered yet. Try again.")
        return self._action(request, ActionTarget.job(conn_id, header.value), action)

    def _action(self, request: PageRequest, target: ActionTarget, name: str) -> PageResponse:
        action = target.actions.get(name)
        if action is None:
            return self._problem(request, 404, "There is no such action.")
        return self._actions.answer(request, target, action)

    def _dag_run(self, request: PageRequest, dag_id: str, run_id: str) -> PageResponse:
        return self._pushed(request, dag_id, run_id, task_id=None, map_index=None)

    def _task_instance(
        self, request: PageRequest, dag_id: str, run_id: str, task_id: str, map_index: str
    ) -> PageResponse:
        # Airflow leaves the placeholder as it is for an Airflow task that is not mapped.
        index = int(map_index) if re.fullmatch(r"-1|[0-9]{1,9}", map_index) else -1
        return self._pushed(request, dag_id, run_id, task_id=task_id, map_index=index)

    def _pushed(
        self, request: PageRequest, dag_id: str, run_id: str, *, task_id: str | None, map_index: int | None
    ) -> PageResponse:
        pushed = self._pushed_jobs(dag_id, run_id, task_id=task_id, map_index=map_index)
        jobs = [(each, self._readings.header(each.conn_id, each.job_id)) for each in pushed]
        return page(
            request,
            "pushed_jobs.html",
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            jobs=jobs,
            refresh=REFRESH_SECONDS,
        )


_TITLES = {
    403: "You may not do this",
    404: "Not found",
    405: "Not possible",
    500: "An error of sosw_airflow",
    503: "Not possible now",
}

_FOREIGN_FORM = (
    "This form was not sent by the page that Airflow has given you, or the page was open for more than an hour. "
    "Nothing was done. Open the page again. If it stays so, a proxy changes the header Host: set Airflow's base URL."
)
