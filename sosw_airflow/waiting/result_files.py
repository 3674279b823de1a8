"""Writes the results of a job that is over into S3: ``completed.jsonl``, ``failed.jsonl``, ``manifest.json``.

The files of a job stand below its id, so that the jobs of a mapped operator can share a prefix. Their content follows
from the rows alone: written again, the files are the same. The manifest comes last, so a manifest that exists means
that the files are complete.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.rendered_texts import rendered_wrongly
from sosw_airflow.stores.aws_errors import Argument, explain_faults
from sosw_airflow.stores.queue_file import QueueFileWriter
from sosw_airflow.stores.s3_url import s3_url, split_s3_url
from sosw_airflow.waiting.causes import Causes, CausesSummary
from sosw_airflow.waiting.results import ResultReader
from sosw_airflow.waiting.task_results import TaskResult, TaskState

__all__ = ["ResultFiles", "ResultPlace"]

_VERSION = 1

#: Name of the operators' argument.
_SETTING = Argument("results")


@dataclass(frozen=True)
class ResultPlace:
    """A bucket and a prefix in it, without slashes at its ends."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, given: object) -> ResultPlace:
        """From ``s3://bucket/prefix/``; the prefix may be empty.

        :raises InvalidConfiguration: it is no address of S3.
        """
        if isinstance(given, str):
            if wrong := rendered_wrongly(given):
                raise InvalidConfiguration([Fault(_SETTING, wrong)])
            bucket, prefix = split_s3_url(given.strip()) if given.strip().startswith("s3://") else ("", "")
            # 900 bytes leave room for the id of the job and the name of a file: a key has 1,024.
            if (
                bucket
                and "//" not in f"/{prefix}"
                and "\n" not in prefix
                and len(prefix.encode("utf-8", "replace")) <= 900
            ):
                return cls(bucket, prefix.strip("/"))
        raise InvalidConfiguration(
            [Fault(_SETTING, f"must be s3://bucket/prefix with at most 900 bytes, not {excerpt(given)}")]
        )

    def key(self, job_id: str, name: str) -> str:
        """The key of a file of a job."""
        return "/".join(filter(None, (self.prefix, job_id, name)))

    def check(self, s3: Any, job_id: str) -> None:
        """Begin an upload and discard it, which needs the permissions of writing the files. Leaves nothing.

        :raises SoswError: the bucket does not exist, or may not be written.
        """
        key = self.key(job_id, "manifest.json")
        with self._explain_faults("s3:PutObject", key):
            upload_id = s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        with self._explain_faults("s3:AbortMultipartUpload", key):
            s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)

    def put(self, s3: Any, key: str, body: bytes) -> None:
        """Write a JSON document.

        :raises SoswError: AWS refuses.
        """
        with self._explain_faults("s3:PutObject", key):
            s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def _explain_faults(self, action: str, key: str) -> AbstractContextManager[None]:
        return explain_faults(action=action, resource=self.bucket, setting=_SETTING, bucket=True, key=key)


@dataclass(frozen=True)
class ResultFiles:
    """What was written.

    :ivar counts: tasks by their state; every state has a number.
    :ivar completed: and ``failed``, ``manifest``: addresses of the files.
    """

    counts: dict[str, int]
    causes: CausesSummary
    completed: str
    failed: str
    manifest: str

    def as_dict(self) -> dict[str, Any]:
        """For the XCom."""
        return {"manifest": self.manifest, "completed": self.completed, "failed": self.failed, "counts": self.counts}

    @classmethod
    def write(
        cls,
        reader: ResultReader,
        s3: Any,
        place: ResultPlace,
        *,
        stop: threading.Event,
        stopped: Callable[[], Exception],
        log_of: Callable[[TaskResult], str] = lambda _: "",
    ) -> ResultFiles:
        """Read every task once, and write it into one of the two files; then the manifest.

        :param stop: ends the work; `stopped` makes the error for it. Nothing that is incomplete stays.
        :param log_of: gives the address of a task's log.
        :raises SoswError: AWS refuses.
        """
        header, counts, causes = reader.header, Counter[str](), Causes(log_of)

        def writer(name: str) -> QueueFileWriter:
            key = place.key(header.job_id, name)
            return QueueFileWriter(s3, place.bucket, key, metadata={}, setting=_SETTING)

        with (
            writer("completed.jsonl") as completed,
            writer("failed.jsonl") as failed,
            closing(reader.read(range(header.tasks))) as results,
        ):
            for result in results:
                if stop.is_set():
                    raise stopped()
                counts[result.state.value] += 1
                done = result.state is TaskState.COMPLETED
                if result.state is TaskState.FAILED:
                    causes.add(result)
                line = json.dumps(result.as_dict(), sort_keys=True, allow_nan=False)
                (completed if done else failed).write(line)
            completed.complete()
            failed.complete()
        states = {state.value: counts[state.value] for state in TaskState}
        files = {}
        for name, written, lines in (
            ("completed", completed, states["completed"]),
            ("failed", failed, header.tasks - states["completed"]),
        ):
            key = place.key(header.job_id, f"{name}.jsonl")
            files[name] = {"key": key, "bytes": written.size, "lines": lines, "sha256": written.digest}
        summary, key = causes.summary(), place.key(header.job_id, "manifest.json")
        manifest = {
            "version": _VERSION,
            "job_id": header.job_id,
            "labourer": header.labourer_id,
            "bucket": place.bucket,
            "tasks": header.tasks,
            "counts": states,
            "causes": summary.as_dict(),
            "files": files,
        }
        place.put(s3, key, json.dumps(manifest, indent=2, sort_keys=True).encode())
        urls = {name: s3_url(place.bucket, str(file["key"])) for name, file in files.items()}
        return cls(states, summary, **urls, manifest=s3_url(place.bucket, key))
