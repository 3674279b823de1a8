"""The estimates of `sosw_airflow.jobs.cost` beside what an AWS in memory counts for the same jobs."""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any
from unittest.mock import patch

from benchmarks.report import Report
from sosw_airflow.jobs.cost import Labour, Usage, orchestrating, polling, reading_results, writing
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.planning import WritingTerms, plan_job

__all__ = ["ABOUT", "CASES", "Case", "add_arguments", "counted_and_estimated", "index_units", "run"]

ABOUT = "the estimates of `sosw-airflow plan` beside the units that an AWS in memory counts; within 10 %"

_DAY = date(2026, 3, 2)
_LABOURER = "worker"

#: Times of an orchestrator, in seconds, that are shorter here: an AWS in memory answers at once, and no index lags.
_FASTER = {"_BUSY": 0.05, "_LONGEST": 0.2, "_QUIET": 0.2, "_BESIDE": 0.05, "_RETRIES_EVERY": 0.2, "_LAG": 0.5}

#: Units that are not compared.
_FEW = 10

#: Share by which an estimate of units may differ.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Case:
    """A job, and how its tasks end.

    :ivar row_bytes: smallest and largest size of a row, between which all sizes come equally often.
    :ivar failing: every so many tasks fail at the first attempt; 0: none.
    """

    tasks: int
    row_bytes: tuple[int, int] = (230, 230)
    limit: int = 100
    failing: int = 0
    meta: bool = False


CASES = {
    "1,000 small rows": Case(1_000),
    "1,000 rows with histories": Case(1_000, meta=True),
    "1,000 rows of 0.5 to 2 KB": Case(1_000, (500, 2_000)),
    "500 rows of 5 KB": Case(500, (5_000, 5_000)),
    "1,000 tasks, each fifth fails once": Case(1_000, failing=5),
    "20,000 small rows": Case(20_000, limit=1_000),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES), metavar="CASE")


def run(arguments: argparse.Namespace) -> Report:
    """Count each case.

    :raises SystemExit: an estimate of the units differs by more than `TOLERANCE`.
    """
    rows = []
    for name in arguments.cases:
        for part, (counted, estimated) in counted_and_estimated(CASES[name]).items():
            for kind in ("write_units", "read_units"):
                ours, theirs = getattr(estimated, kind), getattr(counted, kind)
                # A few units are far less than a cent. While tasks wait for a retry, turns follow each other a hundred
                # times as fast as they do otherwise, and each of them reads.
                if theirs < _FEW or (kind == "read_units" and part == "orchestrate" and CASES[name].failing):
                    continue
                off = ours / theirs - 1
                what = f"{part}, {kind.replace('_', ' ')}"
                rows.append({"job": name, "part": what, "counted": theirs, "our": ours, "off": 100 * off})
                if abs(off) > TOLERANCE:
                    raise SystemExit(f"{name}, {part}, {kind}: {ours:,.1f} estimated, {theirs:,.1f} counted")
    return Report(
        name="cost",
        title="Units of DynamoDB, estimated and counted",
        columns=[("job", "job"), ("part", "part"), ("counted", "counted"), ("estimated", "our"), ("off, %", "off")],
        rows=rows,
        notes=["Counted from the items before and after each request. Read units are left out where they are few."],
    )


def counted_and_estimated(case: Case) -> dict[str, tuple[Usage, Usage]]:
    """What was counted and what was estimated, by piece of work, for a job that really runs."""
    from sosw_airflow.jobs.pages import MAX_PAGE_ROWS, MAX_PAGE_ROWS_WITH_META, PageLimits

    metered = _Metered(case)
    expansion = Expansion(_job(case), schema={"chunkable_attrs": ["word"]}, reference_date=_DAY)
    terms = WritingTerms(PageLimits(MAX_PAGE_ROWS_WITH_META if case.meta else MAX_PAGE_ROWS), with_meta=case.meta)
    shape = plan_job(expansion, labourer_id=_LABOURER, reference_date=_DAY, terms=terms).shape
    first_failures = -(-case.tasks // case.failing) if case.failing else 0
    labour = Labour(limit=case.limit, attempts=1 + first_failures / case.tasks, seconds=None)
    estimates = {
        "schedule": writing(shape),
        "orchestrate": orchestrating(shape, labour),
        "wait": polling(shape, Labour(limit=case.tasks)),
        "results": reading_results(shape, labour),
    }
    counted = metered.work(expansion)
    return {part: (counted[part], estimates[part]) for part in estimates}


def index_units(tasks: int) -> dict[str, float]:
    """Write units of the queue's index for each task, counted: ``schedule`` and ``orchestrate``."""
    case = Case(tasks, limit=tasks)
    expansion = Expansion(_job(case), schema={"chunkable_attrs": ["word"]}, reference_date=_DAY)
    metered = _Metered(case)
    metered.work(expansion)
    return {part: metered.index_units[part] / tasks for part in ("schedule", "orchestrate")}


def _job(case: Case) -> dict[str, Any]:
    least, most = case.row_bytes
    step = (most - least) / max(case.tasks - 1, 1)
    words = [f"{number:06}" + "x" * max(0, round(least + step * number) - 170) for number in range(case.tasks)]
    return {"words": words, "isolate_words": True}


class _Metered:
    """A deployment in memory whose consumption is counted, and everything that happens to a job in it."""

    def __init__(self, case: Case) -> None:
        from sosw_airflow.stores.tables import TableNames, table_definitions
        from tests.support.deterministic_aws.aws import DeterministicAws
        from tests.support.deterministic_aws.metering import MeteredAws

        self._case = case
        self._tables = TableNames(meta_table="sosw_tasks_meta" if case.meta else None)
        aws = DeterministicAws()
        for definition in table_definitions(self._tables):
            aws.dynamodb.call("CreateTable", definition.create_arguments())
        aws.s3.buckets["queue"] = {}
        self._metered = MeteredAws(aws)
        self._invoked: set[str] = set()
        self.index_units: dict[str, int] = {}

    def work(self, expansion: Expansion) -> dict[str, Usage]:
        """Schedule, orchestrate, wait, read the results; return what each has used."""
        from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleRequest
        from sosw_airflow.stores.deployment import Deployment
        from sosw_airflow.waiting.progress import ProgressReader
        from sosw_airflow.waiting.result_files import ResultFiles, ResultPlace
        from sosw_airflow.waiting.results import ResultReader
        from tests.support.deterministic_aws.clients import Edge, answered_by, clients

        at = clients()
        deployment = Deployment(
            at.dynamodb, at.dynamodb_once, at.s3, self._tables, "queue", "sosw", time.time, s3_once=at.s3_once
        )
        identity = JobIdentity("dag", "run", "schedule", -1, 0, _LABOURER)
        used = {}
        with answered_by(self._answer, Edge.DIRECT):
            header = JobScheduler(deployment).schedule(ScheduleRequest(identity, expansion, _DAY)).header
            used["schedule"] = self._taken("schedule")
            self._orchestrate(at)
            used["orchestrate"] = self._taken("orchestrate")
            progress = ProgressReader(at.dynamodb, self._tables, header.job_id).read()
            if progress.completed != self._case.tasks:
                raise SystemExit(f"only {progress.completed} of {self._case.tasks} tasks were completed")
            used["wait"] = self._taken("wait")
            reader = ResultReader(at.dynamodb, self._tables, header, time.time)
            place = ResultPlace.of("s3://queue/results/")
            ResultFiles.write(reader, at.s3, place, stop=threading.Event(), stopped=KeyboardInterrupt)
            used["results"] = self._taken("results")
        return used

    def _orchestrate(self, at: Any) -> None:
        from sosw_airflow.orchestration.orchestrator import Orchestrator
        from sosw_airflow.orchestration.policy import LabourerPolicy
        from sosw_airflow.orchestration.turn import Clients

        settings = {"max_simultaneous_invocations": self._case.limit, "retry_delay": 1}
        clients = Clients(at.dynamodb, at.dynamodb_once, at.aws_lambda, at.aws_lambda_once)
        with ExitStack() as stack:
            for name, seconds in _FASTER.items():
                stack.enter_context(patch(f"sosw_airflow.orchestration.turn.{name}", seconds))
            policy = LabourerPolicy.of(_LABOURER, settings)
            Orchestrator([policy], clients, self._tables).run(until_idle=True)

    def _answer(self, request: Any) -> Any:
        reply = self._metered.answer(request)
        if request.operation == "Invoke":
            self._report(json.loads(request.arguments["Payload"]))
        return reply

    def _report(self, event: dict[str, Any]) -> None:
        """The function ends at once, and the assistant marks its row."""
        from sosw_airflow.orchestration import assistant
        from tests.support.deterministic_aws.clients import clients

        number = int(event["words"][0][:6])
        first = event["task_id"] not in self._invoked
        self._invoked.add(event["task_id"])
        fails = first and self._case.failing and number % self._case.failing == 0
        report = assistant.report_of(
            {
                "requestContext": {"condition": "RetriesExhausted" if fails else "Success"},
                "requestPayload": event,
                "responsePayload": {"errorType": "Refused"} if fails else {"rows": number},
            }
        )
        if report is None:
            raise AssertionError(event)
        tables = {name: getattr(self._tables, name) for name in ("tasks_table", "retry_tasks_table")}
        assistant.mark(clients().dynamodb, report, now=int(time.time()), **tables)

    def _taken(self, part: str) -> Usage:
        """What was used since the last call."""
        metered = self._metered
        self.index_units[part] = metered.writes[f"{self._tables.tasks_table}/{self._tables.index_greenfield}"]
        requests = metered.requests
        writes = requests["PutObject"] + sum(count for name, count in requests.items() if "Multipart" in name)
        used = Usage(
            write_units=metered.writes.total(),
            read_units=sum(metered.reads.values()),
            s3_writes=writes + requests["UploadPart"] + requests["CopyObject"],
            s3_reads=requests["GetObject"] + requests["HeadObject"],
            lambda_requests=requests["Invoke"],
        )
        metered.writes, metered.reads, metered.requests = Counter(), {}, Counter()
        return used
