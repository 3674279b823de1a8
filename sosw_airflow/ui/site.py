"""The site: which page answers which path, who may see it, and what is shown instead."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sosw_airflow.jobs.excerpts import printable
from sosw_airflow.jobs.identity import COMMAND_DAG_ID
from sosw_airflow.links.pages import page_path
from sosw_airflow.ui.cached_reads import Reading
from sosw_airflow.ui.reading import PAGE_TASKS, SoswReadings
from sosw_airflow.ui.rendering import page, static
from sosw_airflow.ui.requests import PageRequest, PageResponse
from sosw_airflow.ui.task_query import TaskQuery

__all__ = ["ROUTES", "Guard", "Site"]

log = logging.getLogger(__name__)

#: An id of a job: 20 hex characters (SOSW.md 8).
_JOB_ID = re.compile(r"[0-9a-f]{20}")

#: Seconds between two refreshes of a page that is visible.
REFRESH_SECONDS = 5


class Guard(str, Enum):
    """Who may see a page."""

    SIGNED_IN = "signed in"
    QUEUES = "may see queues"
    READ_DAG = "may read the DAG in the path"


@dataclass(frozen=True)
class Route:
    """A page.

    :ivar pattern: of the path; a part in braces is handed on by its name.
    """

    pattern: tuple[str, ...]
    guard: Guard
    view: str
    method: str = "GET"

    def match(self, parts: tuple[str, ...]) -> dict[str, str] | None:
        """The named parts of a path, or None if it is not this page's."""
        if len(parts) != len(self.pattern):
            return None
        found = {}
        for wanted, part in zip(self.pattern, parts, strict=True):
            if wanted.startswith("{"):
                found[wanted[1:-1]] = part
            elif wanted != part:
                return None
        return found


def _route(pattern: str, guard: Guard, view: str) -> Route:
    return Route(tuple(part for part in pattern.split("/") if part), guard, view)


#: Every page, each with its guard.
ROUTES = (
    _route("/", Guard.QUEUES, "start"),
    _route("/static/{name}", Guard.SIGNED_IN, "static"),
    _route("/c/{conn_id}", Guard.QUEUES, "overview"),
    _route("/c/{conn_id}/labourers/{labourer_id}", Guard.QUEUES, "labourer"),
    _route("/c/{conn_id}/dags/{dag_id}/jobs/{job_id}", Guard.READ_DAG, "job"),
    _route("/runs/{dag_id}/{run_id}", Guard.READ_DAG, "dag_run"),
    _route("/instances/{dag_id}/{run_id}/{task_id}/{map_index}", Guard.READ_DAG, "task_instance"),
)


class Site:
    """Answers requests.

    :param pushed_jobs: gives the jobs that the Airflow tasks of a DAG run have announced: `viewers.pushed_jobs`.
    """

    def __init__(self, pushed_jobs: Callable[..., list[Any]], readings: SoswReadings | None = None) -> None:
        self._pushed_jobs = pushed_jobs
        self._readings = readings or SoswReadings()

    def answer(self, request: PageRequest) -> PageResponse:
        """The answer to a request, whatever it asks for. Raises nothing that a user could cause."""
        if request.method not in ("GET", "HEAD"):
            return self._problem(request, 405, "This page only answers GET requests.")
        for route in ROUTES:
            found = route.match(request.parts)
            if found is not None:
                break
        else:
            return self._problem(request, 404, "There is no such page.")
        if not self._may(request, route.guard, found):
            return self._problem(request, 403, _REFUSALS[route.guard].format(**found))
        view: Callable[..., PageResponse] = getattr(self, f"_{route.view}")
        try:
            return view(request, **found)
        except Exception:
            log.exception("The page %s could not be made.", printable("/".join(request.parts)[:300]))
            return self._problem(request, 500, "This page could not be made. Airflow's log has the details.")

    def _may(self, request: PageRequest, guard: Guard, found: dict[str, str]) -> bool:
        viewer = request.viewer
        if guard is Guard.QUEUES:
            return viewer.may_see_queues()
        if guard is Guard.READ_DAG:
            # Airflow's own "every DAG" is no DAG here.
            return found["dag_id"] != "~" and viewer.may_read_dag(found["dag_id"])
        return True

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
            reading=reading,
            refresh=REFRESH_SECONDS,
        )

    def _job(self, request: PageRequest, conn_id: str, dag_id: str, job_id: str) -> PageResponse:
        header = self._readings.header(conn_id, job_id) if _JOB_ID.fullmatch(job_id) else Reading()
        known = header.value
        # The same words for both, so that a viewer of one DAG learns nothing of another one's jobs.
        is_foreign = known is not None and known.dag_id != dag_id
        if is_foreign or (known is None and not header.problem and not header.waiting):
            return self._problem(request, 404, f"The DAG {dag_id} has no job {job_id} in this deployment.")
        reading = self._readings.job(conn_id, job_id) if known is not None else header
        sight = reading.value if known is not None else None
        asked = TaskQuery.of(request.query, job_id)
        tasks = self._tasks(conn_id, sight, asked) if sight is not None else Reading()
        return page(
            request,
            "job.html",
            conn_id=conn_id,
            dag_id=dag_id,
            job_id=job_id,
            is_command=dag_id == COMMAND_DAG_ID,
            header=known,
            reading=reading,
            sight=sight,
            asked=asked,
            tasks=tasks,
            page_tasks=PAGE_TASKS,
            refresh=0 if sight is not None and sight.progress.over else REFRESH_SECONDS,
        )

    def _tasks(self, conn_id: str, sight: Any, asked: TaskQuery) -> Reading:
        if asked.problem:
            return Reading()
        if asked.index is None:
            return self._readings.tasks(conn_id, sight, asked.state, asked.page)
        if asked.index >= sight.progress.total:
            return Reading()
        return self._readings.task(conn_id, sight, asked.index)

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


_TITLES = {403: "You may not see this", 404: "Not found", 405: "Not possible", 500: "An error of sosw_airflow"}

_REFUSALS = {
    Guard.SIGNED_IN: "Sign in to Airflow first.",
    Guard.QUEUES: "Your role in Airflow does not include this page. Ask an administrator for it.",
    Guard.READ_DAG: "Your role in Airflow does not include reading the DAG {dag_id}.",
}
