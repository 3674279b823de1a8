"""A whole job from its document to its results: scheduled, orchestrated, and its results written into S3.

DynamoDB and Lambda are a stub on the wire, S3 is ministack. Each part has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks.clients import stub_client
from benchmarks.fresh_process import Figures, measured, peak_growth
from benchmarks.report import Report
from benchmarks.whole_job_stub import figures_of, whole_job_stub
from tests.support.emulators.ministack_emulator import ministack_server

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "a whole job: scheduled, orchestrated, results written; seconds, requests and memory of each part"

_PARTS = ("schedule", "orchestrate", "write the results")
_BUCKET, _LABOURER, _FOLDER = "sosw-queue", "worker", "results"

#: One task in so many fails, at each of its attempts.
_FAILING = 1000

_FUNCTIONS = dict(zip(_PARTS, ("scheduled", "orchestrated", "results"), strict=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--tasks", type=int, nargs="+", default=[10_000], metavar="N", help="(default: 10000)")
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="of the labourer (default: 1000)")


def run(arguments: argparse.Namespace) -> Report:
    """Let each job happen.

    :raises SystemExit: not exactly all tasks are in the results, or one attempt was invoked twice.
    """
    rows = [row for tasks in arguments.tasks for row in _happened(tasks, arguments.limit)]
    return Report(
        name="whole_job",
        title="Whole jobs, from the document to the results",
        columns=[
            ("", "part"),
            ("tasks", "tasks"),
            ("seconds", "seconds"),
            ("tasks/s", "rate"),
            ("own µs/task", "own"),
            ("DynamoDB's requests", "dynamodb"),
            ("Lambda's", "invoked"),
            ("peak MB", "peak_mb"),
        ],
        rows=rows,
        notes=[
            "DynamoDB and Lambda are a stub on the wire, S3 is ministack. Functions end at once.",
            f"Limit {arguments.limit:,}. One task in {_FAILING:,} fails at each of its three attempts.",
            "own: processor time of the process. peak MB: how far it grows; that of scheduling has the job's document.",
            "It stops if not each index is in one of the two files once, or an attempt was invoked twice.",
        ],
    )


def _happened(tasks: int, limit: int) -> list[dict[str, Any]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ministack_server(Path(folder, "ministack.log")) as emulator,
        whole_job_stub(failing=_FAILING) as url,
    ):
        emulator.create_bucket(_BUCKET)
        rows = []
        for part in _PARTS:
            sys.stderr.write(f"{tasks:,} tasks: {part}\n")
            about = {"url": url, "s3_url": emulator.endpoint_url, "tasks": tasks, "limit": limit}
            found = measured(f"benchmarks.whole_job:{_FUNCTIONS[part]}", **about)
            told = figures_of(url)
            if told["twice"]:
                raise SystemExit(f"{told['twice']} attempts were invoked twice")
            dynamodb = sum(count for name, count in told["requests"].items() if name not in ("Invoke", "Function"))
            rows.append(
                {
                    "part": part,
                    "tasks": tasks,
                    **found,
                    "rate": tasks / found["seconds"],
                    "own": 1e6 * found["processor_seconds"] / tasks,
                    "dynamodb": dynamodb,
                    "invoked": told["requests"].get("Invoke", 0),
                    "requests": told["requests"],
                }
            )
        _check_files(emulator.client("s3"), tasks)
    return rows


def _check_files(s3: Any, tasks: int) -> None:
    """Each index is in one of the two files, once."""
    seen = bytearray(tasks)
    ((folder, *_),) = [
        {key["Key"].rpartition("/")[0] for key in s3.list_objects_v2(Bucket=_BUCKET, Prefix=_FOLDER)["Contents"]}
    ]
    for name, fails in (("completed", False), ("failed", True)):
        body = s3.get_object(Bucket=_BUCKET, Key=f"{folder}/{name}.jsonl")["Body"]
        for line in body.iter_lines():
            index = json.loads(line)["index"]
            if seen[index] or (index % _FAILING == 0) is not fails:
                raise SystemExit(f"the task {index} is there twice, or in the wrong file: {name}.jsonl")
            seen[index] = True
    if sum(seen) != tasks:
        raise SystemExit(f"{tasks - sum(seen)} tasks are in neither file")


def scheduled(url: str, s3_url: str, tasks: int, limit: int) -> Figures:
    """From the job's document to the last row."""
    from datetime import date

    from sosw_airflow.jobs.expansion import Expansion
    from sosw_airflow.scheduling.scheduler import JobScheduler, Outcome, ScheduleRequest

    del limit
    place = _deployment(url, s3_url)

    def work() -> Figures:
        day = date(2026, 3, 2)
        job = {"isolate_words": True, "currency": "EUR", "words": list(range(tasks))}
        expansion = Expansion(job, schema={"chunkable_attrs": ("word",)}, reference_date=day)
        result = JobScheduler(place).schedule(ScheduleRequest(_identity(), expansion, day))
        if (result.outcome, result.header.tasks) != (Outcome.SCHEDULED, tasks):
            raise SystemExit(f"not scheduled: {result}")
        return {}

    return peak_growth(work)


def orchestrated(url: str, s3_url: str, tasks: int, limit: int) -> Figures:
    """Until no row is left."""
    from sosw_airflow.orchestration.orchestrator import Orchestrator
    from sosw_airflow.orchestration.policy import LabourerPolicy
    from sosw_airflow.orchestration.turn import Clients

    place = _deployment(url, s3_url)
    policy = LabourerPolicy.of(_LABOURER, {"max_simultaneous_invocations": limit, "retry_delay": 2})
    aws_lambda = stub_client("lambda", url, ready=True)
    clients = Clients(place.dynamodb, place.dynamodb_once, aws_lambda, aws_lambda)
    orchestrator = Orchestrator([policy], clients, place.tables)

    def work() -> Figures:
        orchestrator.run(until_idle=True)
        totals = orchestrator.totals[_LABOURER]
        if totals["completed"] + totals["failed"] != tasks:
            raise SystemExit(f"not all tasks were closed: {totals}")
        return {}

    return peak_growth(work)


def results(url: str, s3_url: str, tasks: int, limit: int) -> Figures:
    """The three files in S3."""
    from sosw_airflow.stores.job_record import JobRecords
    from sosw_airflow.waiting.result_files import ResultFiles, ResultPlace
    from sosw_airflow.waiting.results import ResultReader

    del limit
    place = _deployment(url, s3_url)
    header = JobRecords(place.dynamodb, place.tables.jobs_table).header(_identity().job_id)
    if header is None:
        raise SystemExit("the job has no header")
    reader = ResultReader(place.dynamodb, place.tables, header, place.now)

    def work() -> Figures:
        where = ResultPlace(_BUCKET, _FOLDER)
        files = ResultFiles.write(reader, place.s3, where, stop=threading.Event(), stopped=KeyboardInterrupt)
        if (files.counts["completed"] + files.counts["failed"], files.counts["failed"]) != (
            tasks,
            len(range(0, tasks, _FAILING)),
        ):
            raise SystemExit(f"not exactly all tasks: {files.counts}")
        return {}

    return peak_growth(work)


def _identity() -> Any:
    from sosw_airflow.jobs.identity import JobIdentity

    return JobIdentity("dag", "run", "schedule", -1, 0, _LABOURER)


def _deployment(url: str, s3_url: str) -> Any:
    import time

    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.stores.tables import TableNames

    dynamodb, s3 = (stub_client(service, at, ready=True) for service, at in (("dynamodb", url), ("s3", s3_url)))
    return Deployment(dynamodb, dynamodb, s3, TableNames(), _BUCKET, "sosw", time.time, s3_once=s3)
