"""Items through a running Airflow: one job beside a mapped `LambdaInvokeFunctionOperator`; and a job that fails fast.

Airflow has a scheduler, an API server, a triggerer and a LocalExecutor of eight slots; AWS is ministack, which runs the
function. Both sides have the same items, function and Airflow, one after the other.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from benchmarks.report import Goal, Report
from sosw_airflow.stores.tables import create_missing_tables
from tests.support.emulators.emulator import Emulator
from tests.support.emulators.ministack_emulator import ministack_server
from tests.support.lambda_functions import make_function
from tests.system.airflow_runs.conftest import BUCKET, connections
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "items through a running Airflow, beside a mapped LambdaInvokeFunctionOperator; a job that fails fast"

SLOTS = 8

#: How one job waits for its end -> what the table calls it. Both have `orchestrate=True`.
WAYS = {"deferred": "one job, deferred", "waiting": "one job, in a slot"}

#: Items of the smallest job; threads that invoke the function alone, as many as an orchestrator has.
FEW, THREADS = 10, 16

#: Tasks of the job that fails fast, its limit, and the invocations that may follow once more failed than are tolerated.
FAST_TASKS, FAST_LIMIT, FAST_MOST = 10_000, 50, 300

_QUICK = "def handler(event, context): return {'length': len(str(event))}"

#: Each invocation leaves a line; with the executor of this emulator functions are processes of this machine.
_FAILING = """
import time
def handler(event, context):
    with open({path!r}, "a") as file:
        file.write(f"{{time.time()}}\\n")
    raise ValueError("no such word")
"""

_HEAD = """
from datetime import datetime, timezone

from airflow import DAG

with DAG(dag_id="{dag_id}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
"""
_OURS = """
    from sosw_airflow.operators.sosw import SoswScheduleOperator
    SoswScheduleOperator(
        task_id="schedule",
        labourer={labourer!r},
        job={{"words": [f"word-{{number}}" for number in range({items})], "isolate_words": True}},
        job_schema={{"chunkable_attrs": ["word"]}},
        orchestrate=True,
        {arguments}
    )
"""
_PEER = """
    from airflow.providers.amazon.aws.operators.lambda_function import LambdaInvokeFunctionOperator
    LambdaInvokeFunctionOperator.partial(
        task_id="schedule", function_name="quick", aws_conn_id="aws_emulator"
    ).expand(payload=[f'{{{{"words": ["word-{{number}}"]}}}}' for number in range({items})])
"""

_LABOURERS: dict[str, dict[str, str | int]] = {
    "quick": {"invocation": "request"},
    "failing": {"invocation": "request", "max_simultaneous_invocations": FAST_LIMIT, "max_attempts": 1},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--items", type=int, nargs="+", default=[100, 1000], metavar="N", help="(default: 100 1000)")
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="of the labourer (default: 1000)")
    parser.add_argument("--parts", nargs="+", choices=("beside", "fast"), default=["beside", "fast"])


def run(arguments: argparse.Namespace) -> Report:
    """Let the DAGs run, one after the other.

    :raises SystemExit: a DAG run fails that should not, or the job that fails fast goes on for too long.
    """
    report = Report(
        name="in_airflow",
        title=f"Items through a running Airflow with {SLOTS} slots",
        columns=[
            ("", "what"),
            ("items", "items"),
            ("seconds", "seconds"),
            ("x", "seconds_times"),
            ("Airflow's CPU seconds", "cpu"),
            ("x", "cpu_times"),
            ("ms of CPU an item", "cpu_item"),
            ("invoked after the tolerance", "after"),
        ],
        notes=[
            f"Limit of the labourer: {arguments.limit:,}.",
            "From the begin of the DAG run to its end. CPU: of all processes of Airflow, from the trigger on.",
            "One job has orchestrate=True. x: how many times as much the mapped operator takes with as many items.",
            f"Fails fast: {FAST_TASKS:,} tasks that all fail, none is tolerated, limit {FAST_LIMIT}, fail_fast=True.",
            f"It stops if more than {FAST_MOST} are invoked after the first failed one is closed.",
            f"Alone: the function, invoked by {THREADS} threads without sosw and Airflow.",
        ],
    )
    with tempfile.TemporaryDirectory() as folder, _deployment(Path(folder), arguments) as (airflow, aws):
        if "beside" in arguments.parts:
            _run_dag(airflow, "warm")
            for items in (FEW, *arguments.items):
                _compare(report, airflow, aws, items)
        if "fast" in arguments.parts:
            found = _run_dag(airflow, "fast", state="failed")
            first = _first_failure(aws)
            if first is None:
                raise SystemExit(f"no task of fast has failed: {_end_of_log(airflow, 'fast')}")
            after = _invoked_after(first, Path(folder, "invoked"))
            report.rows.append({"what": "a job that fails fast", "items": FAST_TASKS, **found, "after": after})
            if after > FAST_MOST:
                raise SystemExit(f"{after} tasks were invoked after the first had failed")
    return report


@contextmanager
def _deployment(folder: Path, arguments: argparse.Namespace) -> Iterator[tuple[AirflowThatWaits, Emulator]]:
    dags = {"warm": _ours("warm", FEW)}
    for items in (FEW, *arguments.items):
        dags |= {f"{way}_{items}": _ours(f"{way}_{items}", items, deferrable=way == "deferred") for way in WAYS}
    dags |= {f"peer_{items}": (_HEAD + _PEER).format(dag_id=f"peer_{items}", items=items) for items in arguments.items}
    dags["fast"] = _ours("fast", FAST_TASKS, labourer="failing", more="fail_fast=True,")
    with ministack_server(folder / "ministack.log", {"LAMBDA_EXECUTOR": "local"}) as aws:
        create_missing_tables(aws.client("dynamodb"))
        aws.create_bucket(BUCKET)
        sources = {"quick": _QUICK, "failing": _FAILING.format(path=str(folder / "invoked"))}
        for name, source in sources.items():
            make_function(name, source=source, environment=aws.environment(), client=aws.client)
        emulator = json.loads(connections({})["AIRFLOW_CONN_AWS_DEFAULT"])
        emulator["extra"]["endpoint_url"] = aws.endpoint_url
        labourers = {name: {"max_simultaneous_invocations": arguments.limit, **own} for name, own in _LABOURERS.items()}
        environment = {
            **connections({"default": aws.endpoint_url}),
            "AIRFLOW_CONN_AWS_EMULATOR": json.dumps(emulator),
            "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps(labourers),
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(SLOTS),
        }
        files = {f"{name}.py": text for name, text in dags.items()}
        with AirflowThatWaits(folder / "airflow", dags=files, environment=environment, parallelism=SLOTS) as airflow:
            yield airflow, aws


def _ours(dag_id: str, items: int, *, labourer: str = "quick", deferrable: bool = True, more: str = "") -> str:
    arguments = f"deferrable={deferrable}, {more}"
    return (_HEAD + _OURS).format(dag_id=dag_id, items=items, labourer=labourer, arguments=arguments)


def _compare(report: Report, airflow: AirflowThatWaits, aws: Emulator, items: int) -> None:
    """Add the rows of one number of items, and the goals of those that the mapped operator runs as well."""

    def add(what: str, found: dict[str, float], **more: float) -> None:
        report.rows.append({"what": what, "items": items, **found, **more, "cpu_item": 1000 * found["cpu"] / items})

    ours = {what: _run_dag(airflow, f"{way}_{items}") for way, what in WAYS.items()}
    peer = _run_dag(airflow, f"peer_{items}") if items != FEW else {}
    for what, found in ours.items():
        times = {name: peer[name] / found[name] for name in peer}
        add(what, found, **{f"{name}_times": reached for name, reached in times.items()})
        report.goals += [
            Goal(
                f"{items:,} items through Airflow, {what}, beside mapped `LambdaInvokeFunctionOperator`, {spent}",
                f"≥ {wanted} x less",
                f"{times[name]:.0f} x less",
                times[name] >= wanted,
            )
            for name, spent, wanted in (("seconds", "wall time", 30), ("cpu", "Airflow's processor time", 50))
            if peer
        ]
    if peer:
        add("mapped LambdaInvokeFunctionOperator", peer)
        report.rows.append({"what": "the function alone", "items": items, "seconds": _alone(aws, items)})


def _run_dag(airflow: AirflowThatWaits, dag_id: str, *, state: str = "success") -> dict[str, float]:
    sys.stderr.write(f"{dag_id}\n")
    processor = airflow.processor_seconds()
    airflow.user.trigger(dag_id, "run", date(2026, 3, 2))
    (ended,) = airflow.finished(dag_id, patience=3600)
    if ended.state != state:
        raise SystemExit(f"the run of {dag_id} is {ended.state}: {_end_of_log(airflow, dag_id)}")
    return {"seconds": airflow.seconds_of(ended), "cpu": airflow.processor_seconds() - processor}


def _alone(aws: Emulator, items: int) -> float:
    """Seconds that as many invocations take which nobody prepares and nobody records."""
    client = aws.client("lambda", max_pool_connections=THREADS)

    def invoke(number: int) -> None:
        reply = client.invoke(FunctionName="quick", Payload=json.dumps({"words": [f"word-{number}"]}))
        reply["Payload"].read()

    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(invoke, range(items)))
    return time.perf_counter() - begun


def _end_of_log(airflow: AirflowThatWaits, dag_id: str) -> str:
    """What the Airflow task of the DAG wrote last."""
    return airflow.task_log(dag_id)[-3000:]


def _first_failure(aws: Emulator) -> int | None:
    """The second in which the first failure was recorded; None: no task has failed."""
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName="sosw_closed_tasks")
    failed = (row for page in pages for row in page["Items"] if row["labourer_id_task_status"]["S"] == "failing_0")
    return min((int(row["closed_at"]["N"]) for row in failed), default=None)


def _invoked_after(second: int, invoked: Path) -> int:
    """Invocations that began after it."""
    return sum(float(line) > second for line in invoked.read_text().splitlines())
