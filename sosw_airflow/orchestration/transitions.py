"""The transitions of a task's row, each one conditional request (DESIGN.md "Orchestration").

The condition alone excludes doubles: with two orchestrators at once, or beside upstream's, one of them wins and the
other reads False. `CLAUSES` names each part of a condition with its reason, `ROW_CHANGES` is the table of all changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import AwsFault
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.orchestration.task_rows import TaskRow
from sosw_airflow.stores.aws_errors import cancellation_codes, error_code, explain_faults
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.tables import TableNames

__all__ = ["BATCH", "CLAUSES", "ROW_CHANGES", "RowChange", "Transitions"]

#: Parts of conditions, each with its reason.
CLAUSES: Mapping[str, tuple[str, str]] = {
    "as_read": (
        "greenfield = :greenfield AND attempts = :attempts",
        "no other orchestrator has claimed, retried or given back the row since it was read",
    ),
    "not_given_back": (
        "(attribute_not_exists(given_back) OR given_back <= :given_back)",
        "since it was read it has not been claimed and given back, while a cancellation passed it",
    ),
    "same_place": ("greenfield = :greenfield", "a faulty row has no attempts to compare"),
    "mine": ("claimed_by = :owner", "it is the claim that this orchestrator has made, not one of the same second"),
    "open": ("attribute_not_exists(completed_at)", "a worker that has just reported wins over any other transition"),
    "absent": ("attribute_not_exists(task_id)", "the row is not in two tables, and a late report is not overwritten"),
    "present": ("attribute_exists(task_id)", "another orchestrator has not moved the row"),
    "ghost": (
        "attribute_not_exists(labourer_id) AND attribute_exists(completed_at)",
        "upstream's assistant made an item of a report that came too late, and nothing else did (E8)",
    ),
}


class RowChange(NamedTuple):
    """A transition of a task's row.

    :ivar name: of the method of `Transitions`.
    :ivar clauses: names of the parts of its condition; empty if it needs none.
    """

    name: str
    source: str
    target: str
    clauses: tuple[str, ...]

    @property
    def condition(self) -> str:
        """All clauses, for one item."""
        return _all(*self.clauses)


CLAIM = RowChange("claim", "queued", "invoked", ("as_read", "not_given_back", "open"))
GIVE_BACK = RowChange(
    "give_back", "invoked, and refused by Lambda", "queued, at its old place", ("as_read", "mine", "open")
)
COMPLETE = RowChange("complete", "completed", "closed", ())
COMPLETE_RETRY = RowChange("complete_retry", "in the retry table, completed late", "closed", ("present",))
RETRY = RowChange("retry", "failed or expired", "retry table", ("as_read", "open"))
REQUEUE = RowChange("requeue", "retry table", "queued, at the head", ("absent", "present", "open"))
REQUEUE_GHOST = RowChange("requeue", "retry table, beside a ghost", "closed", ("ghost", "present"))
FAIL = RowChange(
    "fail",
    "failed or expired at its last attempt; or queued again, of a job that is cancelled",
    "closed as failed, the reason in `closed_reason`",
    ("as_read", "open"),
)

ROW_CHANGES = (CLAIM, GIVE_BACK, COMPLETE, COMPLETE_RETRY, RETRY, REQUEUE, REQUEUE_GHOST, FAIL)

#: Attributes that only a row in `sosw_tasks` has.
_OWN = ("claimed_by", "queued_as", "given_back")

#: Items of one BatchWriteItem, by DynamoDB's rule.
BATCH = 25

#: Seconds without any progress after which a batch that is throttled is left to the next turn.
_PATIENCE = 5.0


def _all(*names: str) -> str:
    return " AND ".join(CLAUSES[name][0] for name in names)


@dataclass(frozen=True)
class Transitions:
    """Carries the transitions of one deployment out.

    :ivar dynamodb: a boto3 DynamoDB client, safe for threads. It may repeat requests: a repetition of one that has
        happened meets a condition that does not hold any more, and changes nothing.
    :ivar owner: the orchestrator, kept in ``claimed_by``: identifies an own claim whose answer was lost.
    :ivar dynamodb_once: for claims, a client without repeats, since a repeated claim would fail on its own first
        success; None: ``dynamodb`` is one.
    """

    dynamodb: Any
    tables: TableNames
    owner: str
    dynamodb_once: Any = None

    def claim(self, row: TaskRow, *, now: int) -> TaskRow | None:
        """Queued to invoked. Returns the row as claimed, or None if another process was faster.

        :raises AwsFault: the outcome is unknown, or AWS refuses.
        """
        claimed = {"greenfield": now + INVOCATION_DELTA, "attempts": row.attempts + 1}
        try:
            won = self._update(
                row,
                "SET greenfield = :new, attempts = :next, queued_as = :greenfield, claimed_by = :owner",
                CLAIM.condition,
                {
                    ":new": _n(claimed["greenfield"]),
                    ":next": _n(claimed["attempts"]),
                    ":owner": {"S": self.owner},
                    ":given_back": _n(row.given_back),
                },
                self.dynamodb_once,
            )
        except AwsFault:
            if not self._is_mine(row, claimed):
                raise
            won = True
        if not won:
            return None
        item = {**row.item, **{name: _n(value) for name, value in claimed.items()}, "queued_as": _n(row.greenfield)}
        return TaskRow(
            item,
            row.task_id,
            row.labourer_id,
            claimed["greenfield"],
            claimed["attempts"],
            completed=False,
            failed=False,
        )

    def give_back(self, claimed: TaskRow) -> bool:
        """Invoked to queued, at its old place: Lambda has refused the invocation, or it was never sent.

        A cancellation may have passed the row while it was claimed. ``given_back``, how often this has happened, says
        so to the next claim: the state of the job is read before it.
        """
        return self._update(
            claimed,
            "SET greenfield = queued_as, attempts = :before, given_back = :times REMOVE queued_as, claimed_by",
            GIVE_BACK.condition,
            {
                ":before": _n(claimed.attempts - 1),
                ":owner": {"S": self.owner},
                ":times": _n(claimed.given_back + 1),
            },
        )

    def complete(self, rows: Sequence[TaskRow], *, now: int) -> Sequence[TaskRow]:
        """Completed to closed, and return the rows. What is completed never changes, so no condition is needed.

        :param rows: at most `BATCH`.
        """
        closed = [{"PutRequest": {"Item": closed_item(row, 1, now)}} for row in rows]
        self._write_batch(self.tables.closed_tasks_table, closed)
        # Only now: a crash in between leaves the row in both tables, and the next turn closes it again.
        deletes = [{"DeleteRequest": {"Key": {"task_id": {"S": row.task_id}}}} for row in rows]
        self._write_batch(self.tables.tasks_table, deletes)
        return rows

    def complete_retry(self, row: TaskRow, *, now: int) -> bool:
        """A row of the retry table whose late worker has reported, to closed."""
        return self._transact(
            {"Put": {"TableName": self.tables.closed_tasks_table, "Item": closed_item(row, 1, now)}},
            {"Delete": self._retry_key(row)},
        )

    def retry(self, row: TaskRow, *, launch_at: int) -> bool:
        """Failed or expired to the retry table.

        :param launch_at: seconds since 1970 from which the task may be queued again.
        """
        item = {**_without(row.item, *_OWN), "desired_launch_time": _n(launch_at)}
        return self._transact(
            {"Put": {"TableName": self.tables.retry_tasks_table, "Item": item}}, self._delete_as_read(row, RETRY)
        )

    def fail(self, row: TaskRow, *, now: int, reason: str) -> bool:
        """To closed as failed, with the reason in ``closed_reason``."""
        item = closed_item(row, 0, now, closed_reason={"S": reason})
        return self._transact(
            {"Put": {"TableName": self.tables.closed_tasks_table, "Item": item}}, self._delete_as_read(row, FAIL)
        )

    def requeue(self, row: TaskRow, *, greenfield: int, now: int) -> bool:
        """Retry table to queued. A report that came too late closes the task instead (E8).

        :param greenfield: the place in the queue.
        """
        back = {**_without(row.item, "desired_launch_time"), "greenfield": _n(greenfield)}
        put = {"TableName": self.tables.tasks_table, "Item": back, "ConditionExpression": _all("absent")}
        if self._transact({"Put": put}, {"Delete": self._retry_key(row, "open")}):
            return True
        ghost = {
            "TableName": self.tables.tasks_table,
            "Key": {"task_id": {"S": row.task_id}},
            "ConditionExpression": _all("ghost"),
        }
        self._transact(
            {"Delete": ghost},
            {"Put": {"TableName": self.tables.closed_tasks_table, "Item": closed_item(row, 1, now)}},
            {"Delete": self._retry_key(row)},
        )
        return False

    # -- requests ------------------------------------------------------------------------------------------------------

    def _update(
        self, row: TaskRow, expression: str, condition: str, values: dict[str, Any], client: Any = None
    ) -> bool:
        with explain_faults(action="dynamodb:UpdateItem", resource=self.tables.tasks_table, setting="tasks_table"):
            return _unless_refused(
                lambda: (client or self.dynamodb).update_item(
                    TableName=self.tables.tasks_table,
                    Key={"task_id": {"S": row.task_id}},
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeValues={**_as_read(row), **values},
                )
            )

    def _is_mine(self, row: TaskRow, claimed: Mapping[str, int]) -> bool:
        """Whether a claim without an answer has happened."""
        with explain_faults(action="dynamodb:GetItem", resource=self.tables.tasks_table, setting="tasks_table"):
            item = self.dynamodb.get_item(
                TableName=self.tables.tasks_table, Key={"task_id": {"S": row.task_id}}, ConsistentRead=True
            ).get("Item", {})
        wanted = {**{name: _n(value) for name, value in claimed.items()}, "claimed_by": {"S": self.owner}}
        return all(item.get(name) == value for name, value in wanted.items())

    def _delete_as_read(self, row: TaskRow, change: RowChange) -> dict[str, Any]:
        faulty = "N" not in row.item.get("attempts", {})
        values = _as_read(row)
        if faulty:
            del values[":attempts"]
        return {
            "Delete": {
                "TableName": self.tables.tasks_table,
                "Key": {"task_id": {"S": row.task_id}},
                "ConditionExpression": _all("same_place", "open") if faulty else change.condition,
                "ExpressionAttributeValues": values,
            }
        }

    def _retry_key(self, row: TaskRow, *clauses: str) -> dict[str, Any]:
        return {
            "TableName": self.tables.retry_tasks_table,
            "Key": {"labourer_id": {"S": row.labourer_id}, "task_id": {"S": row.task_id}},
            "ConditionExpression": _all("present", *clauses),
        }

    def _transact(self, *actions: dict[str, Any]) -> bool:
        with explain_faults(
            action="dynamodb:TransactWriteItems", resource=self.tables.tasks_table, setting="tasks_table"
        ):
            return _unless_refused(lambda: self.dynamodb.transact_write_items(TransactItems=list(actions)))

    def _write_batch(self, table: str, requests: list[dict[str, Any]]) -> None:
        backoff = Backoff(patience=_PATIENCE)
        left = requests
        while left:
            send = partial(self.dynamodb.batch_write_item, RequestItems={table: left})
            reply = backoff.call(send, action="dynamodb:BatchWriteItem", resource=table)
            before, left = len(left), reply.get("UnprocessedItems", {}).get(table, [])
            if len(left) < before:
                backoff.answered()
            if left and not backoff.wait():
                done = len(requests) - len(left)
                fault = AwsFault(f"{table} took {done} of {counted(len(requests), 'write')}: it is throttled.")
                fault.retryable = True
                raise fault  # the next turn repeats the whole batch, which changes nothing that is done


def closed_item(row: TaskRow, status: int, now: int, **more: Any) -> dict[str, Any]:
    """The closed row of a task: all of its attributes, its end and when it was closed (SOSW.md 10)."""
    return {
        **_without(row.item, "desired_launch_time", *_OWN),
        "labourer_id_task_status": {"S": f"{row.labourer_id}_{status}"},
        "closed_at": _n(now),
        **more,
    }


def _as_read(row: TaskRow) -> dict[str, Any]:
    return {":greenfield": row.item["greenfield"], ":attempts": row.item.get("attempts", {"N": "0"})}


def _without(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


def _n(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _unless_refused(request: Callable[[], Any]) -> bool:
    """Send it. False: its condition does not hold."""
    try:
        request()
    except ClientError as error:
        code = error_code(error)
        if code == "ConditionalCheckFailedException":
            return False
        if code == "TransactionCanceledException" and "ConditionalCheckFailed" in cancellation_codes(error):
            return False
        raise
    return True
