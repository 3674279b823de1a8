"""Takes over a queue file that a Scheduler of sosw has left, and writes its tasks, once (sosw rule 7).

The file is claimed as sosw's Scheduler claims one, by renaming it; then its lines become the plan of a job of ours, and
everything else is as for any job. The file is removed when its tasks are in the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import Fault, InvalidQueueFile, MissingQueueFile, QueueFileLocked
from sosw_airflow.jobs.blocks import Block, blocks_of_lines
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.job_checks import row_faults
from sosw_airflow.jobs.json_documents import read_object
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.requests import QueuePosition
from sosw_airflow.scheduling.scheduler import JobScheduler, Scheduled
from sosw_airflow.stores.aws_errors import error_code, explained
from sosw_airflow.stores.queue_file import QueueFile, QueueFileGone, locked_name

__all__ = ["DrainRequest", "LeftFile", "drain"]

log = logging.getLogger(__name__)

#: Name of the metadata of a claimed file that tells which job has claimed it.
_CLAIM = "sosw-claimed-by"

_LOCK = locked_name("")

#: Faulty lines that are named.
_MOST_FAULTS = 20


@dataclass(frozen=True)
class LeftFile:
    """A queue file of somebody else.

    :ivar key: under its unlocked name.
    """

    s3: Any
    bucket: str
    key: str

    @classmethod
    def of(cls, s3: Any, name: str, *, bucket: str, prefix: str) -> LeftFile:
        """From a bare name, a key, or ``s3://bucket/key``; with or without ``locked_``."""
        if name.startswith("s3://"):
            bucket, _, key = name.removeprefix("s3://").partition("/")
        else:
            key = name if "/" in name else "/".join(filter(None, (prefix.strip("/"), name)))
        folder, slash, bare = key.rpartition("/")
        return cls(s3, bucket, f"{folder}{slash}{bare.removeprefix(_LOCK)}")

    @property
    def locked_key(self) -> str:
        """The key while somebody works on it."""
        folder, slash, bare = self.key.rpartition("/")
        return f"{folder}{slash}{locked_name(bare)}"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def labourer_id(self) -> str | None:
        """The labourer of the first task, or None where there is no such file under either name.

        :raises InvalidQueueFile: there is no task in it.
        """
        keys = (self.locked_key, self.key)
        key = next((key for key in keys if self._head(key) is not None), None)
        if key is None:
            return None
        with suppress(QueueFileGone):  # so S3 answers to the reading of an empty file
            for number, line in enumerate(self._lines(key), start=1):
                if line.strip():
                    return str(_task(line, number, str(self))["labourer_id"])
        raise InvalidQueueFile(str(self), [Fault("", "the file has no task")])

    def claimed_by(self) -> str | None:
        """The id of the job that has claimed the file, or None: it is not locked, or by a Scheduler of sosw."""
        return (self._head(self.locked_key) or {}).get(_CLAIM)

    def claim(self, job_id: str, *, take_locked: bool) -> None:
        """Rename it, so that nobody else takes it.

        :raises QueueFileLocked: somebody has, and it is not to be taken from them.
        :raises MissingQueueFile: there is no such file.
        """
        locked = self._head(self.locked_key)
        if locked is not None and locked.get(_CLAIM) != job_id:
            if not take_locked:
                raise QueueFileLocked(str(self))
            log.warning(
                "The queue file %s was locked by somebody else. Which of its tasks are in the queue already cannot be "
                "known: each of them is written now.",
                self,
            )
        source = self.locked_key if locked is not None else self.key
        if source == self.key and self._head(self.key) is None:
            raise MissingQueueFile(str(self))
        with explained(action="s3:PutObject", resource=self.bucket, setting="queue_bucket", bucket=True):
            self.s3.copy_object(
                Bucket=self.bucket,
                Key=self.locked_key,
                CopySource={"Bucket": self.bucket, "Key": source},
                Metadata={_CLAIM: job_id},
                MetadataDirective="REPLACE",
            )
            # Also where the file was locked: whoever renamed it may have crashed between the copy and this.
            self.s3.delete_object(Bucket=self.bucket, Key=self.key)

    def remove(self, job_id: str) -> None:
        """Remove what this job has claimed, if it is still there."""
        locked = self._head(self.locked_key)
        if locked is not None and locked.get(_CLAIM) == job_id:
            QueueFile(self.s3, self.bucket, self.locked_key).delete()

    def tasks(self) -> Iterator[dict[str, Any]]:
        """The tasks of the claimed file.

        :raises InvalidQueueFile: a line is no task, or one of another labourer than the first; names several.
        """
        faults: list[Fault] = []
        first: str | None = None
        for number, line in enumerate(self._lines(self.locked_key), start=1):
            if not line.strip():
                continue
            try:
                task = _task(line, number, str(self))
            except InvalidQueueFile as error:
                faults += error.faults
            else:
                first = first or task["labourer_id"]
                if task["labourer_id"] != first:
                    problem = f"is for {task['labourer_id']!r}, the first for {first!r}: split the file"
                    faults.append(Fault(f"line {number}", problem))
                elif not faults:
                    yield task
            if len(faults) >= _MOST_FAULTS:
                break
        if faults:
            raise InvalidQueueFile(str(self), faults)

    def _lines(self, key: str) -> Iterator[str]:
        # Bytes that are not UTF-8 become lone surrogates, which the gate refuses with the line.
        return QueueFile(self.s3, self.bucket, key).lines(errors="surrogateescape")

    def _head(self, key: str) -> dict[str, str] | None:
        with explained(action="s3:GetObject", resource=self.bucket, setting="queue_bucket", bucket=True):
            try:
                return dict(self.s3.head_object(Bucket=self.bucket, Key=key).get("Metadata", {}))
            except ClientError as error:
                if error_code(error) in ("404", "NoSuchKey", "NotFound"):
                    return None
                raise


@dataclass(frozen=True)
class DrainRequest:
    """The tasks of a claimed queue file."""

    identity: JobIdentity
    file: LeftFile
    reference_date: date
    queue_position: QueuePosition = "back"

    @property
    def fingerprint(self) -> str:
        """The file: the claim has renamed it, so there is one of this name."""
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


def drain(scheduler: JobScheduler, request: DrainRequest, *, take_locked: bool = False) -> Scheduled:
    """Write the tasks of a queue file, once, or finish what an earlier attempt has begun; then remove the file.

    :param take_locked: also take a file that somebody has locked: a Scheduler that crashed, or one that still works.
        Which of its tasks were written before cannot be known, so they may be done twice.
    :raises MissingQueueFile, QueueFileLocked, InvalidQueueFile: and nothing was written.
    :raises SoswError: as `JobScheduler.schedule`.
    """
    job_id = request.identity.job_id
    if scheduler.records.header(job_id) is None:
        request.file.claim(job_id, take_locked=take_locked)
    scheduled = scheduler.schedule(request)
    request.file.remove(job_id)
    return scheduled


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
