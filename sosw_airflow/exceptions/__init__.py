"""Every error of this provider, in the order in which you meet them.

One class for everything that you can fix. A message names the value, the place and the rule, and says after ``Fix:``
what you do. ``retryable``: a later attempt with the same inputs may succeed; other errors fail the operator at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone

from sosw_airflow.exceptions.aws import AccessDenied as AccessDenied
from sosw_airflow.exceptions.aws import AwsFault as AwsFault
from sosw_airflow.exceptions.aws import MissingBucket as MissingBucket
from sosw_airflow.exceptions.aws import MissingCredentials as MissingCredentials
from sosw_airflow.exceptions.aws import MissingTable as MissingTable
from sosw_airflow.exceptions.base import FaultyDocument as _FaultyDocument
from sosw_airflow.exceptions.base import SoswError as SoswError
from sosw_airflow.exceptions.faults import SHOWN as SHOWN
from sosw_airflow.exceptions.faults import Fault as Fault
from sosw_airflow.exceptions.faults import counted, known_names, lines_of, quoted, tasks_are
from sosw_airflow.exceptions.sources import EmptySource as EmptySource
from sosw_airflow.exceptions.sources import InvalidSource as InvalidSource
from sosw_airflow.exceptions.sources import MissingSource as MissingSource
from sosw_airflow.exceptions.sources import SourceChanged as SourceChanged
from sosw_airflow.exceptions.sources import SourceNotAllowed as SourceNotAllowed
from sosw_airflow.exceptions.sources import SourceUnreadable as SourceUnreadable


class InvalidConfiguration(_FaultyDocument):
    """A Connection, a Variable or an operator's argument cannot be used."""

    what = "The configuration"
    fix = "correct what each line names: the Connection, the Variable or the operator's argument."


class UnknownLabourer(SoswError):
    """The labourer is not registered, so no Orchestrator would ever invoke its tasks."""

    def __init__(self, labourer_id: str, known: Iterable[str]) -> None:
        self.labourer_id, self.known = labourer_id, tuple(sorted(known))
        super().__init__(
            f"The labourer {quoted(labourer_id)} is not registered. "
            f"{known_names('Labourers', self.known, 'the Variable sosw_labourers')} Fix: add it to this Variable, or "
            f"create a Connection of type sosw_labourer with this id."
        )


class ConflictingLabourers(SoswError):
    """The operator's ``labourer`` and the job's ``lambda_name`` name different labourers."""

    def __init__(self, labourer: str, lambda_name: str) -> None:
        self.labourer, self.lambda_name = labourer, lambda_name
        names = f"The operator's labourer is {quoted(labourer)}, but lambda_name in the job is {quoted(lambda_name)}."
        super().__init__(f"{names} Fix: give only one, or make both name the same Lambda function.")


class UnknownJobSchema(SoswError):
    """The job or the operator asks for a variant of the job schema that is not configured."""

    def __init__(self, name: str, known: Iterable[str], *, where: str = "the Variable sosw_job_schemas") -> None:
        self.name, self.known = name, tuple(sorted(known))
        super().__init__(
            f"The job schema {quoted(name)} is not known. {known_names('Variants', self.known, where)} Fix: add it to "
            f"{where}, or correct the name (the operator's job_schema, or job_schema_name in the job)."
        )


class InvalidJobSchema(_FaultyDocument):
    """The job schema cannot be used. ``faults`` has each fault with its path in the schema."""

    what = "The job schema"
    fix = "correct the Variable sosw_job_schemas, or the operator's job_schema."


class DeploymentBroken(SoswError, retryable=True):
    """An examination has found what stops jobs from being scheduled or processed. Another may find it fixed."""

    def __init__(self, findings: Iterable[str]) -> None:
        self.findings = tuple(findings)
        super().__init__(f"The deployment of sosw is broken:{lines_of(self.findings)}\nFix: do what each line says.")


class InvalidJob(_FaultyDocument):
    """The job cannot be scheduled as it is. ``faults`` has each fault with its path in the job."""

    what = "The job"
    fix = "correct every line above; sosw-airflow plan finds the same faults without a DAG run."


class TooManyTasks(SoswError):
    """The job would become more tasks than ``max_tasks`` allows. They were counted, not made."""

    def __init__(self, *, tasks: int, max_tasks: int, multiplier: str) -> None:
        self.tasks, self.max_tasks = tasks, max_tasks
        super().__init__(
            f"The job has {counted(tasks, 'task')}, max_tasks allows {max_tasks:,}. Nothing was written. {multiplier}. "
            f"Fix: correct the job; or set max_tasks={tasks} at the operator ([sosw] max_tasks for all operators)."
        )


class TaskTooLarge(SoswError):
    """A task of the job does not fit into a DynamoDB item or into the payload of a Lambda invocation."""

    def __init__(self, *, index: int, size: int, limit: int, limit_name: str, largest: str, excerpt: str) -> None:
        self.index, self.size, self.limit = index, size, limit
        super().__init__(
            f"Task number {index + 1} of the job has {size:,} bytes; {limit_name} is {limit:,} bytes. Nothing was "
            f"written. Fix: isolate its largest attribute, {largest!r}, or lower its max_..._per_batch. The task "
            f"begins: {excerpt}"
        )


class QueueFull(SoswError, retryable=True):  # the Orchestrator empties the queue
    """The job has more tasks than places between the end of the labourer's queue and the present."""

    def __init__(self, *, labourer_id: str, tasks: int, room: int, base: int, now: int) -> None:
        self.labourer_id, self.tasks, self.room, self.base, self.now = labourer_id, tasks, room, base, now
        super().__init__(
            f"The queue of the labourer {labourer_id!r} has room for {room:,} of the job's {counted(tasks, 'task')}. "
            f"Nothing was written. (Its newest greenfield is {base}; rows above the present, {now}, count "
            f"as invoked.) Fix: let the queue run empty and retry, or split the job."
        )


class NoProgress(SoswError, retryable=True):
    """AWS took no more rows for too long; the next attempt resumes where this one stopped."""

    def __init__(self, *, job_id: str, done: int, total: int, seconds: float, last: str) -> None:
        self.job_id, self.done, self.total = job_id, done, total
        super().__init__(
            f"No task of the job {job_id} could be written for {seconds:.0f} s. {done:,} of {tasks_are(total)} in "
            f"the queue. Fix: raise the tables' write capacity; a retry resumes there. Last answer of AWS: {last}"
        )


class JobConflict(SoswError):
    """Another job was scheduled before under the identity of this generation."""

    def __init__(self, *, job_id: str, changes: Sequence[str]) -> None:
        self.job_id, self.changes = job_id, tuple(changes)
        super().__init__(
            f"The job {job_id} was scheduled before with another content, and its tasks may already be running. "
            f"What changed since:{lines_of(self.changes)}\nFix: put the old content back, or clear the Airflow task "
            f"(with on_clear='reschedule') to schedule the new content as a new generation."
        )


class JobStopped(SoswError, retryable=True):
    """The writing was stopped (Ctrl-C, SIGTERM, a kill from the UI) between two requests."""

    def __init__(self, job_id: str, *, cancelled: bool) -> None:
        self.job_id = job_id
        super().__init__(
            f"The job {job_id} was stopped and cancelled: the tasks that no worker had received are out of the queue. "
            f"Fix: clear the Airflow task to schedule it as a new job."
            if cancelled
            else f"The writing of the job {job_id} was stopped. Fix: retry the Airflow task, which resumes there."
        )


class JobCancelled(SoswError):
    """The job was cancelled; a cancelled job is never resumed."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        fix = "Fix: clear the Airflow task to schedule it again."
        super().__init__(f"The job {job_id} was cancelled and is never resumed. {fix}")


class JobRecordDamaged(SoswError):
    """The job record, the queue file and the rows do not fit together; another program has changed one of them."""


class UnknownJob(SoswError):
    """There is no job record of this id."""

    def __init__(self, job_id: str, *, table: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"There is no job {quoted(job_id)} in {table}, which keeps job records for 180 days. Fix: give job_id of "
            f"the XCom of the Airflow task that scheduled it, or the first 20 digits of the id of a task."
        )


def _end_of_job(job_id: str, cancelled: str, not_cancelled: str) -> str:
    """What became of a job that was to be cancelled before it was over, and the fix."""
    if cancelled:
        return (
            f"The job is cancelled: {cancelled}. Fix: remove the cause, then clear the Airflow task to schedule every "
            f"task again."
        )
    return (
        f"The job is not cancelled: {not_cancelled}. Fix: cancel it with `sosw-airflow cancel {job_id}`; then remove "
        f"the cause and clear the Airflow task."
    )


class JobFailed(SoswError):
    """The workers are done with the job, and more of its tasks failed than is tolerated."""

    def __init__(
        self,
        *,
        job_id: str,
        total: int,
        completed: int,
        failed: int,
        tolerated: str,
        examples: Sequence[str],
        causes: Sequence[str] = (),
        results: str = "",
        cancelled: str = "",
        not_cancelled: str = "",
    ) -> None:
        self.job_id, self.total, self.completed, self.failed = job_id, total, completed, failed
        self.causes, self.results = tuple(causes), results
        reasons = f"\nCauses:{lines_of(causes, most=len(causes))}" if causes else ""
        place = f"\nResults: {results}" if results else ""
        what = (
            f"{failed:,} of {counted(total, 'task')} of the job {job_id} failed ({completed:,} completed; tolerated: "
            f"{tolerated}).{reasons}\nFailed tasks:{lines_of(examples, failed)}{place}"
        )
        if cancelled or not_cancelled:
            super().__init__(f"{what}\n{_end_of_job(job_id, cancelled, not_cancelled)}")
            return
        super().__init__(
            f"{what}\nFix: schedule them again with `sosw-airflow repair {job_id}` (or SoswRepairOperator, or clear "
            f"this Airflow task if it has on_clear='failed')."
        )


class JobsFailed(SoswError):
    """One or more of the jobs that a sensor waits for failed or were cancelled; all of them are over."""

    def __init__(self, failures: Iterable[SoswError], *, jobs: int) -> None:
        self.failures, self.jobs = tuple(failures), jobs
        super().__init__(f"{len(self.failures):,} of {counted(jobs, 'job')} did not succeed:{lines_of(self.failures)}")


class JobTimedOut(SoswError, retryable=True):  # a retry waits on, and schedules nothing again
    """The workers were not done with the job in time. Its tasks stay where they are."""

    def __init__(
        self, *, job_id: str, total: int | None, closed: int, cancelled: str = "", not_cancelled: str = ""
    ) -> None:
        self.job_id = job_id
        others = "all others stay in the queue or with the workers"
        if cancelled or not_cancelled:
            self.retryable = not cancelled
            done = f"{closed:,} of {tasks_are(total or 0)} closed"
            end = _end_of_job(job_id, cancelled, not_cancelled)
            super().__init__(f"The job {job_id} was not done in time: {done}. {end}")
            return
        state = "it has no record yet" if total is None else f"{closed:,} of {tasks_are(total)} closed, {others}"
        super().__init__(
            f"The job {job_id} was not done in time: {state}. Fix: retry the Airflow task, which only waits; raise "
            f"timeout; or see what the workers do with `sosw-airflow status {job_id}`."
        )


class TriggererCannotPoll(SoswError, retryable=True):  # the tasks stay, and a retry continues to wait
    """The triggers of a deferred Airflow task could not poll its job, although its worker can."""

    def __init__(self, job_id: str, *, hops: int, reason: str) -> None:
        self.job_id, self.hops, self.reason = job_id, hops, reason
        super().__init__(
            f"The triggerer could not poll the job {job_id} {counted(hops, 'time')} in a row, the worker could. "
            f"The triggerer's reason: {reason}\nThe tasks stay, and a retry continues to wait. Fix: give the "
            f"triggerer the workers' Connections, secrets backend, network and packages; or set deferrable=False."
        )


class DeferralLost(SoswError, retryable=True):  # a retry finds its job by its record
    """Airflow has resumed a deferred Airflow task with values that name no job."""

    def __init__(self) -> None:
        super().__init__(
            "Airflow resumed this Airflow task, but neither the trigger's event nor what was deferred with it names a "
            "job. The tasks stay, and a retry continues to wait. Fix: let the Airflow task retry, or clear it with "
            "on_clear='resume'."
        )


class TasksLost(SoswError):
    """Tasks of the job are in none of sosw's tables, so how they ended cannot be known."""

    def __init__(self, *, job_id: str, total: int, closed: int, lost: Sequence[str], tables: Sequence[str]) -> None:
        self.job_id, self.total, self.closed, self.lost = job_id, total, closed, tuple(lost)
        super().__init__(
            f"{len(lost):,} of {counted(total, 'task')} of the job {job_id} are in none of {', '.join(tables)}: "
            f"{', '.join(lost[:3])}{', ...' if len(lost) > 3 else ''}. They were deleted, or a time to live removed "
            f"them before they were counted; {tasks_are(closed)} closed. Fix: check what the workers have done; then "
            f"mark the Airflow task as successful, or clear it with on_clear='reschedule'. Keep closed tasks longer."
        )


class LabourersPaused(SoswError, retryable=True):  # a function may be deployed, a permission be given meanwhile
    """Tasks are left, and their labourers pause: because of a fault that lasts, or because a person has ordered it."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        lines = lines_of([f"{labourer_id}: {reason}" for labourer_id, reason in reasons.items()])
        super().__init__(
            f"Tasks are left, and {counted(len(reasons), 'labourer pauses', 'labourers pause')}:{lines}\n"
            f"Fix: what each line names. The tasks keep their places and attempts, and the next run continues."
        )


class JobUnfinished(SoswError, retryable=True):  # the workers continue
    """The failed tasks of a job are to be scheduled again, but some of its tasks are still queued or running."""

    def __init__(self, *, job_id: str, total: int, closed: int, failed: int) -> None:
        self.job_id, self.total, self.closed, self.failed = job_id, total, closed, failed
        super().__init__(
            f"The job {job_id} is not over: {closed:,} of {tasks_are(total)} closed, {failed:,} of them failed. "
            f"Fix: wait for its end; or repair it now, once, without the rest (unfinished='leave', --leave-unfinished)."
        )


class InvalidQueueFile(_FaultyDocument):
    """A queue file that was left in S3 cannot be written. ``faults`` has each fault with its line."""

    fix = "correct these lines of the file, or remove them, then drain it again. It was not renamed."

    def __init__(self, name: str, faults: Iterable[Fault]) -> None:
        self.name, self.what = name, f"The queue file {name}"
        super().__init__(faults)


class MissingQueueFile(SoswError):
    """There is no queue file of this name, locked or not."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"There is no queue file {name}, and no locked one; it may be drained already. Fix: correct queue_file, or "
            f"queue_bucket and s3_prefix in the extras of the sosw Connection."
        )


class QueueFileLocked(SoswError):
    """Another Scheduler uses this queue file, or did until it crashed."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"The queue file {name} is locked by another Scheduler. Fix: let it finish; if it has crashed, take the "
            f"file with take_locked=True (--take-locked): tasks that it has written may then be done twice."
        )


class JobDelivered(SoswError):
    """The job's queue file was given to sosw's own Scheduler, which writes the tasks under ids of its own."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"The job {job_id} was delivered as a queue file (delivery='queue_file'): sosw's own Scheduler writes its "
            f"tasks, under unknown ids, so it cannot be waited for or repaired from here. Fix: clear the Airflow task "
            f"with on_clear='reschedule' and delivery='tasks'."
        )


class DeliveryUncertain(SoswError):
    """The answer to the request that delivers the queue file was lost, or the attempt ended before it came."""

    def __init__(self, job_id: str, *, name: str, since: int) -> None:
        self.job_id = job_id
        at = datetime.fromtimestamp(since, timezone.utc).isoformat(sep=" ")
        super().__init__(
            f"An attempt at the job {job_id} ended while it delivered its queue file {name} at {at}. The file does not "
            f"exist now: it was never delivered, or sosw's Scheduler has drained it. Fix: search the labourer's tasks "
            f"created since then (created_at in sosw_tasks and sosw_closed_tasks). If they are missing, clear the "
            f"Airflow task with on_clear='reschedule'; if not, mark it as successful."
        )


class InvocationUncertain(SoswError, retryable=True):  # once the Scheduler has taken the file, a retry succeeds
    """The answer to the invocation of sosw's Scheduler was lost, or the attempt ended before it came."""

    def __init__(self, job_id: str, *, name: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"An attempt at the job {job_id} ended while it invoked sosw's Scheduler with the queue file {name}. If "
            f"Lambda has the invocation, the Scheduler takes the file soon, and a retry succeeds. Fix: if the file "
            f"waits for longer than six hours (so long Lambda keeps an event), invoke it yourself, then retry."
        )


class DeliveryInProgress(SoswError, retryable=True):  # a retry finds it delivered, or finishes the delivery
    """Another attempt at the same job delivers it at this moment."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"Another attempt at the job {job_id} has taken over its delivery. Fix: retry the Airflow task."
        )
