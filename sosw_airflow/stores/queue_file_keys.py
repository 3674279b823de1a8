"""The keys of queue files in S3: a job's plan, the copies of it that are delivered, and the lock of each."""

from __future__ import annotations

import hashlib
import re

__all__ = [
    "CLAIMED_BY",
    "copies_prefix",
    "copy_key",
    "copy_of",
    "locked_key",
    "locked_name",
    "plan_of",
    "queue_file_key",
    "queue_file_prefix",
    "unlocked_key",
]

#: Name of the metadata of a locked file: the job that has claimed it. A Scheduler of sosw writes none.
CLAIMED_BY = "sosw-claimed-by"

_PLAN = re.compile(r"locked_tasks_queue_([0-9a-f]{20})(?:_[0-9a-f]{8})?\.txt")
_COPY = re.compile(r"tasks_queue_airflow_([0-9a-f]{20})(?:_(\d{1,9}))?\.txt", re.ASCII)


def locked_name(name: str) -> str:
    """The name of a queue file while a process works on it."""
    return f"locked_{name}"


def locked_key(key: str) -> str:
    """The key of a queue file while a process works on it."""
    folder, slash, bare = key.rpartition("/")
    return f"{folder}{slash}{locked_name(bare)}"


def unlocked_key(key: str) -> str:
    """The key that a file had before it was locked; the key itself if it is not locked."""
    folder, slash, bare = key.rpartition("/")
    return f"{folder}{slash}{bare.removeprefix(locked_name(''))}"


def queue_file_key(prefix: str, job_id: str, fingerprint: str, holder: str = "") -> str:
    """The key of a job's queue file under its locked name.

    It follows from the job, so that a retry replaces the plan that a crashed attempt has left. An edited job under the
    same id has another fingerprint, so its attempts never write over this plan.

    :param holder: the process that plans the job, if each process may come to another plan.
    """
    digest = hashlib.sha256(f"{fingerprint}{holder}".encode()).hexdigest()[:8]
    return _in(prefix, locked_name(f"tasks_queue_{job_id}_{digest}.txt"))


def queue_file_prefix(prefix: str, job_id: str = "") -> str:
    """What the keys of all queue files of this job begin with. Without a job: what all locked keys begin with."""
    return _in(prefix, locked_name(f"tasks_queue_{job_id}" if job_id else ""))


def copies_prefix(prefix: str) -> str:
    """What the keys of all copies begin with that are delivered to a Scheduler of sosw."""
    return _in(prefix, "tasks_queue_airflow_")


def copy_key(plan: str, job_id: str, number: int) -> str:
    """The key of the copy that an attempt delivers. Its lock must not have the name of our plan.

    :param plan: the key of the plan.  :param number: of the attempt. The first has none in its name.
    """
    folder, slash, _ = plan.rpartition("/")
    return f"{folder}{slash}tasks_queue_airflow_{job_id}{f'_{number}' if number > 1 else ''}.txt"


def plan_of(key: str) -> str | None:
    """The job whose plan a locked file is, None for another file."""
    found = _PLAN.fullmatch(key.rpartition("/")[2])
    return found[1] if found else None


def copy_of(key: str) -> tuple[str, int] | None:
    """The job and the number of the attempt that has made a copy, None for another file."""
    found = _COPY.fullmatch(key.rpartition("/")[2])
    return (found[1], int(found[2] or 1)) if found else None


def _in(prefix: str, name: str) -> str:
    return "/".join(part for part in (prefix.strip("/"), name) if part)
