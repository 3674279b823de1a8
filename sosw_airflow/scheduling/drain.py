"""Takes over a queue file that a Scheduler of sosw has left, and writes its tasks, once (sosw rule 7).

Every line is checked first, and a file that cannot be drained stays as it is. Then the job claims the file in the jobs
table, which only one job can, and renames it, as sosw's Scheduler does. Its lines become the plan of a job of ours, and
everything else is as for any job. The file is removed when its tasks are in the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from sosw_airflow.exceptions import AwsFault, Fault, InvalidQueueFile, MissingQueueFile, QueueFileLocked
from sosw_airflow.jobs.blocks import Block, blocks_of_lines
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.job_checks import row_faults
from sosw_airflow.jobs.json_documents import read_object
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.transitions import JobState
from sosw_airflow.scheduling.requests import QueuePosition
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleResult
from sosw_airflow.stores.aws_errors import Argument
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.file_claims import FileClaims
from sosw_airflow.stores.job_record import RECORD_SECONDS, JobRecords
from sosw_airflow.stores.object_copy import ObjectCopy
from sosw_airflow.stores.object_head import ObjectHead, head_object
from sosw_airflow.stores.queue_file import QueueFile, QueueFileGone
from sosw_airflow.stores.queue_file_keys import CLAIMED_BY, locked_key, unlocked_key
from sosw_airflow.stores.s3_url import s3_url, split_s3_url

__all__ = ["DrainRequest", "LeftFile", "drain"]

log = logging.getLogger(__name__)

#: The object from which it was made; a new one under its unlocked name has another ETag.
_SOURCE = "sosw-claimed-etag"

#: Faulty lines that are named.
_MOST_FAULTS = 20


@dataclass(frozen=True)
class LeftFile:
    """A queue file that another Scheduler has left.

    :ivar s3: a boto3 S3 client.
    :ivar s3_once: one that does not repeat requests.
    :ivar key: under its unlocked name.
    :ivar setting: the extra of the Connection, or the argument, that names the bucket.
    """

    s3: Any
    s3_once: Any
    bucket: str
    key: str
    setting: str = "queue_bucket"

    @classmethod
    def of(cls, deployment: Deployment, name: str) -> LeftFile:
        """From a bare name, a key, or ``s3://bucket/key``; with or without ``locked_``."""
        bucket, setting = deployment.queue_bucket, "queue_bucket"
        if name.startswith("s3://"):
            (bucket, key), setting = split_s3_url(name), Argument("queue_file")
        else:
            key = name if "/" in name else "/".join(filter(None, (deployment.s3_prefix.strip("/"), name)))
        return cls(deployment.s3, deployment.s3_once, bucket, unlocked_key(key), setting)

    @property
    def locked_key(self) -> str:
        """The key while a process works on it."""
        return locked_key(self.key)

    def __str__(self) -> str:
        return s3_url(self.bucket, self.key)

    def labourer_id(self) -> str | None:
        """The labourer of the first task, or None if the file exists under neither name.

        :raises InvalidQueueFile: it has no task.
        """
        for key in (self.locked_key, self.key):
            if self._head(key).exists:
                break
        else:
            self._refuse_denied()
            return None
        with suppress(QueueFileGone):  # so S3 answers to the reading of an empty file
            for number, line in enumerate(self._lines(key), start=1):
                if line.strip():
                    return str(_task(line, number, str(self))["labourer_id"])
        raise InvalidQueueFile(str(self), [Fault("", "the file has no task")])

    def claimed_by(self) -> str | None:
        """The id of the job that has claimed the file, or None: it is not locked, or by a Scheduler of sosw."""
        return self._head(self.locked_key).metadata.get(CLAIMED_BY)

    def claim(
        self,
        records: JobRecords,
        claims: FileClaims,
        job_id: str,
        *,
        take_locked: bool,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Claim it in the jobs table, then rename it as sosw's Scheduler does.

        :param check: called between two requests of a long copy; may raise.
        :raises QueueFileLocked: another process has it, and it is not to be taken from that one.
        :raises MissingQueueFile: the file does not exist.
        :raises InvalidQueueFile: it cannot be drained, and is left as it is.
        """
        locked, left = self._head(self.locked_key), self._head(self.key)
        if locked.exists and locked.metadata.get(CLAIMED_BY) == job_id:
            if _is_source(left, locked):
                self._remove(self.key)
            return
        if locked.exists and not take_locked:
            raise QueueFileLocked(str(self))
        if not (locked.exists or left.exists):
            self._refuse_denied()
            raise MissingQueueFile(str(self))
        # If S3 lets the unlocked one be read, the locked one was not denied but is missing.
        source, head = (self.locked_key, locked) if locked.exists else (self.key, left)
        original = left.etag if not locked.exists or _is_source(left, locked) else None
        for _ in self._tasks(source):  # all of it, before anything is changed
            check()
        owner = claims.owner(str(self))
        free = take_locked or owner in ("", job_id) or _is_over(records, owner)
        if not free or not claims.take(str(self), job_id, instead_of=owner):
            raise QueueFileLocked(str(self))
        if locked.exists:
            log.warning(
                "The queue file %s was locked by another process. Which of its tasks are in the queue already cannot "
                "be known, so all of them are written now.",
                self,
            )
        try:
            self._lock(source, head, {CLAIMED_BY: job_id, _SOURCE: original or head.etag or ""}, check)
        except (AwsFault, QueueFileLocked):
            if self._head(source).etag == head.etag:
                raise
            # Another process has taken it, or a person has replaced it, after it was read.
            claims.release(str(self), job_id)
            raise QueueFileLocked(str(self)) from None
        if original and self._head(self.key).etag == original:
            self._remove(self.key)

    def _lock(self, source: str, head: ObjectHead, metadata: dict[str, str], check: Callable[[], None]) -> None:
        with ObjectCopy(
            self.s3,
            self.s3_once,
            bucket=self.bucket,
            source=source,
            target=self.locked_key,
            size=head.size,
            etag=head.etag,
            metadata=metadata,
            setting=self.setting,
            check=check,
        ) as copy:
            copy.prepare()
            # Parts take minutes to copy: a Scheduler of sosw, which knows no claims, may have taken the file meanwhile.
            if copy.in_parts and self._head(source).etag != head.etag:
                raise QueueFileLocked(str(self))
            copy.commit()

    def remove(self, claims: FileClaims, job_id: str) -> None:
        """Remove what this job has claimed, if it still exists, and end its claim."""
        locked = self._head(self.locked_key)
        if locked.exists and locked.metadata.get(CLAIMED_BY) == job_id:
            self._remove(self.locked_key)
        claims.release(str(self), job_id)

    def tasks(self) -> Iterator[dict[str, Any]]:
        """The tasks of the claimed file.

        :raises InvalidQueueFile: a line is no task, or a task of another labourer than the first; names several.
        :raises MissingQueueFile: another attempt has drained it meanwhile.
        """
        return self._tasks(self.locked_key)

    def _tasks(self, key: str) -> Iterator[dict[str, Any]]:
        try:
            yield from self._checked_tasks(key)
        except QueueFileGone:
            raise MissingQueueFile(str(self)) from None

    def _checked_tasks(self, key: str) -> Iterator[dict[str, Any]]:
        faults: list[Fault] = []
        first: str | None = None
        for number, line in enumerate(self._lines(key), start=1):
            if not line.strip():
                continue
            try:
                task = _task(line, number, str(self))
            except InvalidQueueFile as error:
                faults += error.faults
            else:
                first = first or task["labourer_id"]
                if task["labourer_id"] != first:
                    problem = f"is for {excerpt(task['labourer_id'])}, the first for {excerpt(first)}: split the file"
                    faults.append(Fault(f"line {number}", problem))
                elif not faults:
                    yield task
            if len(faults) >= _MOST_FAULTS:
                break
        if faults:
            raise InvalidQueueFile(str(self), faults)

    def _lines(self, key: str) -> Iterator[str]:
        # Bytes that are not UTF-8 become lone surrogates, which the gate refuses with the line.
        return self._file(key).lines(errors="surrogateescape")

    def _head(self, key: str) -> ObjectHead:
        return head_object(self.s3, self.bucket, key, setting=self.setting)

    def _remove(self, key: str) -> None:
        self._file(key).delete()

    def _file(self, key: str) -> QueueFile:
        return QueueFile(self.s3, self.bucket, key, setting=self.setting)

    def _refuse_denied(self) -> None:
        """Raise the denial if S3 does not say whether the file is missing."""
        denied = self._head(self.key).denied
        if denied:
            raise denied


@dataclass(frozen=True)
class DrainRequest:
    """The tasks of a claimed queue file."""

    identity: JobIdentity
    file: LeftFile
    reference_date: date
    queue_position: QueuePosition = "back"
    max_running: int = 0
    place = ""
    sources = ""
    varies = False

    @property
    def fingerprint(self) -> str:
        """The file: the claim has renamed it, so its name identifies it."""
        return f"drain {self.file}"

    def outline(self) -> dict[str, str]:
        """What a conflict compares."""
        return {"queue_file": str(self.file)}

    def blocks(self, codec: LineCodec) -> Iterator[Block]:
        """The tasks as lines of our own queue file."""
        return blocks_of_lines(self._lines(codec))

    def _lines(self, codec: LineCodec) -> Iterator[str]:
        for index, task in enumerate(self.file.tasks()):
            yield codec.line({name: value for name, value in task.items() if name != "labourer_id"}, index)


def drain(scheduler: JobScheduler, request: DrainRequest, *, take_locked: bool = False) -> ScheduleResult:
    """Write the tasks of a queue file, once, or finish what an earlier attempt has begun; then remove the file.

    :param take_locked: also take a file that another process has locked: a Scheduler that crashed, or one that still
        works. Which of its tasks were written before cannot be known, so they may be done twice.
    :raises MissingQueueFile, QueueFileLocked, InvalidQueueFile: and nothing was written.
    :raises SoswError: as `JobScheduler.schedule`.
    """
    job_id, at, records = request.identity.job_id, scheduler.deployment, scheduler.records
    claims = FileClaims(at.dynamodb, at.tables.jobs_table, seconds=RECORD_SECONDS, now=at.now)
    if records.header(job_id) is None:
        request.file.claim(records, claims, job_id, take_locked=take_locked, check=scheduler.check_stop)
    scheduled = scheduler.schedule(request)
    request.file.remove(claims, job_id)
    return scheduled


def _is_source(left: ObjectHead, locked: ObjectHead) -> bool:
    """The unlocked file is the one that was locked, by a process that ended before it removed it. A new one is kept."""
    return bool(left.exists) and left.etag in (locked.etag, locked.metadata.get(_SOURCE))


def _is_over(records: JobRecords, job_id: str) -> bool:
    """The job has ended, though its attempt may have died before it gave up its claim."""
    header = records.header(job_id)
    return header is not None and header.state in (JobState.WRITTEN, JobState.CANCELLED)


def _task(line: str, number: int, name: str) -> dict[str, Any]:
    refuse, place = partial(InvalidQueueFile, name), f"line {number}"
    task = read_object(line, refuse, place=place)
    if not isinstance(task.get("labourer_id"), str):
        raise refuse([Fault(place, "is no task: a JSON object with a labourer_id")])
    attributes = {key: value for key, value in task.items() if key != "labourer_id"}
    faults = [Fault(f"{place}.{fault.path}", fault.problem) for fault in row_faults(attributes, ())]
    if faults:
        raise refuse(faults)
    return task
