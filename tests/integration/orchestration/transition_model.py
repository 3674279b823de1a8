"""The transitions of task rows as the code makes them, and a model of a dozen lines a transition beside it.

`Actors` sends the real requests of orchestrators, workers, sosw's programs and a cancellation to any DynamoDB. They act
on rows that they have read before, so they may be late. `Model` says what must come of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.orchestration import assistant
from sosw_airflow.orchestration.readings import LabourerRows
from sosw_airflow.orchestration.task_rows import INVOCATION_DELTA, TaskRow
from sosw_airflow.orchestration.transitions import Transitions
from sosw_airflow.stores.tables import TableNames

__all__ = ["OPERATIONS", "START", "Actors", "Model", "Place", "apply", "snapshot"]

LABOURER = "worker"
START = 1_795_431_627
OWNERS = ("here", "there")

#: Few tasks, of which little is remembered: then the acts meet each other.
_MOST_TASKS, _REMEMBERED = 2, 4

#: Each operation with the number of its arguments, which choose a row, a claim or a task.
OPERATIONS: dict[str, int] = {
    "add": 0,
    "pass_time": 0,
    "read": 0,
    "claim": 2,
    "give_back": 1,
    "report": 3,
    "report_without_attempt": 1,
    "ghost": 1,
    "complete": 1,
    "retry": 1,
    "requeue": 1,
    "complete_retry": 1,
    "fail": 1,
    "claim_by_sosw": 1,
    "cancel": 1,
}


@dataclass(frozen=True)
class Reading:
    """A row that was read once.

    :ivar waits: it was in the retry table.
    """

    row: TaskRow
    waits: bool


@dataclass(frozen=True)
class Claim:
    """A claim of one orchestrator, or of sosw's (``owner`` is empty)."""

    owner: str
    row: TaskRow


class Actors:
    """All who change rows, on one DynamoDB.

    :ivar now: seconds since 1970.  :ivar readings: and ``claims``: what may be acted on, in order.
    """

    def __init__(self, dynamodb: Any, prefix: str = "") -> None:
        self.dynamodb, self.prefix, self.tables = dynamodb, prefix, TableNames()
        self.labourer_id = prefix + LABOURER
        self.transitions = {owner: Transitions(dynamodb, self.tables, owner) for owner in OWNERS}
        self.rows = LabourerRows(dynamodb, self.tables, self.labourer_id)
        self.now = START
        self.tasks: list[str] = []
        self.readings: list[Reading] = []
        self.claims: list[Claim] = []

    def add(self) -> None:
        """A Scheduler puts a task into the queue."""
        task_id = f"{self.prefix}{len(self.tasks):08x}"
        self.tasks.append(task_id)
        item = {
            "task_id": {"S": task_id},
            "labourer_id": {"S": self.labourer_id},
            "payload": {"S": "{}"},
            "created_at": {"N": "1"},
            "greenfield": {"N": str(1000 * len(self.tasks) + 1000)},
            "attempts": {"N": "0"},
        }
        self.dynamodb.put_item(TableName=self.tables.tasks_table, Item=item)

    def read(self) -> int:
        """An orchestrator reads all rows."""
        rows = [*self.rows.head(now=self.now, rows=100), *self.rows.invoked(now=self.now)]
        waiting = self.rows.due_retries(now=self.now + 10**6, rows=100)
        self.readings += [Reading(row, False) for row in rows] + [Reading(row, True) for row in waiting]
        return len(rows) + len(waiting)

    def claim(self, row: TaskRow, owner: str) -> bool:
        """An orchestrator claims a row, and invokes it."""
        claimed = self.transitions[owner].claim(row, now=self.now)
        if claimed is not None:
            self.claims.append(Claim(owner, claimed))
        return claimed is not None

    def claim_by_sosw(self, row: TaskRow) -> bool:
        """sosw's Orchestrator marks a row (ORCHESTRATION.md 5.1)."""
        try:
            self.dynamodb.update_item(
                TableName=self.tables.tasks_table,
                Key={"task_id": {"S": row.task_id}},
                UpdateExpression="SET greenfield = :new, attempts = attempts + :one",
                ConditionExpression="greenfield < :start",
                ExpressionAttributeValues={
                    ":new": {"N": str(self.now + INVOCATION_DELTA)},
                    ":one": {"N": "1"},
                    ":start": {"N": str(self.now)},
                },
            )
        except ClientError:
            return False
        # Its worker gets the row as it was read.
        self.claims.append(Claim("", replace(row, attempts=row.attempts + 1)))
        return True

    def report(self, claim: Claim, *, ok: bool, fenced: bool = True) -> bool:
        """The worker of an attempt reports to our assistant."""
        envelope = {
            "requestContext": {"condition": "Success" if ok else "RetriesExhausted"},
            "requestPayload": {
                "task_id": claim.row.task_id,
                "labourer_id": self.labourer_id,
                "attempts": claim.row.attempts - 1,
            },
        }
        event = envelope if fenced else {"action": "mark_task_as_completed", "task_id": claim.row.task_id}
        found = assistant.report_of(event)
        assert found is not None
        names = {"tasks_table": self.tables.tasks_table, "retry_tasks_table": self.tables.retry_tasks_table}
        return assistant.mark(self.dynamodb, found, now=self.now, **names)

    def ghost(self, task_id: str) -> None:
        """sosw's assistant marks a task as completed, whether its row exists or not (ORCHESTRATION.md 7.1)."""
        self.dynamodb.update_item(
            TableName=self.tables.tasks_table,
            Key={"task_id": {"S": task_id}},
            UpdateExpression="SET completed_at = :now",
            ExpressionAttributeValues={":now": {"N": str(self.now)}},
        )

    def cancel(self, task_id: str) -> bool:
        """A cancellation removes a task that was never invoked (`scheduling.cancel`)."""
        try:
            self.dynamodb.delete_item(
                TableName=self.tables.tasks_table,
                Key={"task_id": {"S": task_id}},
                ConditionExpression="attempts = :none",
                ExpressionAttributeValues={":none": {"N": "0"}},
            )
        except ClientError:
            return False
        return True


class Place(dict[str, Any]):
    """A task of the model: ``table``, ``greenfield``, ``attempts``, ``completed``, ``failed``, ``claimed_by``."""


@dataclass
class Model:
    """What must be in the tables.

    :ivar rows: by task: the row in `sosw_tasks`, without those of ghosts.  :ivar retries: in the retry table.
    :ivar closed: 1 completed, 0 failed.  :ivar ghosts: items that sosw's assistant has made.
    """

    rows: dict[str, Place] = field(default_factory=dict)
    retries: dict[str, Place] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    ghosts: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)

    def as_read(self, row: TaskRow) -> Place | None:
        """The row, if it is at the same place and attempt as when it was read, and not completed."""
        found = self.rows.get(row.task_id)
        same = found is not None and (found["greenfield"], found["attempts"]) == (row.greenfield, row.attempts)
        return found if same and found is not None and not found["completed"] else None


def apply(actors: Actors, model: Model, name: str, numbers: tuple[int, ...]) -> Any:
    """Carry out one operation in both. Returns what it came to; None if there was nothing to act on.

    :raises AssertionError: the code decides otherwise than the model.
    """
    act = _ACTS[name]
    found, wanted = act(actors, model, *numbers)
    assert found == wanted, f"{name}: {found}, and by the model {wanted}"
    return found


def snapshot(actors: Actors) -> dict[str, Any]:
    """The tables, without what the model does not know."""
    names = ("greenfield", "attempts", "completed_at", "failed_attempt", "claimed_by", "queued_as", "labourer_id")
    found: dict[str, Any] = {}
    for table in (actors.tables.tasks_table, actors.tables.retry_tasks_table, actors.tables.closed_tasks_table):
        items = [
            item
            for item in actors.dynamodb.scan(TableName=table)["Items"]
            if item["task_id"]["S"].startswith(actors.prefix or "0")
        ]
        found[table] = {
            item["task_id"]["S"].removeprefix(actors.prefix): json.dumps(
                {name: item[name] for name in (*names, "labourer_id_task_status") if name in item}, sort_keys=True
            ).replace(actors.prefix or "\0", "")
            for item in items
        }
    return found


# -- the operations: what the code does, and what the model expects ----------------------------------------------------


def _reading(
    actors: Actors, number: int, *, waits: bool = False, wanted: Callable[[TaskRow], bool] = lambda row: True
) -> TaskRow | None:
    """One of the rows that were read and that the act is for, the latest first."""
    found = [each.row for each in actors.readings if each.waits == waits and wanted(each.row)][-_REMEMBERED:]
    return found[-1 - number % len(found)] if found else None


def _claim_of(actors: Actors, number: int) -> Claim | None:
    found = actors.claims[-_REMEMBERED:]
    return found[-1 - number % len(found)] if found else None


def _add(actors: Actors, model: Model) -> tuple[Any, Any]:
    if len(actors.tasks) >= _MOST_TASKS:
        return None, None
    actors.add()
    place = Place(greenfield=1000 * len(actors.tasks) + 1000, attempts=0, completed=False, failed=None, claimed_by=None)
    model.rows[actors.tasks[-1]] = place
    return "added", "added"


def _pass_time(actors: Actors, model: Model) -> tuple[Any, Any]:
    actors.now += 1
    return None, None


def _read(actors: Actors, model: Model) -> tuple[Any, Any]:
    return actors.read(), len(model.rows) + len(model.retries)


def _claim(actors: Actors, model: Model, number: int, owner: int) -> tuple[Any, Any]:
    # A turn claims only what it has read as queued, open and without a fault (`decisions.for_queued`).
    row = _reading(actors, number, wanted=lambda row: not row.completed and row.greenfield < START)
    if row is None:
        return None, None
    place = model.as_read(row)
    if place is not None and place.get("given_back", 0) > row.given_back:
        place = None  # a cancellation may have passed it since it was read
    if place is not None:
        place.update(
            greenfield=actors.now + INVOCATION_DELTA, attempts=row.attempts + 1, claimed_by=OWNERS[owner % 2],
            queued_as=row.greenfield,
        )  # fmt: skip
    return actors.claim(row, OWNERS[owner % 2]), place is not None


def _give_back(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    claim = _claim_of(actors, number)
    if claim is None or not claim.owner:
        return None, None
    place = model.as_read(claim.row)
    wanted = place is not None and place["claimed_by"] == claim.owner
    if wanted and place is not None:
        place.update(greenfield=place.pop("queued_as"), attempts=place["attempts"] - 1, claimed_by=None)
        place["given_back"] = place.get("given_back", 0) + 1
    return actors.transitions[claim.owner].give_back(claim.row), wanted


def _report(actors: Actors, model: Model, number: int, ok: int, fenced: int = 1) -> tuple[Any, Any]:
    claim = _claim_of(actors, number)
    if claim is None:
        return None, None
    task_id, good = claim.row.task_id, bool(ok % 4)
    row, waiting = model.rows.get(task_id), model.retries.get(task_id)
    wanted = False
    if row is not None and not row["completed"] and (not fenced or row["attempts"] == claim.row.attempts):
        wanted = True
        row.update({"completed": True} if good else {"failed": row["attempts"]})
    elif fenced and good and waiting is not None and not waiting["completed"]:
        wanted = waiting["attempts"] == claim.row.attempts
        waiting["completed"] = waiting["completed"] or wanted
    return actors.report(claim, ok=good, fenced=bool(fenced)), wanted


def _ghost(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    # Also of a task that is queued: Lambda may have run what it has refused.
    task_id = actors.tasks[number % len(actors.tasks)]
    if task_id in model.cancelled:
        return None, None
    if (row := model.rows.get(task_id)) is not None:
        row["completed"] = True
    else:
        model.ghosts.add(task_id)
    actors.ghost(task_id)
    return None, None


def _complete(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    # Without those that were cancelled meanwhile: Lambda has refused them, and has run them all the same.
    row = _reading(actors, number, wanted=lambda row: row.completed and row.task_id not in model.cancelled)
    if row is None:
        return None, None
    # A completed row never becomes anything else, so this needs no condition: it happens, or it has happened.
    assert model.closed.get(row.task_id) == 1 or model.rows[row.task_id]["completed"]
    model.rows.pop(row.task_id, None)
    model.ghosts.discard(row.task_id)
    model.closed[row.task_id] = 1
    actors.transitions["here"].complete([row], now=actors.now)
    return None, None


def _end(actors: Actors, model: Model, row: TaskRow) -> bool:
    if model.as_read(row) is None:
        return False
    model.rows.pop(row.task_id)
    return True


def _retry(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    row = _reading(actors, number, wanted=lambda row: not row.completed and row.greenfield > START)
    if row is None:
        return None, None
    place = model.as_read(row)
    wanted = _end(actors, model, row)
    if wanted and place is not None:
        place.pop("given_back", None)
        model.retries[row.task_id] = Place({**place, "failed": row.item.get("failed_attempt") and row.attempts})
    return actors.transitions["here"].retry(row, launch_at=actors.now), wanted


def _fail(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    row = _reading(actors, number, wanted=lambda row: not row.completed)
    if row is None:
        return None, None
    wanted = _end(actors, model, row)
    if wanted:
        model.closed[row.task_id] = 0
    return actors.transitions["there"].fail(row, now=actors.now, reason="by chance"), wanted


def _requeue(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    row = _reading(actors, number, waits=True, wanted=lambda row: not row.completed)
    if row is None:
        return None, None
    waiting = model.retries.get(row.task_id)
    present, ghost = waiting is not None, row.task_id in model.ghosts
    wanted = present and not ghost and not (waiting or {})["completed"]
    if wanted and waiting is not None:
        del model.retries[row.task_id]
        model.rows[row.task_id] = Place({**waiting, "greenfield": 500, "claimed_by": None, "attempts": row.attempts})
    elif present and ghost:
        del model.retries[row.task_id]
        model.ghosts.discard(row.task_id)
        model.closed[row.task_id] = 1
    return actors.transitions["here"].requeue(row, greenfield=500, now=actors.now), wanted


def _complete_retry(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    row = _reading(actors, number, waits=True, wanted=lambda row: row.completed)
    if row is None:
        return None, None
    wanted = row.task_id in model.retries
    if wanted:
        del model.retries[row.task_id]
        model.closed[row.task_id] = 1
    return actors.transitions["there"].complete_retry(row, now=actors.now), wanted


def _claim_by_sosw(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    row = _reading(actors, number)
    if row is None:
        return None, None
    place = model.rows.get(row.task_id)
    wanted = place is not None and place["greenfield"] < actors.now
    if wanted and place is not None:
        place.update(greenfield=actors.now + INVOCATION_DELTA, attempts=place["attempts"] + 1)
    return actors.claim_by_sosw(row), wanted


def _cancel(actors: Actors, model: Model, number: int) -> tuple[Any, Any]:
    if not actors.tasks:
        return None, None
    task_id = actors.tasks[number % len(actors.tasks)]
    place = model.rows.get(task_id)
    wanted = place is not None and place["attempts"] == 0
    if wanted:
        del model.rows[task_id]
        model.cancelled.add(task_id)
    return actors.cancel(task_id), wanted


_ACTS = {
    "add": _add,
    "pass_time": _pass_time,
    "read": _read,
    "claim": _claim,
    "give_back": _give_back,
    "report": _report,
    "report_without_attempt": lambda actors, model, number: _report(actors, model, number, 1, 0),
    "ghost": _ghost,
    "complete": _complete,
    "retry": _retry,
    "requeue": _requeue,
    "complete_retry": _complete_retry,
    "fail": _fail,
    "claim_by_sosw": _claim_by_sosw,
    "cancel": _cancel,
}
