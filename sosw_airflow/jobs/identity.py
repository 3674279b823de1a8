"""Ids of jobs and tasks, so that a retry finds what an earlier attempt has done.

A ``job_id`` is a digest of what identifies one generation of a job; a ``task_id`` is the job's id and the task's index.
Ids need no storage, and a task's id names its job in any table, log line or Lambda event.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.exceptions.faults import counted
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.periods import DataInterval, is_relative
from sosw_airflow.jobs.redaction import redacted
from sosw_airflow.jobs.rendered_texts import rendered_wrongly
from sosw_airflow.jobs.schema import JobSchema

__all__ = [
    "COMMAND_DAG_ID",
    "NO_JOB",
    "JobIdentity",
    "command_identity",
    "fingerprint",
    "is_empty_job",
    "job_of",
    "outline",
    "outline_changes",
    "parse_job_id",
    "parse_job_ids",
    "task_id",
    "task_ids",
    "task_index",
]

#: Stands in place of a DAG's id for jobs that a command schedules.
COMMAND_DAG_ID = "cli"

#: What stands in the place of a job's summary if its sources are empty (``on_empty="succeed"``).
NO_JOB: Mapping[str, Any] = {"tasks": 0, "completed": 0, "failed": 0, "state": "empty"}

_JOB_DIGITS = 20
_INDEX_DIGITS = 12
_KINDS: dict[type, str] = {dict: "an object", list: "a list", tuple: "a list", str: "a text"}
_TASK_ID = re.compile(f"[0-9a-f]{{{_JOB_DIGITS + _INDEX_DIGITS}}}")

_JOB_OR_TASK_ID = re.compile(r"[0-9a-f]{20}([0-9a-f]{12})?")

#: Raised when the expansion of the same job would give other tasks than before.
_EXPANSION_VERSION = 1


@dataclass(frozen=True)
class JobIdentity:
    """What makes one scheduling of a job the same job on every retry, and another one after a clear.

    :ivar map_index: -1 for an Airflow task that is not mapped.
    :ivar generation: stable over automatic retries, new after a deliberate clear.
    :ivar repairs: id of the job whose failed tasks this one schedules again; empty for a job of its own. A job has one
        repair, so the other parts only record which Airflow task asked first.
    :ivar queue_file: the file whose tasks these are, if another Scheduler has left it. The labourer follows from the
        file then, and is no part of the identity.
    :ivar namespace: of the Airflow deployment, if several share the tables; empty for the only one.
    :ivar rerun: how many DAG runs of this id were deleted before this one was created.
    :ivar run_started: when Airflow started the DAG run. Recorded, and no part of the identity.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    generation: int
    labourer_id: str
    repairs: str = ""
    queue_file: str = ""
    namespace: str = ""
    rerun: int = 0
    run_started: str = field(default="", compare=False)

    @property
    def job_id(self) -> str:
        """20 hexadecimal digits."""
        parts: list[Any] = ["repair", self.repairs]
        if not self.repairs:
            work = ["queue_file", self.queue_file] if self.queue_file else self.labourer_id
            parts = [self.dag_id, self.run_id, self.task_id, self.map_index, self.generation, work]
            # Only if they are set: every other id stays what it was before they existed.
            parts += [["namespace", self.namespace]] if self.namespace else []
            parts += [["rerun", self.rerun]] if self.rerun else []
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_JOB_DIGITS]


def command_identity(command: str, run_id: str, labourer_id: str, *, namespace: str = "") -> JobIdentity:
    """The identity of a job that a command schedules outside any DAG; the same command and id find the same job.

    No DAG's job can have it: Airflow allows no blank in the id of an Airflow task.

    :param command: ``schedule`` or ``drain``.
    :param run_id: chosen by the user, or made up once.
    :param namespace: of the Connection.
    """
    return JobIdentity(COMMAND_DAG_ID, run_id, f"sosw-airflow {command}", -1, 0, labourer_id, namespace=namespace)


def task_id(job_id: str, index: int) -> str:
    """The id of the task with this index: 32 hexadecimal digits, like sosw's own."""
    return f"{job_id}{index:0{_INDEX_DIGITS}x}"


def task_ids(job_id: str, indexes: range) -> Iterator[str]:
    """The ids of many tasks, in half the time."""
    return map(f"{job_id}%0{_INDEX_DIGITS}x".__mod__, indexes)


def task_index(task: str) -> int | None:
    """The index of a task in its job; None if the id is not one of ours."""
    return int(task[_JOB_DIGITS:], 16) if _TASK_ID.fullmatch(task) else None


def job_of(task: str) -> str:
    """The id of the job that a task belongs to."""
    return task[:_JOB_DIGITS]


def parse_job_id(given: object) -> str:
    """The id of a job, from itself, from the id of one of its tasks, or from a job's summary or its JSON text.

    :raises InvalidConfiguration: it is none of these.
    """
    value = given
    if isinstance(value, str) and value.strip().startswith("{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        value = value.get("job_id")
    if isinstance(value, str) and _JOB_OR_TASK_ID.fullmatch(value.strip()):
        return job_of(value.strip())
    raise InvalidConfiguration([Fault("job_id", _no_job_id(given))])


def is_empty_job(given: object) -> bool:
    """Whether this is the summary, or its text, of a job whose sources were empty (``on_empty="succeed"``)."""
    value = given
    if isinstance(value, str) and value.strip().startswith("{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return isinstance(value, Mapping) and value.get("state") == NO_JOB["state"] and "job_id" not in value


def parse_job_ids(given: object) -> tuple[list[str], bool]:
    """The ids of one job or of several, each once, and whether ``given`` is a list of them.

    :param given: as for `parse_job_id`; or a list, the output of a mapped Airflow task, or the JSON text of a list.
        What `is_empty_job` is left out.
    :raises InvalidConfiguration: one of them names no job.
    """
    value = given
    if isinstance(value, str) and value.strip().startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if value is None or isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return [] if is_empty_job(value) else [parse_job_id(value)], False
    return list(dict.fromkeys(parse_job_id(each) for each in value if not is_empty_job(each))), True


def _no_job_id(given: object) -> str:
    """What is wrong with a value that names no job, and the fix."""
    rule = f"must be the id of a job ({_JOB_DIGITS} hexadecimal digits) or its summary from an XCom"
    if given is None:
        return (
            f"{rule}, not None: the Airflow task that should give it has returned nothing. It failed (one that waits "
            f"for its job returns nothing then), was skipped, or has not run. Fix: let one Airflow task schedule the "
            f"job without wait_for_completion, wait for it with SoswJobSensor, and give job_id=schedule.output to both "
            f"the sensor and the repair"
        )
    if isinstance(given, str) and (wrong := rendered_wrongly(given)):
        return f"{rule}; it {wrong}. Or take the id in the template: ti.xcom_pull('schedule')['job_id']"
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        return f"{rule}, not a list of {len(given)}. Fix: map the operator over it, .expand(job_id=...)"
    return f"{rule}, not {excerpt(given)}"


def fingerprint(
    job: Mapping[str, Any], schema: JobSchema, reference_date: date, data_interval: DataInterval | None
) -> str:
    """A digest of all that the tasks follow from: another digest, other tasks (or the same in another order)."""
    period = job.get("period")
    parts = [
        _EXPANSION_VERSION,
        job,
        schema.as_dict(),
        # A job without a period is the same on every day.
        reference_date.isoformat() if period and is_relative(period) else None,
        [day.isoformat() for day in data_interval] if data_interval and period == "data_interval" else None,
    ]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def outline(job: Mapping[str, Any], schema: JobSchema, reference_date: date) -> dict[str, str]:
    """A short text for each part of a job, to say later what has changed: small values as they are, others a digest.

    It is kept in the job record and shown in a conflict, so it has no secrets.
    """
    parts: dict[str, Any] = {f"job.{name}": value for name, value in job.items()}
    parts["job_schema"] = schema.as_dict()
    parts["reference_date"] = reference_date.isoformat()
    return {name: _brief(name, value) for name, value in list(parts.items())[:200]}


def outline_changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The differences of two outlines, one line each, for `JobConflict`."""
    lines = []
    for key in sorted({*old, *new}):
        if key not in new:
            lines.append(f"{key} is gone (was {old[key]})")
        elif key not in old:
            lines.append(f"{key} is new ({new[key]})")
        elif old[key] != new[key]:
            lines.append(f"{key} was {old[key]}, is {new[key]}")
    return lines


def _brief(name: str, value: Any) -> str:
    text = json.dumps(value)
    if len(text) <= 80:
        return json.dumps(redacted({name: value})[name])
    # No excerpt: a secret that is cut in two is no longer known as one.
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{_KINDS.get(type(value), 'a value')} of {counted(len(text), 'character')}, sha256 {digest}"
