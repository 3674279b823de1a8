"""What a page can change: each action with its question, its fields, and the function that does it.

The work is that of the commands of the same names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import UnknownJob
from sosw_airflow.exceptions.faults import counted

__all__ = ["DEPLOYMENT_ACTIONS", "JOB_ACTIONS", "LABOURER_ACTIONS", "Action", "ActionResult", "Entry", "Subject"]


@dataclass(frozen=True)
class Subject:
    """What an action is for.

    :ivar hook: of the Connection.
    :ivar user: a name for people.
    :ivar header: of the job, None for another subject.
    """

    hook: Any
    user: str
    labourer_id: str = ""
    header: Any = None


@dataclass(frozen=True)
class ActionResult:
    """What an action has done.

    :ivar job: the header of a job that it has made.
    :ivar findings: of an examination.
    """

    text: str
    job: Any = None
    findings: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A field of an action's form.

    :ivar kind: ``text``, ``number`` or ``checkbox``, as HTML has them.
    """

    name: str
    label: str
    kind: str = "text"
    most: int = 200


@dataclass(frozen=True)
class Action:
    """One action.

    :ivar title: what it does, for its link and its button.
    :ivar explanation: what follows from it, before the question.
    :ivar check: gives what is wrong with the form's fields; empty if nothing is.
    """

    name: str
    title: str
    explanation: str
    act: Callable[[Subject, Mapping[str, str]], ActionResult]
    entries: tuple[Entry, ...] = ()
    check: Callable[[Mapping[str, str]], str] = lambda fields: ""  # noqa: ARG005


def _repair(subject: Subject, fields: Mapping[str, str]) -> ActionResult:
    from sosw_airflow.scheduling.repair import repair
    from sosw_airflow.scheduling.scheduler import JobScheduler, Outcome

    unfinished = "leave" if fields.get("leave_unfinished") else "refuse"
    repaired = repair(JobScheduler(subject.hook.deployment()), subject.header.job_id, unfinished=unfinished)
    header = repaired.header
    if repaired.outcome is Outcome.FOUND:
        return ActionResult(f"Nothing to repair: no task of the job {header.job_id} has failed.")
    tasks = counted(header.tasks, "failed task")
    return ActionResult(f"The queue of {header.labourer_id} has {tasks} again, as a job of its own.", job=header)


def _cancel(subject: Subject, _: Mapping[str, str]) -> ActionResult:
    from sosw_airflow.scheduling.cancel import cancel_job

    deployment = subject.hook.deployment()
    cancelled = cancel_job(deployment, subject.header.job_id)
    if cancelled is None:
        raise UnknownJob(subject.header.job_id, table=deployment.tables.jobs_table)
    return ActionResult(f"The job is cancelled: {cancelled}.")


def _change(subject: Subject, **changed: Any) -> ActionResult:
    from sosw_airflow.orchestration.job_changes import change_job

    deployment = subject.hook.deployment()
    table, now = deployment.tables.jobs_table, deployment.now()
    change = change_job(deployment.dynamodb, table, subject.header.job_id, now=now, **changed)
    warning = change.warning()
    text = " ".join(f"The job has {each}." for each in change.texts())
    return ActionResult(f"{text} But {warning}" if warning else text)


def _set_limit(subject: Subject, fields: Mapping[str, str]) -> ActionResult:
    return _change(subject, max_running=int(_ungrouped(fields.get("max_running", "")) or 0))


def _ungrouped(text: str) -> str:
    """A number without its commas, which it may have where pages have them."""
    text = text.strip()
    return text.replace(",", "") if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+", text) else text


def _move(place: str) -> Callable[[Subject, Mapping[str, str]], ActionResult]:
    return lambda subject, _: _change(subject, place=place)


def _limit_problem(fields: Mapping[str, str]) -> str:
    text = _ungrouped(fields.get("max_running", ""))
    if text and not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        return "The limit must be a whole number from 1 to 9,999,999, or empty for no limit."
    return ""


def _pause(subject: Subject, fields: Mapping[str, str]) -> ActionResult:
    from sosw_airflow.orchestration.labourer_pause import LabourerPause, pause_labourer

    deployment = subject.hook.deployment()
    pause = LabourerPause(subject.user, int(deployment.now()), fields.get("reason", ""))
    pause_labourer(deployment.dynamodb, deployment.tables.jobs_table, subject.labourer_id, pause)
    return ActionResult("The labourer is paused. An orchestrator that runs claims no task of it after 15 seconds.")


def _resume(subject: Subject, _: Mapping[str, str]) -> ActionResult:
    from sosw_airflow.orchestration.labourer_pause import resume_labourer

    deployment = subject.hook.deployment()
    former = resume_labourer(deployment.dynamodb, deployment.tables.jobs_table, subject.labourer_id)
    return ActionResult(f"The pause by {former.by} has ended." if former else "The labourer was not paused.")


def _examine(subject: Subject, _: Mapping[str, str]) -> ActionResult:
    from sosw_airflow.doctor.findings import Level
    from sosw_airflow.hooks.doctor import examine_deployment, examine_labourer

    hook, labourer_id = subject.hook, subject.labourer_id
    found = list(examine_labourer(hook, labourer_id) if labourer_id else examine_deployment(hook))
    levels = [each.level for each in found]
    broken, warnings = levels.count(Level.ERROR), counted(levels.count(Level.WARNING), "warning")
    worst_first = sorted(found, key=lambda each: (Level.ERROR, Level.WARNING, Level.OK).index(each.level))
    text = f"{broken:,} broken, {warnings}, {levels.count(Level.OK):,} right."
    return ActionResult(text, findings=tuple(worst_first))


def _by_name(actions: Iterable[Action]) -> dict[str, Action]:
    return {each.name: each for each in actions}


_DOCTOR = Action(
    "doctor",
    "Run doctor",
    "It checks the Connection, the tables, the permissions and the labourers, and changes nothing. It sends some "
    "hundred requests to AWS.",
    _examine,
)

_FOLLOWS = "An orchestrator that runs follows within 20 seconds. sosw's own Orchestrator knows no such places."

JOB_ACTIONS = _by_name(
    (
        Action(
            "repair",
            "Repair the job",
            "Its failed tasks come into the queue again, as a job of its own. Each failed task comes once, however "
            "often the job is repaired.",
            _repair,
            (Entry("leave_unfinished", "Repair what has failed so far, though some tasks are still open", "checkbox"),),
        ),
        Action(
            "cancel",
            "Cancel the job",
            "The tasks that no worker has got leave the queue. What runs is not stopped. The job is never resumed.",
            _cancel,
        ),
        Action(
            "limit",
            "Limit the job",
            "Airflow's orchestrator invokes at most so many tasks of this job at once, and other jobs of the labourer "
            "pass it. An orchestrator that runs follows within 10 seconds.",
            _set_limit,
            (Entry("max_running", "Tasks at once at most (empty: no limit)", "number", 9_999_999),),
            _limit_problem,
        ),
        Action(
            "front",
            "Move to the front",
            "Airflow's orchestrator takes the tasks of this job before those of all others of the labourer; of several "
            "jobs at the front, those of the job that was moved first. Its rows stay where they are. "
            f"{_FOLLOWS}",
            _move("front"),
        ),
        Action(
            "back",
            "Move to the back",
            "Airflow's orchestrator takes the tasks of this job when it finds no others of the labourer. Its rows stay "
            f"where they are. {_FOLLOWS}",
            _move("back"),
        ),
        Action(
            "planned",
            "Give it its planned place",
            f"The tasks of this job come where they were planned, as if it had never been moved. {_FOLLOWS}",
            _move("planned"),
        ),
    )
)

LABOURER_ACTIONS = _by_name(
    (
        Action(
            "pause",
            "Pause the labourer",
            "Airflow's orchestrators invoke no further task of it until you resume it. What runs is closed as always. "
            "sosw's own Orchestrator does not know this pause.",
            _pause,
            (Entry("reason", "Reason, for those who see the pause"),),
        ),
        Action("resume", "Resume the labourer", "Airflow's orchestrators invoke its tasks again.", _resume),
        _DOCTOR,
    )
)

DEPLOYMENT_ACTIONS = _by_name((_DOCTOR,))
