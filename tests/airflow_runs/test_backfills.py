"""Backfills of historical days in a running Airflow."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import date

import pytest

from tests.airflow_runs.dag_files import job
from tests.airflow_runs.dags import TEN_DAYS
from tests.airflow_runs.deployment import Airflow, AirflowTrouble, Run
from tests.airflow_runs.queue import Queue, job_id, upstream_payloads
from tests.airflow_runs.versions import AIRFLOW_2, backfill

pytestmark = pytest.mark.slow

DAG_ID = "backfilled"


def run_backfill(
    airflow: Airflow, *, dag_id: str = DAG_ID, days: Sequence[date] = TEN_DAYS, anew: bool = False
) -> None:
    """`airflow backfill create`, or `airflow dags backfill`, which runs the days itself."""
    airflow.unpause(dag_id)
    deadline = time.monotonic() + 60
    while True:
        try:
            with contextlib.nullcontext() if AIRFLOW_2 else airflow.quiet():
                airflow.command(*backfill(dag_id, days[0], days[-1], anew=anew))
        except AirflowTrouble as trouble:  # noqa: PERF203
            # The runs of the former backfill are over; the scheduler marks the backfill itself a little later.
            if "AlreadyRunningBackfill" not in str(trouble) or time.monotonic() > deadline:
                raise
            time.sleep(2)
        else:
            return


@pytest.fixture(scope="module")
def ten_days(airflow: Airflow) -> list[Run]:
    """The runs of the ten days, over."""
    run_backfill(airflow)
    return airflow.finished(DAG_ID, runs=10)


def test_each_day_has_the_rows_that_upstream_makes_on_that_day(ten_days: list[Run], queue: Queue) -> None:
    """Ten runs, none of them for today, and for each exactly sosw's rows in sosw's order."""
    assert TEN_DAYS == [run.due for run in ten_days]
    expected = [upstream_payloads(job(), run) for run in ten_days]
    assert expected == [queue.payloads(job_id(run, 0)) for run in ten_days]


def test_again_without_reprocessing_there_is_nothing_new(ten_days: list[Run], airflow: Airflow, queue: Queue) -> None:
    """`--reprocess-behavior none`; on Airflow 2, `dags backfill` as it is."""
    before = queue.rows()
    run_backfill(airflow)
    assert ten_days == airflow.finished(DAG_ID, runs=10)
    assert before == queue.rows()


def test_reprocessed_each_day_has_one_new_generation(ten_days: list[Run], airflow: Airflow, queue: Queue) -> None:
    """`--reprocess-behavior completed`; on Airflow 2, `--reset-dagruns`. The old rows stay, the new ones are equal."""
    run_backfill(airflow, anew=True)
    airflow.wait_until(
        lambda: all((2, "success") == (ti.try_number, ti.state) for ti in airflow.instances(DAG_ID)),
        "each day has run twice",
        lambda: airflow.instances(DAG_ID),
    )
    runs = airflow.finished(DAG_ID, runs=10)
    for generation in (0, 1):
        expected = [upstream_payloads(job(), run) for run in runs]
        assert expected == [queue.payloads(job_id(run, generation)) for run in runs]
    jobs = {job_id(run, generation) for run in runs for generation in range(10)}
    assert 20 == len(jobs & set(queue.tasks()))
