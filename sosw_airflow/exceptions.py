"""Every error of this provider.

One base class, one class for each thing that a user can do something about. A message names the value, the place, the
rule and the mend. This module is pure: it imports neither Airflow nor boto3, so the core, the stores and the shell
share it.

``retryable`` says whether a later attempt with the same inputs may succeed. The operators fail an Airflow task at once,
without spending its retries, on an error that is not retryable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "AccessDenied",
    "AwsFault",
    "ConflictingLabourers",
    "DeliveryUncertain",
    "DeploymentBroken",
    "Fault",
    "InvalidConfiguration",
    "InvalidJob",
    "InvalidJobSchema",
    "InvalidQueueFile",
    "JobCancelled",
    "JobConflict",
    "JobDelivered",
    "JobFailed",
    "JobRecordDamaged",
    "JobStopped",
    "JobTimedOut",
    "JobUnfinished",
    "JobsFailed",
    "MissingBucket",
    "MissingQueueFile",
    "MissingTable",
    "NoProgress",
    "QueueFileLocked",
    "QueueFull",
    "SoswError",
    "TaskTooLarge",
    "TasksLost",
    "TooManyTasks",
    "TriggererCannotPoll",
    "UnknownJob",
    "UnknownJobSchema",
    "UnknownLabourer",
]

#: How many faults or examples a message spells out before it only counts the rest.
SHOWN = 20


class SoswError(Exception):
    """Base of all errors that this provider raises on purpose."""

    retryable: bool = False

    def __init__(self, message: str = "") -> None:
        # A log and a terminal can write it, whatever names from outside are in it.
        super().__init__(message.encode("utf-8", "backslashreplace").decode())


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a document.

    :ivar path: where, as a dotted path in the document (``sections.section_a.stores``); empty for the document itself.
    :ivar problem: what is wrong with the value there, and how to mend it.
    """

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class _FaultyDocument(SoswError):
    """A document with one or more faults, all of them reported together."""

    what = "The document"

    def __init__(self, faults: Iterable[Fault], *, total: int | None = None) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        self.total = len(self.faults) if total is None else total
        lines = [f"  - {fault}" for fault in self.faults[:SHOWN]]
        if self.total > len(lines):
            lines.append(f"  - and {self.total - len(lines)} more")
        super().__init__("\n".join([f"{self.what} is refused, nothing was written:", *lines]))


class InvalidJob(_FaultyDocument):
    """The job cannot be scheduled as it is. ``faults`` has each fault with its path in the job."""

    what = "The job"


class InvalidJobSchema(_FaultyDocument):
    """The job schema cannot be used. ``faults`` has each fault with its path in the schema."""

    what = "The job schema"


class InvalidConfiguration(_FaultyDocument):
    """A Connection, a Variable or an operator's argument cannot be used."""

    what = "The configuration"


class InvalidQueueFile(_FaultyDocument):
    """A queue file that somebody else has left cannot be written. ``faults`` has each fault with its line."""

    def __init__(self, name: str, faults: Iterable[Fault]) -> None:
        self.name = name
        self.what = f"The queue file {name}"
        super().__init__(faults)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.name, self.faults)


class MissingQueueFile(SoswError):
    """There is no queue file of this name, locked or not."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"There is no queue file {name}, and no locked one either. Was it drained already? Correct queue_file, or "
            f"queue_bucket and s3_prefix in the extras of the sosw Connection."
        )


class QueueFileLocked(SoswError):
    """Somebody works on this queue file, or did until it crashed."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"The queue file {name} is locked by another Scheduler. If a Scheduler of sosw still works on it, let it "
            f"finish. Fix: if that one has crashed, take the file with take_locked=True (--take-locked on the command "
            f"line). The file does not show which of its tasks were written before, so some may then be done twice."
        )


class UnknownJobSchema(SoswError):
    """The job or the operator asks for a variant of the job schema that is not configured."""

    def __init__(self, name: str, known: Iterable[str], *, where: str = "the Variable sosw_job_schemas") -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(
            f"The job schema {name!r} is not known. {_known('Variants', self.known, where)} "
            f"Add it to {where}, or correct the name (the operator's job_schema, or job_schema_name in the job)."
        )


class UnknownLabourer(SoswError):
    """The labourer is not registered, so no Orchestrator would ever invoke its tasks."""

    def __init__(self, labourer_id: str, known: Iterable[str]) -> None:
        self.labourer_id = labourer_id
        self.known = tuple(sorted(known))
        super().__init__(
            f"The labourer {labourer_id!r} is not registered. "
            f"{_known('Labourers', self.known, 'the Variable sosw_labourers')} "
            f"Add {labourer_id!r} to the Variable sosw_labourers, or create a Connection of type sosw_labourer "
            f"with this id."
        )


class ConflictingLabourers(SoswError):
    """The operator's ``labourer`` and the job's ``lambda_name`` name different labourers."""

    def __init__(self, labourer: str, lambda_name: str) -> None:
        self.labourer = labourer
        self.lambda_name = lambda_name
        super().__init__(
            f"The operator's labourer is {labourer!r}, but lambda_name in the job is {lambda_name!r}. "
            f"Give one of them, or make both name the same Lambda function."
        )


class TaskTooLarge(SoswError):
    """A task of the job does not fit into a DynamoDB item or into the payload of a Lambda invocation."""

    def __init__(self, *, index: int, size: int, limit: int, limit_name: str, largest: str, excerpt: str) -> None:
        self.index, self.size, self.limit = index, size, limit
        super().__init__(
            f"Task number {index + 1} of the job has {size:,} bytes; {limit_name} is {limit:,} bytes. Nothing was "
            f"written. Its largest attribute is {largest!r}: isolate it, or lower its max_..._per_batch. "
            f"The task begins: {excerpt}"
        )


class TooManyTasks(SoswError):
    """The job would become more tasks than ``max_tasks`` allows. They were counted, not made."""

    def __init__(self, *, tasks: int, max_tasks: int, multiplier: str) -> None:
        self.tasks, self.max_tasks = tasks, max_tasks
        super().__init__(
            f"The job has {tasks:,} tasks, max_tasks allows {max_tasks:,}. Nothing was written. {multiplier}. "
            f"Fix: correct the job; or, if it is meant so, set max_tasks={tasks} at the operator (for all operators: "
            f"max_tasks in the section [sosw] of Airflow's configuration)."
        )


class QueueFull(SoswError):
    """The job has more tasks than places between the end of the labourer's queue and the present."""

    retryable = True  # the Orchestrator empties the queue

    def __init__(self, *, labourer_id: str, tasks: int, room: int, base: int, now: int) -> None:
        self.labourer_id, self.tasks, self.room, self.base, self.now = labourer_id, tasks, room, base, now
        super().__init__(
            f"The queue of the labourer {labourer_id!r} has room for {room:,} more tasks, the job has {tasks:,}. "
            f"Nothing was written. (Its newest greenfield is {base}, and rows must stay below the present, {now}: "
            f"sosw takes rows above it for invoked ones.) Let the queue run empty, or split the job."
        )


class JobConflict(SoswError):
    """Another job was scheduled before under the identity of this generation."""

    def __init__(self, *, job_id: str, changes: Sequence[str]) -> None:
        self.job_id = job_id
        self.changes = tuple(changes)
        shown = "\n".join(f"  - {change}" for change in self.changes[:SHOWN])
        super().__init__(
            f"The job {job_id} was scheduled before with another content, and its tasks may already be at work. "
            f"What changed since:\n{shown}\n"
            f"Put the old content back, or clear the Airflow task (with on_clear='reschedule') to schedule the new "
            f"content as a new generation."
        )


class JobCancelled(SoswError):
    """The job was cancelled; a cancelled job is never resumed."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"The job {job_id} was cancelled and is never resumed. Clear the Airflow task to schedule it as a new one."
        )


class JobDelivered(SoswError):
    """The job's queue file was given to sosw's own Scheduler, which writes the tasks under ids of its own."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"The job {job_id} was delivered as a queue file (delivery='queue_file'): sosw's own Scheduler writes its "
            f"tasks, under ids that nobody here knows. So it can be neither written nor waited for nor repaired from "
            f"here. To write a job here, use delivery='tasks' from its first attempt on."
        )


class DeliveryUncertain(SoswError):
    """A crash has left open whether the queue file was delivered."""

    def __init__(self, job_id: str, *, name: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"An attempt at the job {job_id} ended in the very moment of delivering its queue file {name}, which is "
            f"not there: it was never delivered, or sosw's Scheduler has drained it since. Look whether the labourer "
            f"has got its tasks. If not, clear the Airflow task with on_clear='reschedule'; otherwise mark it as "
            f"successful."
        )


class UnknownJob(SoswError):
    """There is no job record of this id."""

    def __init__(self, job_id: str, *, table: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"There is no job {job_id!r} in {table}. A job's id is the first 20 digits of its tasks' ids, and job_id "
            f"in the XCom of the Airflow task that scheduled it. (Job records are kept for 180 days.)"
        )


class JobFailed(SoswError):
    """The workers are done with the job, and more of its tasks failed than is tolerated."""

    def __init__(
        self, *, job_id: str, total: int, completed: int, failed: int, tolerated: str, examples: Sequence[str]
    ) -> None:
        self.job_id, self.total, self.completed, self.failed = job_id, total, completed, failed
        self.examples = tuple(examples)
        shown = "".join(f"\n  - {example}" for example in self.examples)
        more = f"\n  - and {failed - len(self.examples):,} more" if failed > len(self.examples) else ""
        super().__init__(
            f"{failed:,} of {total:,} tasks of the job {job_id} failed ({completed:,} completed; tolerated: "
            f"{tolerated}).\nFailed tasks:{shown}{more}\n"
            f"To schedule the failed ones again:  sosw-airflow repair {job_id}  (or SoswRepairOperator, or clear this "
            f"Airflow task where it has on_clear='failed')."
        )


class JobsFailed(SoswError):
    """One or more of the jobs that a sensor waits for failed or were cancelled; all of them are over."""

    def __init__(self, failures: Iterable[SoswError], *, jobs: int) -> None:
        self.failures = tuple(failures)
        self.jobs = jobs
        lines = [str(failure) for failure in self.failures[:SHOWN]]
        if len(self.failures) > len(lines):
            lines.append(f"and {len(self.failures) - len(lines)} more jobs")
        super().__init__("\n".join([f"{len(self.failures):,} of {jobs:,} jobs did not succeed:", *lines]))

    def __reduce__(self) -> tuple[object, ...]:
        return _jobs_failed, (self.failures, self.jobs)


def _jobs_failed(failures: Sequence[SoswError], jobs: int) -> JobsFailed:
    return JobsFailed(failures, jobs=jobs)


class JobTimedOut(SoswError):
    """The workers were not done with the job in time. Its tasks stay where they are."""

    retryable = True  # a retry waits on, and schedules nothing again

    def __init__(self, *, job_id: str, total: int | None, closed: int) -> None:
        self.job_id = job_id
        state = (
            f"{closed:,} of {total:,} tasks are closed, the others stay in the queue or with the workers"
            if total is not None
            else "there is no record of such a job yet"
        )
        super().__init__(
            f"The job {job_id} was not done in time: {state}. A retry of this Airflow task waits on and schedules "
            f"nothing again. Raise timeout, or see what the workers do:  sosw-airflow status {job_id}"
        )


class TasksLost(SoswError):
    """Tasks of the job are in none of sosw's tables, so how they ended cannot be known."""

    def __init__(self, *, job_id: str, total: int, closed: int, lost: Sequence[str], tables: Sequence[str]) -> None:
        self.job_id, self.total, self.closed, self.lost = job_id, total, closed, tuple(lost)
        more = f" and {len(self.lost) - 3:,} more" if len(self.lost) > 3 else ""
        super().__init__(
            f"Tasks of the job {job_id} are in none of {', '.join(tables)}: {', '.join(self.lost[:3])}{more}. They "
            f"were deleted, or a time to live removed them before they were counted; {closed:,} of {total:,} tasks "
            f"are closed. Fix: check what the workers have done; then mark the Airflow task as successful, or clear "
            f"it with on_clear='reschedule' to schedule every task again. Keep closed tasks longer than jobs run."
        )


class TriggererCannotPoll(SoswError):
    """The triggers of a deferred Airflow task could not poll its job, although its worker can."""

    retryable = True  # the tasks stay, and a retry continues to wait

    def __init__(self, job_id: str, *, hops: int, reason: str) -> None:
        self.job_id, self.hops, self.reason = job_id, hops, reason
        super().__init__(
            f"The triggerer could not poll the job {job_id} {hops} times in a row, the worker could. The triggerer's "
            f"reason: {reason}\nThe tasks of the job stay as they are, and a retry continues to wait for them. Fix: "
            f"give the triggerer the Connections, secrets backend, network and packages of the workers; or set "
            f"deferrable=False."
        )


class JobUnfinished(SoswError):
    """The failed tasks of a job are to be scheduled again, but some of its tasks are still queued or running."""

    retryable = True  # the workers go on

    def __init__(self, *, job_id: str, total: int, closed: int, failed: int) -> None:
        self.job_id, self.total, self.closed, self.failed = job_id, total, closed, failed
        super().__init__(
            f"The job {job_id} is not over: {closed:,} of {total:,} tasks are closed, {failed:,} of them failed. A "
            f"job is repaired once, so wait for its end; or leave the unfinished tasks alone and schedule again what "
            f"has failed so far (unfinished='leave', on the command line --leave-unfinished)."
        )


class JobRecordDamaged(SoswError):
    """The job record, the queue file and the rows do not fit together; somebody else has changed one of them."""


class JobStopped(SoswError):
    """The writing was stopped (Ctrl-C, SIGTERM, a kill from the UI) between two requests."""

    retryable = True

    def __init__(self, job_id: str, *, cancelled: bool) -> None:
        self.job_id = job_id
        super().__init__(
            f"The job {job_id} was stopped and cancelled: what no worker had got was taken out of the queue."
            if cancelled
            else f"The writing of the job {job_id} was stopped. What is in the queue stays there; a retry of the "
            f"Airflow task goes on from there."
        )


class AwsFault(SoswError):
    """A call to AWS failed in a way that a retry of the same call would not mend."""


class MissingTable(AwsFault):
    """A DynamoDB table or index does not exist where the Connection says it is."""

    def __init__(self, name: str, *, setting: str, region: str | None = None) -> None:
        self.name = name
        place = f" in {region}" if region else ""
        super().__init__(
            f"There is no DynamoDB table {name!r}{place}. Create it (docs/guides/tables.md has a "
            f"CloudFormation template), or correct {setting!r} or region_name in the extras of the sosw Connection."
        )


class MissingBucket(AwsFault):
    """The S3 bucket for queue files does not exist."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"There is no S3 bucket {name!r}. Create it, or correct 'queue_bucket' in the extras "
            f"of the sosw Connection."
        )


class AccessDenied(AwsFault):
    """The credentials may not do what is needed."""

    retryable = True  # policies and credentials change without the DAG

    def __init__(self, *, action: str, resource: str, detail: str) -> None:
        self.action, self.resource = action, resource
        super().__init__(
            f"AWS refuses {action} on {resource}. Allow it to the identity of the AWS Connection. AWS says: {detail}"
        )


class NoProgress(SoswError):
    """AWS took no more rows for too long; the next attempt goes on from where this one stopped."""

    retryable = True

    def __init__(self, *, job_id: str, done: int, total: int, seconds: float, last: str) -> None:
        self.job_id, self.done, self.total = job_id, done, total
        super().__init__(
            f"No task of the job {job_id} could be written for {seconds:.0f} s. {done:,} of {total:,} tasks are in the "
            f"queue; a retry of the Airflow task goes on from there. Last answer of AWS: {last}"
        )


def _short(name: str) -> str:
    """A name for a message: printable, and 80 characters at most."""
    text = str(name)
    return ascii(text)[1:-1][:80] if len(text) > 80 or not text.isprintable() else text


def _known(what: str, names: Sequence[str], where: str) -> str:
    if not names:
        return f"{where[0].upper()}{where[1:]} is empty."
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what} in {where}: {', '.join(map(_short, names[:SHOWN]))}{more}."


def describe_changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The differences of two outlines (attribute → short text of its value), one line each, for `JobConflict`."""
    lines = []
    for key in sorted({*old, *new}):
        if key not in new:
            lines.append(f"{key} is gone (was {old[key]})")
        elif key not in old:
            lines.append(f"{key} is new ({new[key]})")
        elif old[key] != new[key]:
            lines.append(f"{key} was {old[key]}, is {new[key]}")
    return lines


class DeploymentBroken(SoswError):
    """An examination has found what stops jobs from being scheduled or worked on. Another may find it mended."""

    retryable = True

    def __init__(self, findings: Iterable[str]) -> None:
        self.findings = tuple(findings)
        lines = [f"  - {finding}" for finding in self.findings[:SHOWN]]
        if len(self.findings) > len(lines):
            lines.append(f"  - and {len(self.findings) - len(lines)} more")
        super().__init__("\n".join(["The deployment of sosw has to be mended:", *lines]))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.findings,)
