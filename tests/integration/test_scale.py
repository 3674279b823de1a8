"""What docs/guides/scale.md says: its table, the units that it calculates with, several labourers of one function."""

from __future__ import annotations

import argparse
import io
import time
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from benchmarks import partition, scale
from benchmarks.cost import index_units
from benchmarks.provider_scale import PARTITION, UNITS_TO_CLAIM, UNITS_TO_CLOSE, UNITS_TO_WRITE, simulate
from benchmarks.report import Report, write_markdown
from sosw_airflow.config.prices import list_prices
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleRequest
from sosw_airflow.stores.deployment import Deployment
from tests.conftest import Aws
from tests.support.emulators.emulator import Emulator
from tests.support.upstream.components import upstream

PAGE = Path("docs/guides/scale.md")


@pytest.fixture(scope="module")
def report() -> Report:
    """As the command makes it by default."""
    parser = argparse.ArgumentParser()
    scale.add_arguments(parser)
    return scale.run(parser.parse_args([]))


def test_the_page_has_the_table_that_the_command_makes(report: Report) -> None:
    """All of it but the machine and its load."""
    out = io.StringIO()
    write_markdown(report, out)
    _, _, table = out.getvalue().partition("\n")
    assert table in PAGE.read_text()


def test_a_task_takes_so_many_units_of_the_queues_index() -> None:
    """Counted from the entries before and after each request of a job that really runs."""
    assert index_units(100) == {"schedule": UNITS_TO_WRITE, "orchestrate": UNITS_TO_CLAIM + UNITS_TO_CLOSE}


def test_a_queue_that_is_worked_off_shares_the_partition() -> None:
    """Writer and orchestrator together use what there is, and no more; at an even pace nothing is refused."""
    together = simulate(300, claimers=16)
    used = UNITS_TO_WRITE * together.rate + (UNITS_TO_CLAIM + UNITS_TO_CLOSE) * together.done
    assert 0.9 * PARTITION < used < 1.01 * PARTITION
    even = simulate(300, claimers=16, most_per_second=195)
    assert (even.rate, even.done, even.throttled) == (pytest.approx(195, rel=0.01), pytest.approx(195, rel=0.01), 0)


def test_the_numbers_grow_as_they_must(report: Report) -> None:
    """The partition is the first limit that nobody can raise: between ten and a hundred million tasks a day."""
    rows = {row["tasks"]: row for row in report.rows}
    assert [rows[10**n]["labourers"] for n in (3, 7, 8, 9)] == [1, 1, 6, 60]
    assert rows[10**6]["first"] == "none"
    assert rows[10**9]["total"] == pytest.approx(1000 * rows[10**6]["total"], rel=0.02)


def test_longer_tasks_meet_the_account_first() -> None:
    """Ten million of 30 s are 3,472 invocations at once."""
    given: dict[str, Any] = {"sustained": 195, "memory": 128, "own_ms": 2.4, "prices": list_prices()}
    assert scale.day_of(10**7, task_seconds=30, **given).first.startswith("`max_tasks` of a job (10.0 x); Lambda's")


def test_sosw_invokes_the_function_of_several_labourers(aws: Aws) -> None:
    """Its Orchestrator reads the queue of each, and the function that its ARN names."""
    region = boto3.session.Session().region_name
    arn = f"arn:aws:lambda:{region}:123456789012:function:worker"
    limit = {"max_simultaneous_invocations": 10}
    with upstream(aws, labourers={"worker": limit, "worker-2": {"arn": arn, **limit}}) as sosw:
        for labourer in ("worker", "worker-2"):
            _schedule(aws, labourer, [f"{labourer} {number}" for number in range(3)])
        sosw.orchestrator({})
        assert {function for function, _ in sosw.invocations} == {"worker"}
        assert sorted((payload["labourer_id"], payload["words"][0]) for _, payload in sosw.invocations) == [
            (labourer, f"{labourer} {number}") for labourer in ("worker", "worker-2") for number in range(3)
        ]


def _schedule(aws: Aws, labourer: str, words: list[str]) -> None:
    once = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))
    deployment = Deployment(aws.dynamodb, once, aws.s3, aws.names, aws.bucket, "sosw/scheduler", time.time)
    day = date(2026, 3, 2)
    job = {"words": words, "isolate_words": True}
    expansion = Expansion(job, schema={"chunkable_attrs": ["word"]}, reference_date=day)
    JobScheduler(deployment).schedule(
        ScheduleRequest(JobIdentity("dag", "run", labourer, -1, 0, labourer), expansion, day)
    )


@pytest.mark.slow
def test_each_labourer_has_a_partition_of_its_own(ministack_emulator: Emulator) -> None:
    """Two write twice as much as one, each within its units."""
    found = partition.write_for(ministack_emulator, 2, units=150, tasks=300)
    assert found["refused"] > 0
    assert 90 < found["share"] < 210  # a second's worth is there at the beginning
    assert found["rate"] > found["each"]
