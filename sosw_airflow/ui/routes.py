"""The pages: path, methods, and who may see or do what. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sosw_airflow.ui.requests import Viewer

__all__ = ["ROUTES", "Guard", "Route", "is_permitted", "refusal"]


class Guard(str, Enum):
    """Who may see a page, or do what it offers."""

    SIGNED_IN = "signed in"
    QUEUES = "may see queues"
    READ_DAG = "may read the DAG in the path"
    CHANGE_DAG = "may change the DAG in the path"
    CHANGE_LABOURERS = "may change how labourers work"


@dataclass(frozen=True)
class Route:
    """A page.

    :ivar pattern: of the path; a part in braces is handed on by its name.
    """

    pattern: tuple[str, ...]
    guard: Guard
    view: str
    methods: tuple[str, ...] = ("GET", "HEAD")

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


def _action(pattern: str, guard: Guard, view: str) -> Route:
    """A question and, once it is answered, its action: the same path and the same guard for both."""
    path = tuple(part for part in f"{pattern}/actions/{{action}}".split("/") if part)
    return Route(path, guard, view, ("GET", "HEAD", "POST"))


#: Every page, each with its guard.
ROUTES = (
    _route("/", Guard.QUEUES, "start"),
    _route("/static/{name}", Guard.SIGNED_IN, "static"),
    _route("/c/{conn_id}", Guard.QUEUES, "overview"),
    _route("/c/{conn_id}/labourers/{labourer_id}", Guard.QUEUES, "labourer"),
    _route("/c/{conn_id}/dags/{dag_id}/jobs/{job_id}", Guard.READ_DAG, "job"),
    _route("/runs/{dag_id}/{run_id}", Guard.READ_DAG, "dag_run"),
    _route("/instances/{dag_id}/{run_id}/{task_id}/{map_index}", Guard.READ_DAG, "task_instance"),
    _action("/c/{conn_id}", Guard.CHANGE_LABOURERS, "deployment_action"),
    _action("/c/{conn_id}/labourers/{labourer_id}", Guard.CHANGE_LABOURERS, "labourer_action"),
    _action("/c/{conn_id}/dags/{dag_id}/jobs/{job_id}", Guard.CHANGE_DAG, "job_action"),
)


def is_permitted(viewer: Viewer, guard: Guard, found: dict[str, str]) -> bool:
    """Whether the viewer passes the guard of a page.

    :param found: the named parts of its path.
    """
    if guard is Guard.QUEUES:
        return viewer.may_see_queues()
    if guard is Guard.CHANGE_LABOURERS:
        return viewer.may_change_labourers()
    if guard in (Guard.READ_DAG, Guard.CHANGE_DAG):
        # Airflow's own "every DAG" is no DAG here.
        may = viewer.may_read_dag if guard is Guard.READ_DAG else viewer.may_change_dag
        return found["dag_id"] != "~" and may(found["dag_id"])
    return True


def refusal(guard: Guard, found: dict[str, str]) -> str:
    """What a page says to a viewer who does not pass its guard."""
    return _REFUSALS[guard].format(**found)


_REFUSALS = {
    Guard.SIGNED_IN: "Sign in to Airflow first.",
    Guard.QUEUES: "Your role in Airflow does not include this page. Ask an administrator for it.",
    Guard.READ_DAG: "Your role in Airflow does not include reading the DAG {dag_id}.",
    Guard.CHANGE_DAG: "Your role in Airflow does not include changing the runs of the DAG {dag_id}.",
    Guard.CHANGE_LABOURERS: "Your role in Airflow does not include changing the Variable sosw_labourers, "
    "which this action needs.",
}
