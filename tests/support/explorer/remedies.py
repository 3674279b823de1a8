"""The remedies that errors name, carried out by a further actor after a schedule: each must end well.

An error may name several; each is tried on a copy of what the schedule has left. If a remedy ends with another error,
that one's remedies follow. An actor that died is retried, as Airflow does.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sosw_airflow import exceptions as errors
from sosw_airflow.jobs.identity import job_of
from sosw_airflow.jobs.transitions import JobState
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.deliver import delivered_key
from sosw_airflow.scheduling.scheduler import ScheduleResult
from sosw_airflow.stores.s3_url import split_s3_url
from tests.support.deterministic_aws.s3 import StoredObject
from tests.support.explorer.engine import Ending, Violation
from tests.support.explorer.sosw import process_queue, run_scheduler

if TYPE_CHECKING:
    from tests.support.explorer.scenario import Role, Scenario

__all__ = ["REMEDIES", "Failure", "clears", "endings_by_remedies", "remedies_of"]

#: Remedies that may follow each other until one ends without an error.
_MOST = 4

_SIX_HOURS = 6 * 3600.0
_URL = re.compile(r"s3://[^\s,]+")
_COMMAND = re.compile(r"`sosw-airflow cancel (\w+)`")
_clears: ContextVar[int] = ContextVar("clears", default=0)


def clears() -> int:
    """How often the Airflow task of the caller was cleared."""
    return _clears.get()


@contextmanager
def cleared() -> Iterator[None]:
    """Inside, the caller is an Airflow task that was cleared: its jobs are of the next generation."""
    token = _clears.set(_clears.get() + 1)
    try:
        yield
    finally:
        _clears.reset(token)


@dataclass
class Failure:
    """An actor that has ended with an error, and what its remedy comes to.

    :ivar scenario: a copy, on which the remedy acts.  :ivar error: None if the actor died.
    :ivar outcome: the error of the remedy.  :ivar broken: what is wrong with what it has done.
    :ivar over: nothing is to happen afterwards: another generation has begun.
    """

    scenario: Scenario
    label: str
    error: BaseException | None
    outcome: BaseException | None = None
    over: bool = False
    broken: list[Violation] = field(default_factory=list)

    @property
    def roles(self) -> dict[str, Role]:
        """The roles of the scenario, by their labels."""
        return dict(zip("ABCDEFGH", self.scenario.cast(), strict=False))

    @property
    def file(self) -> tuple[str, str]:
        """Bucket and key of the file that the error names."""
        found = _URL.search(str(self.error))
        assert found is not None, self.error
        return split_s3_url(found[0].rstrip("."))

    def again(self, role: Role) -> None:
        """Another attempt at a role."""
        self.scenario.observed(role.name, role.act)

    def new_generation(self, call: Callable[[], Any]) -> None:
        """What a cleared Airflow task does: all tasks of a new generation come into the queue, once."""
        with cleared():
            result = call()
        self.over = True
        if not isinstance(result, ScheduleResult):
            return
        header, came = result.header, self._came(result.header.job_id)
        if header.state is JobState.DELIVERED:
            came = run_scheduler(self.scenario.deployment(), delivered_key(header).rpartition("/")[2], who="c")
        if came != header.tasks:
            text = (
                f"{came} of {header.tasks} tasks came into the queue after a clear, though it is {header.state.value}"
            )
            self.broken.append(Violation("remedy", text))

    def _came(self, job_id: str) -> int:
        return sum(
            change.before is None and change.place.endswith("_tasks") and job_of(change.after["task_id"]["S"]) == job_id
            for change in self.scenario.aws.journal
            if change.place in ("sosw_tasks", "other_tasks") and change.after is not None
        )


Remedy = Callable[[Failure], None]


def retry(failure: Failure) -> None:
    """Retry the Airflow task, or call the command again."""
    failure.again(failure.roles[failure.label])


def clear(failure: Failure) -> None:
    """Clear the Airflow task."""
    failure.new_generation(failure.roles[failure.label].act)


def cancel_and_clear(failure: Failure) -> None:
    """Cancel the job that the command in the message names, then clear the Airflow task."""
    command = _COMMAND.search(str(failure.error))
    assert command is not None, failure.error
    cancel_job(failure.scenario.deployment(), command[1])
    clear(failure)


def clear_to_write_rows(failure: Failure) -> None:
    """Clear the Airflow task with delivery='tasks'."""
    failure.new_generation(failure.scenario.schedule_rows)


def write_rows(failure: Failure) -> None:
    """Give the operator delivery='tasks' again, and retry."""
    failure.scenario.observed("schedule job", failure.scenario.schedule_rows)


def put_old_content_back(failure: Failure) -> None:
    """Retry with the content that was scheduled first: that of the other actor."""
    own = failure.roles[failure.label]
    verb = own.name.split()[0]
    others = [role for role in failure.roles.values() if role.name != own.name and role.name.split()[0] == verb]
    failure.again(others[0] if others else own)


def restore_file(failure: Failure) -> None:
    """Put the removed file back, and retry."""
    bucket, key = failure.file
    aws = failure.scenario.aws
    former = next(
        change.before
        for change in reversed(aws.journal)
        if change.place == "s3" and change.key == key and isinstance(change.before, StoredObject)
    )
    aws.s3.put(bucket, key, former, conditions={})
    retry(failure)


def search_tasks(failure: Failure) -> None:
    """Search the tasks that sosw's Scheduler has written. If they are missing, clear; if not, mark as successful."""
    aws = failure.scenario.aws
    rows = [*aws.rows("sosw_tasks"), *aws.rows("sosw_closed_tasks")]
    if not any(row["task_id"]["S"].startswith("sosw") for row in rows):
        clear(failure)


def invoke_scheduler(failure: Failure) -> None:
    """Wait six hours. If the file still waits, invoke sosw's Scheduler with it; then retry."""
    failure.scenario.aws.clock += _SIX_HOURS
    run_scheduler(failure.scenario.deployment(), failure.file[1].rpartition("/")[2], who="h")
    retry(failure)


def let_it_finish(failure: Failure) -> None:
    """The other has ended by now. If the file is still locked, that one has crashed: take the file."""
    try:
        retry(failure)
    except errors.QueueFileLocked:
        scenario: Any = failure.scenario
        scenario.drain("1" if failure.label == "A" else "2", take_locked=True)


def find_file_drained(failure: Failure) -> None:
    """The file may be drained already: then nothing is to be done."""


def correct_lines(failure: Failure) -> None:
    """Remove the faulty lines of the file, and drain it again."""
    bucket, key = failure.file
    at = failure.scenario.deployment()
    lines = at.s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines(keepends=True)
    at.s3.put_object(Bucket=bucket, Key=key, Body=b"".join(line for line in lines if _is_sound(line)))
    retry(failure)


def wait_for_the_end(failure: Failure) -> None:
    """Wait until all tasks are over, and retry."""
    process_queue(failure.scenario.deployment())
    retry(failure)


def leave_unfinished(failure: Failure) -> None:
    """Repair the job now, without the rest."""
    scenario: Any = failure.scenario
    scenario.repair(unfinished="leave")


def _is_sound(line: bytes) -> bool:
    try:
        text = line.decode()
        json.loads(text, parse_constant=lambda name: json.loads(name.lower()))
    except ValueError:
        return False
    return "1e400" not in text


#: Class of errors, and how a remedy in its message begins -> what carries it out, one for each alternative.
REMEDIES: dict[tuple[type[errors.SoswError], str], tuple[Remedy, ...]] = {
    (errors.JobCancelled, "clear"): (clear,),
    (errors.JobStopped, "clear"): (clear,),
    (errors.JobStopped, "retry"): (retry,),
    (errors.JobConflict, "put the old content back, or clear"): (put_old_content_back, clear),
    (errors.JobRecordDamaged, "give it delivery='tasks' again, or clear"): (write_rows, clear),
    (errors.JobRecordDamaged, "stop that, then retry"): (retry,),
    (errors.JobRecordDamaged, "stop what removes it, then retry"): (retry,),
    (errors.JobRecordDamaged, "restore the file, or cancel this repair"): (restore_file, cancel_and_clear),
    (errors.JobRecordDamaged, "restore the file, or clear"): (restore_file, clear),
    (errors.JobRecordDamaged, "clear the Airflow task with on_clear='reschedule'"): (clear_to_write_rows,),
    (errors.JobRecordDamaged, "clear the Airflow task to"): (clear,),
    (errors.JobDelivered, "clear"): (clear_to_write_rows,),
    (errors.DeliveryUncertain, "search"): (search_tasks,),
    (errors.InvocationUncertain, "if the file waits"): (invoke_scheduler,),
    (errors.DeliveryInProgress, "retry"): (retry,),
    (errors.MissingQueueFile, "correct queue_file"): (find_file_drained,),
    (errors.QueueFileLocked, "let it finish"): (let_it_finish,),
    (errors.InvalidQueueFile, "correct these lines"): (correct_lines,),
    (errors.JobUnfinished, "wait for its end; or repair it now"): (wait_for_the_end, leave_unfinished),
    (errors.NoProgress, "raise the tables' write capacity; a retry"): (retry,),
    (errors.AwsFault, ""): (retry,),
}


def remedies_of(error: BaseException | None) -> tuple[Remedy, ...]:
    """What carries out the remedies of an error; of a death: a retry. Empty if none is known here."""
    if error is None:
        return (retry,)
    text = str(error).partition("Fix: ")[2]
    for (kind, beginning), remedies in REMEDIES.items():
        if type(error) is kind and text.startswith(beginning):
            return remedies
    return ()


def endings_by_remedies(scenario: Scenario) -> Iterator[tuple[str, Ending]]:
    """Each remedy of each actor that has not ended well, and what happens after it."""
    ended = {attempt.actor: attempt for attempt in scenario.attempts}
    waiting: deque[tuple[Scenario, str, BaseException | None, int]] = deque()
    for label, role in Failure(scenario.copy(), "", None).roles.items():
        if role.disturbed and (label not in ended or ended[label].error is not None):
            waiting.append((scenario, label, ended[label].error if label in ended else None, 1))
    while waiting:
        former, label, error, depth = waiting.popleft()
        remedies = remedies_of(error)
        if not remedies:
            yield "remedy", _NoRemedy(former, error)
        for remedy in remedies:
            failure = Failure(former.copy(), label, error)
            yield f"{label}: {remedy.__name__}", _Remedied(failure, remedy, last=depth == _MOST)
            if failure.outcome is not None and depth < _MOST:
                waiting.append((failure.scenario, label, failure.outcome, depth + 1))
            elif failure.outcome is None and not failure.over:
                yield f"{label}: after {remedy.__name__}", failure.scenario


@dataclass
class _NoRemedy:
    scenario: Scenario
    error: BaseException | None

    @property
    def aws(self) -> Any:
        return self.scenario.aws

    def afterwards(self) -> None:
        """Nothing."""

    def violations(self) -> Iterator[Violation]:
        yield Violation("no-remedy", f"tests/support/explorer/remedies.py has no remedy of {self.error!r}")


@dataclass
class _Remedied:
    failure: Failure
    remedy: Remedy
    last: bool

    @property
    def aws(self) -> Any:
        return self.failure.scenario.aws

    def afterwards(self) -> None:
        try:
            self.remedy(self.failure)
        except Exception as error:  # noqa: BLE001 - it is kept
            self.failure.outcome = error
            attempts = self.failure.scenario.attempts
            if attempts and attempts[-1].error is error:  # it is not the last one: its remedies follow
                attempts[-1] = replace(attempts[-1], actor="~")

    def violations(self) -> Iterator[Violation]:
        yield from self.failure.broken
        if self.failure.outcome is not None and self.last:
            yield Violation("remedy", f"{_MOST} remedies, one after the other, end with {self.failure.outcome!r}")
