"""The job record in ``sosw_jobs``: the header of a scheduled job and a marker for each of its pages.

The header appears once the plan is complete in S3; later attempts continue from it. A marker appears in the same
transaction as its page's rows; it says for ever that the page was committed, even when the rows have been archived
since. A cancelled job has markers for all of its pages, so that no copy of its writer that still lives can commit
another one.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from datetime import date
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import JobRecordDamaged
from sosw_airflow.jobs.excerpts import excerpt, printable
from sosw_airflow.jobs.json_documents import read_object
from sosw_airflow.jobs.max_running import MOST_RUNNING
from sosw_airflow.jobs.transitions import JobState, Transition
from sosw_airflow.stores.aws_errors import error_code, explain_faults, member
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.paged_reads import items_of
from sosw_airflow.stores.state_changes import StateChange

__all__ = ["RECORD_SECONDS", "Change", "Header", "JobRecords", "JobState", "Marker", "header_key"]

#: How long a job record is kept after its header was written: longer than any Airflow task is retried.
RECORD_SECONDS = 180 * 86_400

_HEADER = {"S": "header"}
_RUN = {"S": "run"}
_PAGE = "page#"
_MARKER = re.compile(r"page#(\d{8,12})", re.ASCII)

#: Rows of one query: about 100 kB, so 25 read units. A whole page of 1 MB would stall a small table.
_QUERY_ROWS = 1000

#: Whole numbers of a header that have a narrower range than `_ANY`, so that all that follows from them can be computed.
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_ANY = (-(10**15), 10**15)
_SECONDS = (0, 253_402_300_799)  # to the year 9999
_TASKS = (1, 2 * 10**9)  # more have no place in a queue
_RANGES = {
    "tasks": _TASKS,
    "pages": _TASKS,
    "page_rows": _TASKS,
    "greenfield_step": (1, 10**9),
    "max_running": (0, MOST_RUNNING),
    "created_at": _SECONDS,
    "updated_at": _SECONDS,
    "expires_at": _SECONDS,
}

_STATES = frozenset(state.value for state in JobState)


@dataclass(frozen=True)
class Header:
    """The header of a scheduled job's record.

    :ivar fingerprint: digest of job, schema and dates; another one under the same id is a conflict.
    :ivar outline: JSON text, what to compare for the message of a conflict.
    :ivar tasks: number of tasks.  :ivar pages: number of pages.  :ivar page_rows: and ``page_units``: the limits of a
        page.
    :ivar greenfield_base: and ``greenfield_step``: the places in the queue.
    :ivar queue_key: the queue file in ``queue_bucket``; ``queue_bytes`` is its size.
    :ivar created_at: and ``updated_at``, ``expires_at``: seconds since 1970.
    :ivar repairs: id of the job whose failed tasks this one schedules again; empty for a job of its own.
    :ivar namespace: and ``rerun``, ``run_started``: of the identity (`JobIdentity`).
    :ivar cancelled_from: the state before the job was cancelled; ``cancelled`` if a version that did not keep it has
        cancelled the job, empty for a job that is not cancelled.
    :ivar cancel_ended: seconds since 1970 at which a cancelling came to its end; 0 if none did, or a version that does
        not keep it has cancelled the job.
    :ivar attempt: number of the last attempt to deliver the job, 0 for none.
    :ivar holder: the process that has changed the state of its delivery last.
    :ivar plan_digest: SHA-256 of the plan.  :ivar tasks_table: and ``meta_table``: where the rows go. Version 0.1 kept
        none of the three.
    :ivar max_running: its tasks that are invoked at once at most, 0 for no limit.
    :ivar position: ``front`` or ``back`` if it was moved within its labourer's queue, empty if not.
    :ivar sources: JSON text, of each source what it was when it was read, such as its ETag; empty for none.
    """

    job_id: str
    state: JobState
    labourer_id: str
    fingerprint: str
    outline: str
    tasks: int
    pages: int
    page_rows: int
    page_units: int
    greenfield_base: int
    greenfield_step: int
    queue_bucket: str
    queue_key: str
    queue_bytes: int
    reference_date: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    generation: int
    created_at: int
    updated_at: int
    expires_at: int
    repairs: str = ""
    namespace: str = ""
    rerun: int = 0
    run_started: str = ""
    cancelled_from: str = ""
    cancel_ended: int = 0
    attempt: int = 0
    holder: str = ""
    plan_digest: str = ""
    tasks_table: str = ""
    meta_table: str = ""
    max_running: int = 0
    sources: str = ""
    position: str = ""

    def item(self) -> dict[str, dict[str, str]]:
        """The header in DynamoDB's notation."""
        item: dict[str, dict[str, str]] = {"record": _HEADER}
        for each in fields(self):
            value = getattr(self, each.name)
            if value == each.default:
                continue  # so that an older version of this provider reads what it knows
            item[each.name] = (
                {"N": str(value)} if isinstance(value, int) else {"S": str(getattr(value, "value", value))}
            )
        return item

    @classmethod
    def of(cls, item: dict[str, dict[str, str]]) -> Header:
        """The header from DynamoDB's notation.

        :raises JobRecordDamaged: an attribute is missing, or has another type or range than it was written with.
        """
        try:
            values: dict[str, Any] = {
                each.name: _value(item, each.name, number=each.type == "int")
                for each in fields(cls)
                if each.name in item or each.default is MISSING
            }
            _check(_is_date(values["reference_date"]), "reference_date", values, "a date")
            _check(values["state"] in _STATES, "state", values, f"one of {', '.join(sorted(_STATES))}")
            return cls(**{**values, "state": JobState(values["state"])})
        except ValueError as error:
            raise _damaged(item.get("job_id", {}).get("S"), str(error)) from error

    def outline_parts(self) -> dict[str, str]:
        """The outline as a mapping.

        :raises JobRecordDamaged: it is no longer one.
        """
        parts = read_object(
            self.outline, lambda faults: _damaged(self.job_id, "; ".join(map(str, faults))), place="outline"
        )
        if not all(isinstance(each, str) for each in parts.values()):
            raise _damaged(self.job_id, "outline is not an object of texts")
        return parts


def header_key(job_id: str) -> dict[str, dict[str, str]]:
    """The key of a header's item."""
    return {"job_id": {"S": job_id}, "record": _HEADER}


def _value(item: dict[str, dict[str, str]], name: str, *, number: bool) -> int | str:
    kind = "N" if number else "S"
    if kind not in item.get(name, {}):
        raise ValueError(f"{name} is missing or not of DynamoDB's type {kind}")
    value = item[name][kind]
    if not number:
        return value
    lowest, highest = _RANGES.get(name, _ANY)
    if not _INTEGER.fullmatch(value) or not lowest <= int(value) <= highest:
        raise ValueError(f"{name} is {excerpt(value)}, not a whole number from {lowest} to {highest}")
    return int(value)


def _check(holds: bool, name: str, values: dict[str, Any], wanted: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {excerpt(values[name])}, not {wanted}")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _damaged(job_id: object, problem: str) -> JobRecordDamaged:
    return JobRecordDamaged(
        f"The header of the job {printable(str(job_id))} in the jobs table cannot be read ({problem}): it was changed, "
        f"or written by another version. Fix: restore it, or clear the Airflow task to schedule the job as a new one."
    )


@dataclass(frozen=True)
class Change:
    """The outcome of a change of state.

    :ivar before: the header at the time of the request, None if the job has none.
    :ivar after: the header since then, None if the change was refused. A change that this process has made, and whose
        answer was lost, is not refused when the client repeats it.
    """

    before: Header | None
    after: Header | None


class Marker(NamedTuple):
    """The marker of a page.

    :ivar cancelled: it only says that the job was cancelled before this page was committed.
    :ivar first: index of the page's first task, and ``rows`` the number of its tasks. None in the markers of version
        0.1, and of pages that a cancelling has closed.
    :ivar expires_at: that of the header; two records of one job differ in it.
    """

    page: int
    cancelled: bool
    expires_at: int = 0
    first: int | None = None
    rows: int | None = None

    @property
    def tasks(self) -> range | None:
        """The indexes of the page's tasks."""
        return None if self.first is None or self.rows is None else range(self.first, self.first + self.rows)


class JobRecords:
    """The job records of one table.

    :param dynamodb: a boto3 DynamoDB client.
    :param now: the present, in seconds since 1970.
    :ivar holder: a name for this process in the records of deliveries.
    """

    def __init__(self, dynamodb: Any, table: str, *, now: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self.table = table
        self._now = now
        self.holder = uuid.uuid4().hex

    def header(self, job_id: str, *, consistent: bool = True) -> Header | None:
        """The header, or None. Reading it inconsistently costs half."""
        with explain_faults(action="dynamodb:GetItem", resource=self.table, setting="jobs_table"):
            reply = self._dynamodb.get_item(TableName=self.table, Key=header_key(job_id), ConsistentRead=consistent)
        return Header.of(reply["Item"]) if "Item" in reply else None

    def is_cancelled(self, job_id: str) -> bool:
        """Whether the job has a record that says so, even if it cannot be read otherwise: one read unit for 4 KB."""
        with explain_faults(action="dynamodb:GetItem", resource=self.table, setting="jobs_table"):
            reply = self._dynamodb.get_item(TableName=self.table, Key=header_key(job_id), ConsistentRead=True)
        return bool(reply.get("Item", {}).get("state") == {"S": JobState.CANCELLED.value})

    def create(self, header: Header) -> bool:
        """Put the header unless there is one. False: another copy was faster."""
        with explain_faults(action="dynamodb:PutItem", resource=self.table, setting="jobs_table"):
            try:
                self._dynamodb.put_item(
                    TableName=self.table, Item=header.item(), ConditionExpression="attribute_not_exists(job_id)"
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def note_run(self, job_id: str, run_started: str) -> None:
        """Note that the job of this id belongs to the DAG run of this start, before it has a header."""
        expires_at = int(self._now()) + RECORD_SECONDS
        item = {
            "job_id": {"S": job_id},
            "record": _RUN,
            "run_started": {"S": run_started},
            "expires_at": {"N": str(expires_at)},
        }
        with explain_faults(action="dynamodb:PutItem", resource=self.table, setting="jobs_table"):
            self._dynamodb.put_item(TableName=self.table, Item=item)

    def run_note(self, job_id: str) -> str:
        """The start of the DAG run that `note_run` noted, or an empty text.

        :raises JobRecordDamaged: the note cannot be read.
        """
        with explain_faults(action="dynamodb:GetItem", resource=self.table, setting="jobs_table"):
            reply = self._dynamodb.get_item(
                TableName=self.table, Key={"job_id": {"S": job_id}, "record": _RUN}, ConsistentRead=True
            )
        try:
            return str(_value(reply["Item"], "run_started", number=False)) if "Item" in reply else ""
        except ValueError as error:
            raise _damaged(job_id, f"the note of its DAG run: {error}") from error

    def change(self, transition: Transition, job_id: str, *, attempt: int = 0) -> Change:
        """Change the state of a job in one request, if it is in one of the transition's source states.

        :param attempt: number of the delivery's attempt, for a transition that is fenced by it; 0 for none yet.
        """
        change = StateChange(transition, attempt, self.holder, int(self._now()))
        with explain_faults(action="dynamodb:UpdateItem", resource=self.table, setting="jobs_table"):
            try:
                reply = self._dynamodb.update_item(
                    TableName=self.table,
                    Key=header_key(job_id),
                    **change.arguments(),
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                item = error.response.get("Item")
                found = Header.of(item) if item else None
                return Change(found, found if found and change.is_made(found) else None)
        before = Header.of(member(reply, "Attributes", action="dynamodb:UpdateItem"))
        return Change(before, change.of(before))

    def marker(self, header: Header, page: int, *, tasks: range | None = None) -> dict[str, Any]:
        """The arguments of the put of a page's marker; it fails if there is one.

        :param tasks: the indexes of the tasks that are committed with it; None to close a page of a cancelled job.
        """
        item: dict[str, Any] = {
            "job_id": {"S": header.job_id},
            "record": {"S": f"{_PAGE}{page:08d}"},
            "expires_at": {"N": str(header.expires_at)},
        }
        if tasks is None:
            item["cancelled"] = {"BOOL": True}
        else:
            item["first_task"], item["tasks"] = {"N": str(tasks.start)}, {"N": str(len(tasks))}
        return {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(job_id)"}

    def close_page(self, header: Header, page: int) -> Marker:
        """Put the marker of a cancelled page, unless the page is committed. Returns the marker that it has then."""
        put = self.marker(header, page)

        def send() -> Marker:
            try:
                self._dynamodb.put_item(**put, ReturnValuesOnConditionCheckFailure="ALL_OLD")
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return _marker(header.job_id, error.response["Item"])
            return Marker(page, cancelled=True, expires_at=header.expires_at)

        # A small table, or a transaction of a writer that still lives, must not end the cancelling in its middle.
        return Backoff().call(send, action="dynamodb:PutItem", resource=self.table, setting="jobs_table")

    def has_marker(self, job_id: str, page: int) -> bool:
        """Was this page committed (or the job cancelled)? Read consistently."""
        with explain_faults(action="dynamodb:GetItem", resource=self.table, setting="jobs_table"):
            reply = self._dynamodb.get_item(
                TableName=self.table,
                Key={"job_id": {"S": job_id}, "record": {"S": f"{_PAGE}{page:08d}"}},
                ConsistentRead=True,
            )
        return "Item" in reply

    def markers(self, job_id: str) -> Iterator[Marker]:
        """The markers of a job's pages, in the order of the pages."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "job_id = :job AND begins_with(#record, :page)",
            "ExpressionAttributeNames": {"#record": "record"},
            "ExpressionAttributeValues": {":job": {"S": job_id}, ":page": {"S": _PAGE}},
            "ProjectionExpression": "#record, cancelled, expires_at, first_task, tasks",
            "Limit": _QUERY_ROWS,
        }
        for item in items_of(self._dynamodb.query, query, action="dynamodb:Query", setting="jobs_table"):
            yield _marker(job_id, item)


def _marker(job_id: str, item: dict[str, dict[str, str]]) -> Marker:
    page = _MARKER.fullmatch(item["record"]["S"])
    if page is None:
        raise _damaged(job_id, f"its record {item['record']['S']!r} is no marker of a page")
    try:
        first, rows, expires_at = (
            int(_value(item, name, number=True)) if name in item else None
            for name in ("first_task", "tasks", "expires_at")
        )
    except ValueError as error:
        raise _damaged(job_id, f"the marker of its page {int(page[1])}: {error}") from error
    return Marker(int(page[1]), "cancelled" in item, expires_at or 0, first, rows)
