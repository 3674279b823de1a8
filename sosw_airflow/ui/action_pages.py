"""The pages of actions: the question, and what was done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sosw_airflow.exceptions import SoswError
from sosw_airflow.ui.action_runs import ActionRun, ActionRuns
from sosw_airflow.ui.actions import DEPLOYMENT_ACTIONS, JOB_ACTIONS, LABOURER_ACTIONS, Action, Subject
from sosw_airflow.ui.forms import TOKEN
from sosw_airflow.ui.reading import SoswReadings
from sosw_airflow.ui.rendering import job_parts, page
from sosw_airflow.ui.requests import PageRequest, PageResponse

__all__ = ["ActionPages", "ActionTarget"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActionTarget:
    """What the actions of one page are for.

    :ivar back: parts of the page's address.
    :ivar details: what the audit log has of it.
    :ivar name: for people.
    """

    conn_id: str
    back: tuple[str, ...]
    name: str
    details: Mapping[str, str]
    actions: Mapping[str, Action]
    labourer_id: str = ""
    header: Any = None

    @classmethod
    def deployment(cls, conn_id: str) -> ActionTarget:
        """A whole deployment."""
        return cls(conn_id, ("c", conn_id), conn_id, {"conn_id": conn_id}, DEPLOYMENT_ACTIONS)

    @classmethod
    def labourer(cls, conn_id: str, labourer_id: str) -> ActionTarget:
        """A labourer."""
        details = {"conn_id": conn_id, "labourer_id": labourer_id}
        back = ("c", conn_id, "labourers", labourer_id)
        return cls(conn_id, back, labourer_id, details, LABOURER_ACTIONS, labourer_id)

    @classmethod
    def job(cls, conn_id: str, header: Any) -> ActionTarget:
        """A job."""
        details = {"conn_id": conn_id, "job_id": header.job_id}
        back = job_parts(conn_id, header)
        return cls(conn_id, back, header.job_id, details, JOB_ACTIONS, header.labourer_id, header)


class ActionPages:
    """Asks before an action, and carries it out."""

    def __init__(self, readings: SoswReadings, runs: ActionRuns) -> None:
        self._readings, self._runs = readings, runs

    def answer(self, request: PageRequest, target: ActionTarget, action: Action) -> PageResponse:
        """The question, or for a form that was sent what its action has done. 409: it was refused, 202: it runs."""
        if request.method != "POST":
            return self._shown(request, target, action)
        if problem := action.check(request.fields):
            return self._shown(request, target, action, problem=problem, status=400)
        asked = {name: text for name, text in request.fields.items() if name != TOKEN}
        known = {entry.name: asked[entry.name][:500] for entry in action.entries if asked.get(entry.name)}
        # Before the act: what cannot be recorded is not done.
        request.viewer.record(f"sosw.{action.name}", {**target.details, **known}, header=target.header)
        log.info("%s by %r: %r", action.title, request.viewer.name, target.name)
        # Who sends the same form again waits for the one that runs. Another one is another action.
        subject = (action.name, *target.back, *known.items())
        run = self._runs.run(subject, self._act(target, action, known, request.viewer.name))
        status = 202 if not run.over.is_set() else 409 if run.problem else 200
        answer = self._shown(request, target, action, run=run, status=status)
        return replace(answer, changed=True)

    def _act(self, target: ActionTarget, action: Action, fields: Mapping[str, str], user: str) -> Callable[[], Any]:
        def act() -> Any:
            try:
                hook = self._readings.hook(target.conn_id)
                if target.labourer_id and target.header is None:
                    hook.labourer(target.labourer_id)  # a typo in the address pauses nothing
                return action.act(Subject(hook, user, target.labourer_id, target.header), fields)
            except SoswError as error:
                log.warning("%s of %r was refused: %s", action.title, target.name, error)
                raise
            finally:
                self._readings.cache.expire(target.conn_id)

        return act

    @staticmethod
    def _shown(
        request: PageRequest,
        target: ActionTarget,
        action: Action,
        *,
        run: ActionRun | None = None,
        problem: str = "",
        status: int = 200,
    ) -> PageResponse:
        return page(
            request,
            "action.html",
            status=status,
            conn_id=target.conn_id,
            subject=target.name,
            action=action,
            here=(*target.back, "actions", action.name),
            back=target.back,
            fields=request.fields,
            problem=problem,
            run=run,
            refresh=0,
        )
