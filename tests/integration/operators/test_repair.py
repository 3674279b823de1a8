"""`SoswRepairOperator`, and clearing an Airflow task that has `on_clear="failed"`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow.exceptions import InvalidConfiguration, JobCancelled, JobConflict, JobStopped, JobUnfinished
from sosw_airflow.operators.sosw import SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.stores.job_record import JobRecords
from tests.conftest import Aws
from tests.integration.operators.conftest import MakeContext
from tests.integration.operators.test_schedule import payloads
from tests.support.closing import close

Schedule = Callable[..., SoswScheduleOperator]


def words(aws: Aws) -> list[str]:
    """The word of each task in the queue, in sosw's order."""
    return [payload["words"][0] for payload in payloads(aws)]


def repairing(job_id: Any, **arguments: Any) -> SoswRepairOperator:
    """An operator that repairs."""
    return SoswRepairOperator(**{"task_id": "repair", "job_id": job_id, **arguments})


@pytest.fixture
def failed_job(installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any) -> dict[str, Any]:
    """The summary of a job of 8 tasks, of which numbers 1 and 6 have failed."""
    summary = schedule(tutorial_job).execute(context())
    close(installation, summary["job_id"], [0, 2, 3, 4, 5, 7])
    close(installation, summary["job_id"], [1, 6], completed=False)
    return summary


def test_the_failed_tasks_are_scheduled_again(
    installation: Aws, context: MakeContext, failed_job: dict[str, Any]
) -> None:
    """The summary of the Airflow task that scheduled them is enough to find them."""
    summary = repairing(failed_job).execute(context())

    assert (words(installation), summary["tasks"], summary["repairs"]) == (["mazda", "pizza"], 2, failed_job["job_id"])


def test_a_retry_schedules_nothing_again(installation: Aws, context: MakeContext, failed_job: dict[str, Any]) -> None:
    """Also when the repaired tasks have failed again meanwhile."""
    first = repairing(failed_job).execute(context(max_tries=1))
    close(installation, first["job_id"], range(2), completed=False)

    again = repairing(failed_job).execute(context(try_number=2, max_tries=1))

    assert (again, installation.rows()) == (first, [])


def test_a_task_id_names_its_job(installation: Aws, context: MakeContext, failed_job: dict[str, Any]) -> None:
    """So that it can be copied from a log."""
    summary = repairing(failed_job["last_task_id"]).execute(context())

    assert summary["repairs"] == failed_job["job_id"]


def test_what_cannot_be_is_refused_together(installation: Aws, context: MakeContext) -> None:
    """Every argument that is wrong is named."""
    with pytest.raises(InvalidConfiguration) as refused:
        repairing("x", unfinished="drop", queue_position="middle", poll_interval=0).execute(context())

    assert [fault.path for fault in refused.value.faults] == [
        "poll_interval",
        "queue_position",
        "unfinished",
        "job_id",
    ]


def test_a_repair_that_waits(installation: Aws, context: MakeContext, failed_job: dict[str, Any]) -> None:
    """Until its own tasks are closed."""
    job_id = repairing(failed_job).execute(context())["job_id"]
    close(installation, job_id, range(2))

    result = repairing(failed_job, wait_for_completion=True).execute(context())

    assert (result["job_id"], result["completed"], result["failed"]) == (job_id, 2, 0)


def test_a_kill_cancels_the_repair_and_not_the_job(
    installation: Aws, context: MakeContext, failed_job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done of the job stays done."""
    operator = repairing(failed_job, cancel_on_kill=True, wait_for_completion=True, poll_interval=0.01)
    create = JobRecords.create
    monkeypatch.setattr(JobRecords, "create", lambda *arguments: (create(*arguments), operator.on_kill())[0])

    with pytest.raises(JobStopped, match="cancelled"):
        operator.execute(context())
    again = repairing(failed_job).execute(context(max_tries=1))

    assert (again["tasks"], words(installation)) == (2, ["mazda", "pizza"])


# -- on_clear="failed" -----------------------------------------------------------------------------------------------


def clear(schedule: Schedule, job: Any, **arguments: Any) -> SoswScheduleOperator:
    """An operator whose clear repairs."""
    return schedule(job, **{"on_clear": "failed", **arguments})


def test_a_clear_schedules_what_failed(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, failed_job: dict[str, Any]
) -> None:
    """Only that."""
    summary = clear(schedule, tutorial_job).execute(context(try_number=2, max_tries=1))

    assert (words(installation), summary["repairs"]) == (["mazda", "pizza"], failed_job["job_id"])


def test_an_automatic_retry_does_not_repair(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """It belongs to the generation that failed; only a clear asks for the failed tasks."""
    first = clear(schedule, tutorial_job).execute(context(try_number=1, max_tries=2))
    close(installation, first["job_id"], range(7))
    close(installation, first["job_id"], [7], completed=False)

    again = clear(schedule, tutorial_job).execute(context(try_number=2, max_tries=2))

    assert (again, installation.rows()) == (first, [])


def test_a_retry_after_the_clear_goes_on_with_the_repair(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, failed_job: dict[str, Any]
) -> None:
    """It does not repair what failed again: that is for the next clear."""
    first = clear(schedule, tutorial_job).execute(context(try_number=2, max_tries=2))
    close(installation, first["job_id"], range(2), completed=False)

    again = clear(schedule, tutorial_job).execute(context(try_number=3, max_tries=2))

    assert (again["job_id"], installation.rows()) == (first["job_id"], [])


def test_the_next_clear_repairs_what_failed_again(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, failed_job: dict[str, Any]
) -> None:
    """The failed ones of the failed ones."""
    first = clear(schedule, tutorial_job).execute(context(try_number=2, max_tries=1))
    close(installation, first["job_id"], [0])
    close(installation, first["job_id"], [1], completed=False)

    clear(schedule, tutorial_job).execute(context(try_number=3, max_tries=2))

    assert words(installation) == ["pizza"]


def test_a_clear_without_failures_schedules_nothing(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """The job is found as it is."""
    first = clear(schedule, tutorial_job).execute(context())
    close(installation, first["job_id"], range(8))

    assert (clear(schedule, tutorial_job).execute(context(try_number=2, max_tries=1)), installation.rows()) == (
        first,
        [],
    )


def test_a_clear_of_a_job_that_is_not_over_goes_on_with_it(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """Nothing is scheduled twice."""
    first = clear(schedule, tutorial_job).execute(context())
    close(installation, first["job_id"], [0], completed=False)

    again = clear(schedule, tutorial_job).execute(context(try_number=2, max_tries=1))

    assert (again, len(installation.rows())) == (first, 7)


def test_the_first_run_schedules_all(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """There is nothing to repair yet, whatever the generation."""
    clear(schedule, tutorial_job).execute(context(max_tries=3))

    assert len(installation.rows()) == 8


def test_a_clear_after_a_cancel_schedules_all(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """A cancelled job is never resumed."""
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.scheduling.cancel import cancel_job

    first = clear(schedule, tutorial_job).execute(context())
    cancel_job(SoswHook().deployment(), first["job_id"])
    with pytest.raises(JobCancelled):
        clear(schedule, tutorial_job).execute(context())

    clear(schedule, tutorial_job).execute(context(try_number=2, max_tries=1))

    assert len(installation.rows()) == 8


def test_a_clear_of_an_edited_job(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, failed_job: dict[str, Any]
) -> None:
    """Whoever wants the failed tasks of another job has to say which: the edit is refused."""
    with pytest.raises(JobConflict):
        clear(schedule, {**tutorial_job, "edited": 1}).execute(context(try_number=2, max_tries=1))
    assert installation.rows() == []


def test_resume_goes_on_with_the_repair(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, failed_job: dict[str, Any]
) -> None:
    """A job that was repaired by hand is done when its repair is."""
    repaired = repairing(failed_job).execute(context())
    close(installation, repaired["job_id"], range(2))

    result = schedule(tutorial_job, on_clear="resume", wait_for_completion=True).execute(
        context(try_number=2, max_tries=1)
    )

    assert (result["job_id"], result["completed"], installation.rows()) == (repaired["job_id"], 2, [])


def test_a_second_operator_waits_for_the_repair_of_the_first(
    installation: Aws, context: MakeContext, failed_job: dict[str, Any]
) -> None:
    """Two that repair the same job do it once."""
    repairing(failed_job).execute(context(run_id="one"))

    with pytest.raises(JobUnfinished):
        repairing(failed_job).execute(context(run_id="two"))
    assert words(installation) == ["mazda", "pizza"]
