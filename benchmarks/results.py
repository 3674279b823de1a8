"""How fast, and in how much memory, results are read and written: against a DynamoDB and an S3 on the wire."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.clients import stub_client
from benchmarks.closed_rows_stub import CREATED_AT, FAILED, closed_rows_stub, requests_of
from benchmarks.fresh_process import Figures, measured, peak_growth
from benchmarks.report import Report
from benchmarks.s3_sink import counted, s3_sink

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "the results of a closed job: seconds, memory and requests of reading them, and of writing them into S3"

_JOB = "5c1fe09a77d34b1ff2a0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    sizes = {"type": int, "nargs": "+", "default": [10_000, 100_000, 1_000_000], "metavar": "N"}
    parser.add_argument("--tasks", **sizes, help="tasks of the job (default: 10000 100000 1000000)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure each size in a process of its own."""
    report = Report(
        "results",
        "Results of a job whose tasks are closed",
        columns=(
            ("", "what"),
            ("tasks", "tasks"),
            ("seconds", "seconds"),
            ("tasks/s", "rate"),
            ("requests", "requests"),
            ("read units", "units"),
            ("own µs/task", "own"),
            ("bare boto3 µs/task", "bare"),
            ("MB written", "written_mb"),
            ("peak MB", "peak_mb"),
        ),
        notes=(
            "Rows of 500 to 600 bytes; one task in a hundred has failed. Read units: half of one for a row up to 4 KB.",
            "own: processor time of the process. Bare boto3: of the same requests alone, in as many threads.",
            "peak MB: how far the process grows; two parts of 6 MB of each file are held at most.",
            "It stops if not every index comes once, or completed and failed are not all tasks.",
        ),
    )
    for tasks in arguments.tasks:
        for what, name in (("iterate over hook.results()", "iterated"), ("write the three files", "written")):
            sys.stderr.write(f"{tasks:,} tasks: {what}\n")
            found = measured(f"benchmarks.results:{name}", tasks=tasks)
            report.rows.append({"what": what, "tasks": tasks, **found})
    return report


def iterated(tasks: int) -> Figures:
    """Iterate over all results; they are counted and dropped."""
    with closed_rows_stub() as url:
        reader = _reader(stub_client("dynamodb", url, ready=True), tasks)

        def work() -> Figures:
            number = failed = 0
            for number, result in enumerate(reader.read(range(tasks)), start=1):
                if result.index != number - 1 or result.closed_at is None:
                    raise SystemExit(f"not the next task: {result}")
                failed += result.state.value == "failed"
            _check(number - failed, failed, tasks)
            return {}

        return _figures(peak_growth(work), url, tasks)


def written(tasks: int) -> Figures:
    """Write the files of a job into an S3 that counts and keeps nothing."""
    from sosw_airflow.waiting.result_files import ResultFiles, ResultPlace

    with closed_rows_stub() as url, s3_sink() as sink:
        s3, reader = stub_client("s3", sink, ready=True), _reader(stub_client("dynamodb", url, ready=True), tasks)
        place = ResultPlace("bucket", "results")

        def work() -> Figures:
            files = ResultFiles.write(reader, s3, place, stop=threading.Event(), stopped=KeyboardInterrupt)
            _check(files.counts["completed"], files.counts["failed"], tasks)
            return {}

        figures = peak_growth(work)
        return {**_figures(figures, url, tasks), "written_mb": counted(sink)["bytes"] / 1e6}


def _check(completed: int, failed: int, tasks: int) -> None:
    if (completed + failed, failed) != (tasks, len(range(0, tasks, FAILED))):
        raise SystemExit(f"{completed} completed, {failed} failed: not each of {tasks} tasks once")


def _figures(figures: Figures, url: str, tasks: int) -> Figures:
    requests = requests_of(url)
    return {
        **figures,
        "rate": tasks / figures["seconds"],
        "requests": requests,
        "units": tasks / 2,
        "own": 1e6 * figures["processor_seconds"] / tasks,
        "bare": 1e6 * _bare(stub_client("dynamodb", url, ready=False), min(tasks, 20_000)),
    }


def _bare(dynamodb: Any, tasks: int) -> float:
    """Seconds of processor time for a task of the same requests alone."""
    from sosw_airflow.jobs.identity import task_id
    from sosw_airflow.stores.batch_reads import BATCH_KEYS
    from sosw_airflow.waiting.results import _CONCURRENCY

    def ask(first: int) -> None:
        keys = [{"task_id": {"S": task_id(_JOB, index)}} for index in range(first, first + BATCH_KEYS)]
        dynamodb.batch_get_item(RequestItems={"sosw_closed_tasks": {"Keys": keys}})

    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        begun = time.process_time()
        list(pool.map(ask, range(0, tasks, BATCH_KEYS)))
        return (time.process_time() - begun) / tasks


def _reader(dynamodb: Any, tasks: int) -> Any:
    from types import SimpleNamespace

    from sosw_airflow.stores.tables import TableNames
    from sosw_airflow.waiting.results import ResultReader

    header: Any = SimpleNamespace(job_id=_JOB, labourer_id="worker", tasks=tasks)
    return ResultReader(dynamodb, TableNames(), header, lambda: CREATED_AT + tasks)
