"""Backfills of historical days in a running Airflow."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tests.support.faults.faults import Kill
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import nth, on
from tests.system.airflow_runs.dag_files import job
from tests.system.airflow_runs.dags import LARGE, TEN_DAYS
from tests.system.airflow_runs.deployment import Airflow, Run
from tests.system.airflow_runs.queue import Queue, job_id, upstream_payloads
from tests.system.airflow_runs.versions import AIRFLOW_2, backfill

pytestmark = pytest.mark.slow

DAG_ID = "backfilled"


def run_backfill(
    airflow: Airflow, *, dag_id: str = DAG_ID, days: Sequence[date] = TEN_DAYS, reprocess: str = "none"
) -> None:
    """`airflow backfill create`, or `airflow dags backfill`, which runs the days itself.

    Other DAGs than `DAG_ID` have it from the API, where there is one: the command takes ten seconds to start.
    """
    airflow.unpause(dag_id)
    airflow.user.end_backfills(dag_id)
    with contextlib.nullcontext() if AIRFLOW_2 else airflow.quiet():
        if AIRFLOW_2 or dag_id == DAG_ID:
            airflow.command(*backfill(dag_id, days[0], days[-1], reprocess=reprocess))
        else:
            airflow.user.backfill(dag_id, days[0], days[-1], reprocess)


@pytest.fixture(scope="module")
def ten_days(airflow: Airflow) -> list[Run]:
    """The runs of the ten days, over."""
    run_backfill(airflow)
    return airflow.finished(DAG_ID, runs=10)


def test_each_day_has_the_rows_that_upstream_makes_on_that_day(ten_days: list[Run], queue: Queue) -> None:
    """Ten runs, none of them for today, and for each exactly sosw's rows in sosw's order."""
    assert TEN_DAYS == [run.due for run in ten_days]
    expected = [upstream_payloads(job(), run) for run in ten_days]
    assert expected == queue.payloads_of([job_id(run, 0) for run in ten_days])


def test_again_without_reprocessing_there_is_nothing_new(ten_days: list[Run], airflow: Airflow, queue: Queue) -> None:
    """`--reprocess-behavior none`; on Airflow 2, `dags backfill` as it is."""
    before = queue.rows()
    run_backfill(airflow)
    assert ten_days == airflow.finished(DAG_ID, runs=10)
    assert before == queue.rows()


def test_reprocessed_each_day_has_one_new_generation(ten_days: list[Run], airflow: Airflow, queue: Queue) -> None:
    """`--reprocess-behavior completed`; on Airflow 2, `--reset-dagruns`. The old rows stay, the new ones are equal."""
    run_backfill(airflow, reprocess="completed")
    airflow.wait_until(
        lambda: all((2, "success") == (ti.try_number, ti.state) for ti in airflow.instances(DAG_ID)),
        "each day has run twice",
        lambda: airflow.instances(DAG_ID),
    )
    runs = airflow.finished(DAG_ID, runs=10)
    for generation in (0, 1):
        expected = [upstream_payloads(job(), run) for run in runs]
        assert expected == queue.payloads_of([job_id(run, generation) for run in runs])
    jobs = {job_id(run, generation) for run in runs for generation in range(10)}
    assert 20 == len(jobs & set(queue.tasks()))


def test_reprocessed_with_resume_there_is_nothing_new(airflow: Airflow, queue: Queue) -> None:
    """The job of the day is there already, and Airflow's task succeeds with it."""
    dag_id = "backfilled_resume"
    run_backfill(airflow, dag_id=dag_id, days=TEN_DAYS[:1])
    (run,) = airflow.finished(dag_id)
    before = queue.rows()
    run_backfill(airflow, dag_id=dag_id, days=TEN_DAYS[:1], reprocess="completed")
    airflow.wait_until(
        lambda: [(2, "success")] == [(ti.try_number, ti.state) for ti in airflow.instances(dag_id)],
        "the day has run twice",
        lambda: airflow.instances(dag_id),
    )
    assert upstream_payloads(job(), run) == queue.payloads(job_id(run, 0))
    assert before == queue.rows()


@pytest.mark.skipif(AIRFLOW_2, reason="it has no such backfill")
@pytest.mark.parametrize("choice", ["reschedule", "resume"])
def test_only_failed_days_are_reprocessed(
    choice: str, airflow: Airflow, queue: Queue, proxies: dict[str, FaultProxy], pids: Path
) -> None:
    """`--reprocess-behavior failed`. `reschedule`: all tasks of the failed day again; `resume`: the rest of them."""
    dag_id = f"failing_{choice}"
    kill = Kill(lambda: int((pids / dag_id).read_text()), applied=False)
    proxies[dag_id].add(on("TransactWriteItems"), kill, when=nth(3))
    run_backfill(airflow, dag_id=dag_id, days=TEN_DAYS[:2])
    failed, good = airflow.finished(dag_id, runs=2)
    assert ("failed", "success") == (failed.state, good.state)
    written = queue.tasks(job_id(failed, 0)).total()
    assert 0 < written < 300

    run_backfill(airflow, dag_id=dag_id, days=TEN_DAYS[:2], reprocess="failed")
    airflow.wait_until(
        lambda: all("success" == run.state for run in airflow.runs(dag_id)),
        "the failed day has run again",
        lambda: airflow.instances(dag_id),
    )
    expected = {0: written, 1: 300} if choice == "reschedule" else {0: 300, 1: 0}
    assert expected == {number: queue.tasks(job_id(failed, number)).total() for number in (0, 1)}
    assert upstream_payloads(LARGE, failed) == queue.payloads(job_id(failed, 1 if choice == "reschedule" else 0))
    assert {0: 300, 1: 0} == {number: queue.tasks(job_id(good, number)).total() for number in (0, 1)}
