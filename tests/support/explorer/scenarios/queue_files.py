"""Queue files that another process has left, which are drained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date

from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile, drain
from sosw_airflow.scheduling.scheduler import ScheduleResult
from tests.support.explorer.engine import Violation
from tests.support.explorer.invariants import Promise
from tests.support.explorer.remedies import clears
from tests.support.explorer.scenario import BUCKET, Cast, Role, Scenario
from tests.support.explorer.sosw import upload

FILE = "tasks_queue_left.txt"


def lines(*words: str) -> bytes:
    """A queue file with one task for each word."""
    return b"".join(json.dumps({"labourer_id": "worker", "word": word}).encode() + b"\n" for word in words)


class Draining(Scenario):
    """A file with tasks, and runs of a DAG that drain it."""

    content = lines("a", "b", "c")

    def prepare(self) -> None:
        upload(self.deployment(), FILE, self.content)
        ids = frozenset(self.request(run).identity.job_id for run in "12")
        words = [json.loads(line) for line in self.content.splitlines()] if self.content.isascii() else []
        payloads = tuple(json.dumps({"word": each["word"]}) for each in words if "word" in each)
        self.promises.append(Promise("file", ids, payloads))

    def request(self, run: str) -> DrainRequest:
        """What one run of the DAG asks for."""
        file = LeftFile.of(self.deployment(), FILE)
        identity = JobIdentity("dag", f"run {run}", "drain", -1, clears(), "worker", queue_file=str(file))
        return DrainRequest(identity, file, date(2026, 3, 2))

    def drain(self, run: str, **more: bool) -> ScheduleResult:
        """One attempt of a run."""
        return drain(self.scheduler(), self.request(run), **more)


class DrainTwice(Draining):
    """Two runs drain the same file."""

    name = "drain-twice"
    rows = {"twice": "F11", "raw-error": "F11", "blames-aws": "F11"}
    deviations = 3
    settings = {}
    accepted = frozenset({"MissingQueueFile", "QueueFileLocked"})

    def cast(self) -> Cast:
        yield Role("drain file", lambda: self.drain("1"))
        yield Role("drain file", lambda: self.drain("2"))


class DrainDies(Draining):
    """A drain that dies at any request, or loses an answer."""

    name = "drain-dies"
    fates = frozenset({"dies", "lost"})
    deviations = 1
    accepted = frozenset({"MissingQueueFile"})  # the clean-up has drained it

    def cast(self) -> Cast:
        yield Role("drain file", lambda: self.drain("1"))

    def afterwards(self) -> None:
        self.attempt("drain file", lambda: self.drain("1"))

    def violations(self) -> Iterator[Violation]:
        yield from super().violations()
        came = Counter(row["payload"]["S"] for row in self.aws.rows("sosw_tasks"))
        there = self.content in {stored.body for stored in self.aws.s3.buckets[BUCKET].values()}
        if len(came) != 3 and not there:
            yield Violation("user-file", f"the file is gone, and {len(came)} of its 3 tasks are in the queue")
        if any(number > 1 for number in came.values()):
            yield Violation("twice", "tasks of the file are in the queue twice")


class DrainCorrectedFile(Draining):
    """A refused file is corrected by its user, and the Airflow task is retried."""

    name = "drain-corrected-file"
    rows = {"user-file": "F12"}
    deviations = 0
    content = lines("a", "b") + b"no JSON\n"
    corrected = lines("a", "b", "c")
    accepted = frozenset({"InvalidQueueFile", "QueueFileLocked"})

    def prepare(self) -> None:
        upload(self.deployment(), FILE, self.content)
        payloads = tuple(json.dumps({"word": word}) for word in "abc")
        self.promises.append(Promise("file", frozenset({self.request("1").identity.job_id}), payloads))

    def cast(self) -> Cast:
        yield Role("drain file", lambda: self.drain("1"))
        yield Role(
            "a person corrects the file", lambda: upload(self.deployment(), FILE, self.corrected), disturbed=False
        )

    def afterwards(self) -> None:
        self.attempt("drain file", lambda: self.drain("1"))

    def violations(self) -> Iterator[Violation]:
        yield from super().violations()
        there = {stored.body for stored in self.aws.s3.buckets[BUCKET].values()}
        if self.corrected not in there and len(self.aws.rows("sosw_tasks")) < 3:
            yield Violation("user-file", "the corrected file is gone, and its tasks are not in the queue")


class DrainUnreadableText(Draining):
    """A line is not UTF-8."""

    name = "drain-unreadable-text"
    rows = {"raw-error": "F13"}
    deviations = 0
    content = lines("a") + b'{"labourer_id": "worker", "word": "caf\xe9"}\n'

    def cast(self) -> Cast:
        yield Role("drain file", lambda: self.drain("1"))


class DrainNoNumber(Draining):
    """A line has a number that JSON does not know."""

    name = "drain-no-number"
    rows = {"unreadable": "F13"}
    deviations = 0
    content = lines("a") + b'{"labourer_id": "worker", "share": NaN, "most": 1e400}\n'

    def cast(self) -> Cast:
        yield Role("drain file", lambda: self.drain("1"))
