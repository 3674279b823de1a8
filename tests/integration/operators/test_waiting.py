"""Waiting for the workers: in the Airflow task, in a trigger, in a sensor. All end alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sosw_airflow._compat import AirflowFailException, AirflowSensorTimeout
from sosw_airflow.exceptions import (
    InvalidConfiguration,
    JobCancelled,
    JobFailed,
    JobRecordDamaged,
    JobTimedOut,
    TasksLost,
)
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.triggers.sosw import SoswJobTrigger
from tests.conftest import Aws
from tests.integration.operators.conftest import MakeContext
from tests.support.closing import close
from tests.support.deferrals import Deferred, events, finish

pytestmark = pytest.mark.usefixtures("deferrals")

Schedule = Callable[..., SoswScheduleOperator]

#: Seconds; what is waited for happens before the second poll.
SOON = 0.01


def waiting(schedule: Schedule, job: Any, **arguments: Any) -> SoswScheduleOperator:
    """An operator that waits."""
    return schedule(job, **{"wait_for_completion": True, "poll_interval": SOON, **arguments})


def nothing(job_id: str) -> None:
    """Let the workers sleep."""


BOTH_WAYS = pytest.mark.parametrize("deferrable", [False, True], ids=["waiting", "deferred"])


@BOTH_WAYS
def test_a_job_that_completes(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """The summary has the counts, and the Airflow task succeeds."""
    result = finish(
        waiting(schedule, tutorial_job, deferrable=deferrable),
        context(),
        deferrable=deferrable,
        meanwhile=lambda job_id: close(installation, job_id, range(8)),
    )

    assert (result["tasks"], result["completed"], result["failed"], result["state"]) == (8, 8, 0, "closed")


@BOTH_WAYS
def test_a_job_with_failures(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """The error counts them, shows them with payload and attempts, names the command that repairs them; no retries."""

    def meanwhile(job_id: str) -> None:
        close(installation, job_id, range(6))
        close(installation, job_id, [6, 7], completed=False, attempts=3)

    with pytest.raises(JobFailed) as failure:
        finish(
            waiting(schedule, tutorial_job, deferrable=deferrable),
            context(),
            deferrable=deferrable,
            meanwhile=meanwhile,
        )

    text, job_id = str(failure.value), failure.value.job_id
    assert isinstance(failure.value, AirflowFailException)
    assert f"2 of 8 tasks of the job {job_id} failed (6 completed; tolerated: 0)" in text
    assert f"{job_id}000000000006 (3 attempts): " in text
    assert '"words": ["pizza"]' in text
    assert f"sosw-airflow repair {job_id}" in text


@BOTH_WAYS
@pytest.mark.parametrize("tolerated", [2, "2", "25%"])
def test_failures_that_are_tolerated(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool, tolerated: Any
) -> None:
    """A number of tasks or a share of them."""

    def meanwhile(job_id: str) -> None:
        close(installation, job_id, range(6))
        close(installation, job_id, [6, 7], completed=False)

    result = finish(
        waiting(schedule, tutorial_job, deferrable=deferrable, tolerated_failures=tolerated),
        context(),
        deferrable=deferrable,
        meanwhile=meanwhile,
    )

    assert (result["completed"], result["failed"]) == (6, 2)


@BOTH_WAYS
def test_a_timeout(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """The tasks stay where they are; a retry of the Airflow task continues to wait."""
    operator = waiting(schedule, tutorial_job, deferrable=deferrable, timeout=timedelta(seconds=0.2))

    with pytest.raises(JobTimedOut, match="0 of 8 tasks are closed") as failure:
        finish(operator, context(), deferrable=deferrable, meanwhile=nothing)

    assert (failure.value.retryable, len(installation.rows())) == (True, 8)


@BOTH_WAYS
def test_a_job_that_is_cancelled(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """The wait ends."""
    with pytest.raises(JobCancelled):
        finish(
            waiting(schedule, tutorial_job, deferrable=deferrable),
            context(),
            deferrable=deferrable,
            meanwhile=lambda job_id: cancel_job(SoswHook().deployment(), job_id) and None,
        )


@BOTH_WAYS
def test_a_table_that_goes_away(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """The same error as anywhere, not one of the trigger."""
    from sosw_airflow.exceptions import MissingTable

    name = installation.names.closed_tasks_table

    with pytest.raises(MissingTable, match=name):
        finish(
            waiting(schedule, tutorial_job, deferrable=deferrable),
            context(),
            deferrable=deferrable,
            meanwhile=lambda _: installation.dynamodb.delete_table(TableName=name) and None,
        )


def test_a_job_that_is_over_is_not_deferred(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """A retry after the end finds it so at once."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]
    close(installation, job_id, range(8))

    result = waiting(schedule, tutorial_job, deferrable=True).execute(context(try_number=2, max_tries=1) | context())

    assert (result["job_id"], result["completed"]) == (job_id, 8)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("poll_interval", -5, "poll_interval: must be a positive number of seconds or a timedelta, not -5"),
        ("poll_interval", 0, "poll_interval: must be a positive number of seconds or a timedelta, not 0"),
        ("timeout", "1h", "timeout: must be a positive number of seconds or a timedelta, or None for no limit"),
        ("tolerated_failures", "some", "tolerated_failures: must be a number of tasks"),
        ("tolerated_failures", "101%", "tolerated_failures: must be a number of tasks"),
        ("tolerated_failures", -1, "tolerated_failures: must be a number of tasks"),
    ],
)
def test_arguments_that_cannot_be(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    argument: str,
    value: Any,
    message: str,
) -> None:
    """Refused before anything is written."""
    with pytest.raises(InvalidConfiguration, match=message):
        schedule(tutorial_job, wait_for_completion=True, **{argument: value}).execute(context())
    assert installation.rows() == []


# -- the sensor ----------------------------------------------------------------------------------------------------


def sensor(job_id: Any, **arguments: Any) -> SoswJobSensor:
    """A sensor that polls often."""
    return SoswJobSensor(**{"task_id": "wait", "job_id": job_id, "poke_interval": SOON, **arguments})


@BOTH_WAYS
def test_the_sensor_ends_as_the_operator_does(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """With the counts; it takes the summary of the Airflow task that has scheduled the job."""
    summary = schedule(tutorial_job).execute(context())
    result = finish(
        sensor(summary, deferrable=deferrable),
        context(),
        deferrable=deferrable,
        meanwhile=lambda job_id: close(installation, job_id, range(8)),
    )

    assert result == {"job_id": summary["job_id"], "tasks": 8, "completed": 8, "failed": 0, "state": "closed"}


@BOTH_WAYS
def test_the_sensor_fails_as_the_operator_does(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """At once, with the same error."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]

    with pytest.raises(JobFailed, match="8 of 8 tasks"):
        finish(
            sensor(job_id, deferrable=deferrable),
            context(),
            deferrable=deferrable,
            meanwhile=lambda job_id: close(installation, job_id, range(8), completed=False),
        )


@BOTH_WAYS
def test_the_sensor_waits_for_a_job_that_is_not_there_yet(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """Another DAG may schedule it in a moment."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]
    header = {"job_id": {"S": job_id}, "record": {"S": "header"}}
    table = installation.names.jobs_table
    item = installation.dynamodb.delete_item(TableName=table, Key=header, ReturnValues="ALL_OLD")["Attributes"]

    def meanwhile(job_id: str) -> None:
        installation.dynamodb.put_item(TableName=table, Item=item)
        close(installation, job_id, range(8))

    result = finish(sensor(job_id, deferrable=deferrable), context(), deferrable=deferrable, meanwhile=meanwhile)

    assert result["completed"] == 8


@BOTH_WAYS
def test_the_sensor_times_out_as_sensors_do(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """With Airflow's own error, so that soft_fail means what it means elsewhere."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]

    with pytest.raises(AirflowSensorTimeout):
        finish(sensor(job_id, deferrable=deferrable, timeout=0.2), context(), deferrable=deferrable, meanwhile=nothing)


@pytest.mark.parametrize("given", ["", "nonsense", None, {}, {"job_id": 7}])
def test_what_names_no_job(installation: Aws, context: MakeContext, given: Any) -> None:
    """Refused at once, not after the timeout."""
    with pytest.raises(InvalidConfiguration, match="job_id: must be the id of a job"):
        sensor(given).execute(context())


# -- what can never be over --------------------------------------------------------------------------------------------


def remove_header(installation: Aws, job_id: str) -> None:
    """As the time to live does."""
    key = {"job_id": {"S": job_id}, "record": {"S": "header"}}
    installation.dynamodb.delete_item(TableName=installation.names.jobs_table, Key=key)


@BOTH_WAYS
def test_a_job_whose_record_vanishes(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """It fails at once and without retries, which would schedule every task again."""
    with pytest.raises(JobRecordDamaged, match="is not in sosw_jobs any more") as raised:
        finish(
            waiting(schedule, tutorial_job, deferrable=deferrable),
            context(),
            deferrable=deferrable,
            meanwhile=lambda job_id: remove_header(installation, job_id),
        )
    assert isinstance(raised.value, AirflowFailException)


def test_a_deferral_of_an_older_version_whose_record_vanishes(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """Its trigger does not know whether the job was scheduled, so the Airflow task decides."""
    operator = waiting(schedule, tutorial_job, deferrable=True)
    with pytest.raises(Deferred) as deferred:
        operator.execute(context())
    job_id = deferred.value.trigger.job_id
    remove_header(installation, job_id)
    stored = SoswJobTrigger(sosw_conn_id="sosw_default", job_id=job_id, poll_interval=SOON, deadline=None)

    (event,) = events(stored)
    with pytest.raises(JobRecordDamaged):
        operator.execute_complete(context(), event, **deferred.value.kwargs)


def test_a_sensor_waits_for_a_record(installation: Aws, context: MakeContext) -> None:
    """The job may not be scheduled yet, so its trigger has a wish of its own."""
    with pytest.raises(Deferred) as deferred:
        sensor("0123456789abcdef0123", deferrable=True).execute(context())
    assert deferred.value.trigger.must_exist is False


@BOTH_WAYS
def test_a_job_whose_tasks_are_lost(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrable: bool
) -> None:
    """The tables are named, and some of the tasks."""

    def delete(job_id: str) -> None:
        for row in installation.rows():
            installation.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": row["task_id"]})

    with pytest.raises(TasksLost, match="^8 of 8 tasks .* none of sosw_tasks, sosw_retry_tasks, sosw_closed_tasks"):
        finish(
            waiting(schedule, tutorial_job, deferrable=deferrable),
            context(),
            deferrable=deferrable,
            meanwhile=delete,
        )
