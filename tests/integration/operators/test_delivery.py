"""`delivery="queue_file"`: the job as a file for sosw's own Scheduler, which writes the tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sosw_airflow import exceptions as errors
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.sensors.sosw import SoswJobSensor
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.integration.operators.test_schedule import payloads
from tests.support.network_edge import Crash
from tests.support.upstream.components import Upstream, upstream

Schedule = Callable[..., SoswScheduleOperator]


@pytest.fixture
def deliver(schedule: Schedule, tutorial_job: Any) -> Callable[..., SoswScheduleOperator]:
    """An operator that delivers the tutorial's job."""
    return lambda **arguments: schedule(tutorial_job, **{"delivery": "queue_file", **arguments})


@pytest.fixture
def sosw(installation: Aws) -> Iterator[Upstream]:
    """sosw's components, which may run five of the labourer's tasks at once."""
    with upstream(installation, labourers={LABOURER: {"max_simultaneous_invocations": 5}}) as components:
        yield components


@pytest.fixture
def invoked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Lambda was asked to invoke."""
    import botocore.client

    calls: list[dict[str, Any]] = []
    call = botocore.client.BaseClient._make_api_call

    def recording(self: Any, name: str, arguments: Any) -> Any:
        if name != "Invoke":
            return call(self, name, arguments)
        calls.append(arguments)
        return {"StatusCode": 202}

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recording)
    return calls


def test_the_real_scheduler_writes_what_we_would_have_written(
    installation: Aws, sosw: Upstream, schedule: Schedule, deliver: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """The same payloads in the same order, from the file alone."""
    summary = deliver().execute(context())
    ((key, text),) = installation.queue_files().items()
    before = installation.rows()

    sosw.drain(key.rpartition("/")[2])
    theirs = payloads(installation)
    for row in installation.rows():
        installation.dynamodb.delete_item(TableName=installation.names.tasks_table, Key={"task_id": row["task_id"]})
    schedule(tutorial_job).execute(context(max_tries=1))

    assert (before, len(text.splitlines()), summary["state"]) == ([], 8, "delivered")
    assert (theirs, installation.queue_files()) == (payloads(installation), {})


def test_the_scheduler_is_invoked_with_the_file(
    installation: Aws, deliver: Any, context: MakeContext, invoked: list[dict[str, Any]]
) -> None:
    """With the event that sosw's Scheduler understands."""
    deliver(scheduler_function="sosw_scheduler").execute(context())

    (call,) = invoked
    (key,) = installation.queue_files()
    assert (call["FunctionName"], call["InvocationType"]) == ("sosw_scheduler", "Event")
    assert json.loads(call["Payload"]) == {"file_name": key.rpartition("/")[2], "lambda_name": LABOURER}


def test_a_retry_delivers_nothing_again(
    installation: Aws, deliver: Any, context: MakeContext, invoked: list[dict[str, Any]]
) -> None:
    """Though sosw's Scheduler has drained the file in the meantime."""
    first = deliver(scheduler_function="sosw_scheduler").execute(context(max_tries=1))
    (key,) = installation.queue_files()
    installation.s3.delete_object(Bucket=installation.bucket, Key=key)

    again = deliver(scheduler_function="sosw_scheduler").execute(context(try_number=2, max_tries=1))

    assert (again, len(invoked), installation.queue_files()) == (first, 1, {})


@pytest.mark.parametrize(
    ("function", "number"), [*(("sosw_scheduler", number) for number in range(6)), *((None, n) for n in range(5))]
)
def test_a_crash_at_each_request_of_the_delivery(
    installation: Aws,
    deliver: Any,
    context: MakeContext,
    invoked: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    function: str | None,
    number: int,
) -> None:
    """A retry delivers it once, or says that it cannot be known; never twice."""
    import botocore.client

    call = botocore.client.BaseClient._make_api_call
    seen = 0

    def dying(self: Any, name: str, arguments: Any) -> Any:
        nonlocal seen
        if name in ("UpdateItem", "HeadObject", "CopyObject", "DeleteObject", "Invoke"):
            seen += 1
        if seen > number:
            raise Crash
        return call(self, name, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", dying)
        with pytest.raises(Crash):
            deliver(scheduler_function=function).execute(context(max_tries=1))
    try:
        deliver(scheduler_function=function).execute(context(try_number=2, max_tries=1))
    except errors.DeliveryUncertain:
        assert (function, installation.rows()) == (None, [])
        return

    (key,) = installation.queue_files()
    assert key.rpartition("/")[2].startswith("tasks_queue_airflow_")
    assert len(invoked) in ((1, 2) if function else (0,))


def test_it_cannot_be_waited_for(installation: Aws, deliver: Any, context: MakeContext) -> None:
    """Nobody here knows the ids of its tasks: said before anything is written, and by the sensor as well."""
    with pytest.raises(errors.InvalidConfiguration) as refused:
        deliver(wait_for_completion=True, queue_position="front", on_clear="failed").execute(context())
    assert [fault.path for fault in refused.value.faults] == ["wait_for_completion", "queue_position", "on_clear"]

    job_id = deliver().execute(context())["job_id"]
    with pytest.raises(errors.JobDelivered):
        SoswJobSensor(task_id="wait", job_id=job_id).execute(context())


def test_another_delivery_in_a_retry(
    installation: Aws, schedule: Schedule, deliver: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """Would schedule the job twice, so it is refused."""
    deliver().execute(context())

    with pytest.raises(errors.JobDelivered):
        schedule(tutorial_job).execute(context())
    assert installation.rows() == []


def test_a_cancelled_delivery(installation: Aws, deliver: Any, context: MakeContext) -> None:
    """The file is taken back, where nobody has taken it."""
    job_id = deliver().execute(context())["job_id"]

    cancelled = cancel_job(SoswHook().deployment(), job_id)

    assert cancelled is not None
    assert (cancelled.removed, cancelled.kept, installation.queue_files()) == (8, 0, {})


def test_arguments_that_do_not_fit(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """A function is of no use where the tasks are written here; an unknown choice is named."""
    with pytest.raises(errors.InvalidConfiguration, match="scheduler_function: is only used with"):
        schedule(tutorial_job, scheduler_function="f").execute(context())
    with pytest.raises(errors.InvalidConfiguration, match="delivery: must be 'tasks' or 'queue_file', not 'mail'"):
        schedule(tutorial_job, delivery="mail").execute(context())
