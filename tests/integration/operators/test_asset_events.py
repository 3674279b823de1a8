"""What the events of an operator's outlets carry, and what a DAG that they start reads."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sosw_airflow._compat import asset_class
from sosw_airflow.assets import create_asset, triggering_jobs
from sosw_airflow.operators.asset_events import describe_jobs
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.support.closing import close
from tests.support.deferrals import finish

try:
    from airflow.sdk.execution_time.context import OutletEventAccessors
except ImportError:
    from airflow.utils.context import OutletEventAccessors  # type: ignore[no-redef,attr-defined]

Schedule = Callable[..., SoswScheduleOperator]

QUEUE = create_asset(labourer=LABOURER)
SCHEDULED = {"labourer": LABOURER, "reference_date": "2026-03-02", "tasks": 8, "state": "written"}


def extra_of(context: Any, asset: Any = QUEUE) -> dict[str, Any]:
    """The extra of the asset's event."""
    return dict(context["outlet_events"][asset].extra)


@pytest.fixture
def run(context: MakeContext) -> Any:
    """The context of a run, with the events of its version of Airflow."""
    made: Any = context()
    made["outlet_events"] = OutletEventAccessors()
    return made


def test_a_scheduled_job(installation: Aws, schedule: Schedule, run: Any, tutorial_job: Any) -> None:
    """Its id, the number of its tasks and the day for which it was scheduled; no counts, since nothing is done."""
    summary = schedule(tutorial_job, outlets=[QUEUE]).execute(run)
    assert extra_of(run) == {"job_id": summary["job_id"], **SCHEDULED}


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_job_that_was_waited_for(
    deferrable: bool, installation: Aws, schedule: Schedule, run: Any, tutorial_job: Any, deferrals: Any
) -> None:
    """Also the counts, and the addresses of the results."""
    operator = schedule(
        tutorial_job,
        outlets=[QUEUE],
        wait_for_completion=True,
        deferrable=deferrable,
        poll_interval=0.01,
        tolerated_failures=1,
        results=f"s3://{installation.bucket}/results/",
    )

    def meanwhile(job_id: str) -> None:
        close(installation, job_id, range(7))
        close(installation, job_id, [7], completed=False)

    summary = finish(operator, run, deferrable=deferrable, meanwhile=meanwhile)
    assert extra_of(run) == {
        **SCHEDULED,
        "job_id": summary["job_id"],
        "state": "closed",
        "completed": 7,
        "failed": 1,
        "results": summary["results"],
    }


def test_what_the_user_has_added_stays(installation: Aws, schedule: Schedule, run: Any, tutorial_job: Any) -> None:
    """`pre_execute` may add to the event as well."""
    run["outlet_events"][QUEUE].extra["team"] = "prices"
    schedule(tutorial_job, outlets=[QUEUE]).execute(run)
    assert extra_of(run)["team"] == "prices"


def test_every_asset_and_nothing_else(installation: Aws, schedule: Schedule, run: Any, tutorial_job: Any) -> None:
    """An asset of another scheme has the job as well; what is no asset is left alone."""
    table = asset_class()("s3://bucket/table")
    schedule(tutorial_job, outlets=[table, QUEUE, SimpleNamespace(url="file:///x")]).execute(run)
    assert extra_of(run, table) == extra_of(run)
    assert len(run["outlet_events"]) == 2


def test_a_sensor(installation: Aws, schedule: Schedule, run: Any, tutorial_job: Any) -> None:
    """The job for which it has waited; of a list all of its jobs."""
    job_id = schedule(tutorial_job).execute(run)["job_id"]
    close(installation, job_id, range(8))
    counts = {"job_id": job_id, "state": "closed", "tasks": 8, "completed": 8, "failed": 0}
    other = asset_class()("s3://bucket/all")
    SoswJobSensor(task_id="one", job_id=job_id, outlets=[QUEUE]).poke(run)
    SoswJobSensor(task_id="all", job_id=[job_id], outlets=[other]).poke(run)
    assert (extra_of(run), extra_of(run, other)) == (counts, {"jobs": [counts]})


@pytest.mark.parametrize("name", ["triggering_asset_events", "triggering_dataset_events"])
def test_the_started_run_knows_the_jobs(name: str) -> None:
    """Each job once, whatever the number of its events; a list of a sensor; no event of another task."""
    extras = [{"job_id": "a", "tasks": 1}, None, {"rows": 3}, {"job_id": "a", "tasks": 1}, {"jobs": [{"job_id": "b"}]}]
    events = {"sosw://worker": [SimpleNamespace(extra=extra) for extra in extras]}
    assert triggering_jobs({name: events}) == [{"job_id": "a", "tasks": 1}, {"job_id": "b"}]


class TestPartitions:
    """Airflow 3.3 lets an Airflow task name the partition of its event."""

    @pytest.fixture
    def at_runtime(self, run: Any) -> Any:
        """A run of a DAG with `schedule=PartitionedAtRuntime()`."""
        if not hasattr(run["outlet_events"][QUEUE], "add_partitions"):
            pytest.skip("Airflow 3.3 has them")
        from airflow.sdk import PartitionedAtRuntime

        run["dag"].timetable = PartitionedAtRuntime()
        return run

    def test_the_reference_date(
        self, installation: Aws, schedule: Schedule, at_runtime: Any, tutorial_job: Any
    ) -> None:
        """In the format in which Airflow's mappers read a day."""
        from airflow.partition_mappers.temporal import StartOfDayMapper

        schedule(tutorial_job, outlets=[QUEUE]).execute(at_runtime)
        (key,) = at_runtime["outlet_events"][QUEUE].partition_keys
        assert StartOfDayMapper().to_downstream(key) == "2026-03-02"

    @pytest.mark.parametrize("day", ["x" * 300, "", 7, None])
    def test_a_day_of_another_version(self, day: object, at_runtime: Any) -> None:
        """It was stored with a deferral: the event has no partition."""
        describe_jobs(at_runtime, [QUEUE], {"job_id": "a", "reference_date": day})
        assert at_runtime["outlet_events"][QUEUE].partition_keys == set()

    @pytest.mark.parametrize("kept", ["of the run", "of the user", "of no partition"])
    def test_a_partition_that_is_known(
        self, kept: str, installation: Aws, schedule: Schedule, at_runtime: Any, tutorial_job: Any
    ) -> None:
        """The run's own key comes with its events anyway. A DAG without partitions starts those without as well."""
        expected: set[str] = set()
        if kept == "of the run":
            at_runtime["partition_key"] = "2026-02-28"
        elif kept == "of the user":
            at_runtime["outlet_events"][QUEUE].add_partitions("eu")
            expected = {"eu"}
        else:
            del at_runtime["dag"].timetable
        schedule(tutorial_job, outlets=[QUEUE]).execute(at_runtime)
        assert at_runtime["outlet_events"][QUEUE].partition_keys == expected
