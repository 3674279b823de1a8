"""What an operator says about costs: an estimate in the summary, and beside it, in the log, what was counted."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from sosw_airflow.exceptions import JobFailed
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.cost import Usage
from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.operators.costs import report_usage, used_by
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.stores.request_meter import RequestMeter
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.support.closing import close
from tests.support.deferrals import Deferred, events, finish

Schedule = Callable[..., SoswScheduleOperator]

KEY = {"task_id": {"S": "a"}}


def test_an_estimate_of_the_scheduling(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """8 small rows, one page, the header; and 8 invocations, made by sosw."""
    estimate = schedule(tutorial_job).execute(context())["estimate"]
    price = 28 * 0.625 + 2.5 * 0.125 + 5 + 8 * 0.2
    assert estimate == {
        "write_units": 8 * 3 + 2 + 2,
        "read_units": 2,
        "s3_writes": 1,
        "s3_reads": 0,
        "lambda_requests": 8,
        "gb_seconds": 0.0,
        "price": round(price / 1e6, 6),
        "currency": "USD",
    }


def test_a_job_that_is_scheduled_does_not_fail_for_its_estimate(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An option that only the estimate reads here cannot be used: the log says so, the rows are in the queue."""
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({LABOURER: {}}))
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_SIMULTANEOUS_INVOCATIONS", "many")
    with caplog.at_level(logging.WARNING):
        summary = schedule(tutorial_job).execute(context())
    assert (summary["tasks"], len(installation.rows()), "estimate" in summary) == (8, 8, False)
    assert "are not estimated" in caplog.text
    assert "[sosw] max_simultaneous_invocations: must be a whole number" in caplog.text


def test_the_estimate_has_what_the_operator_does(
    function: Any, schedule: Schedule, context: MakeContext, tutorial_job: Any, installation: Aws
) -> None:
    """To orchestrate takes nine units more for each task; a synchronous invocation needs no assistant."""
    operator = schedule(
        tutorial_job, orchestrate=True, deferrable=False, results=f"s3://{installation.bucket}/results/"
    )
    estimate = operator.execute(context())["estimate"]
    assert estimate["write_units"] == pytest.approx(28 + 8 * 9, abs=2)
    assert (estimate["lambda_requests"], estimate["s3_writes"]) == (8, 1 + 3)


def test_every_attempt_gives_the_same_estimate(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrals: Any
) -> None:
    """It follows from the record of the job, also after a deferral."""
    first = schedule(tutorial_job).execute(context(max_tries=1))
    again = schedule(tutorial_job, wait_for_completion=True, deferrable=True, poll_interval=0.01)
    last = finish(
        again,
        context(try_number=2, max_tries=1),
        deferrable=True,
        meanwhile=lambda job_id: close(installation, job_id, range(8)),
    )
    assert last["job_id"] == first["job_id"]
    assert last["estimate"]["write_units"] == first["estimate"]["write_units"]


def test_a_delivered_job_has_no_estimate(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """sosw's own Scheduler writes its rows."""
    assert "estimate" not in schedule(tutorial_job, delivery="queue_file").execute(context())


def test_what_was_used_stands_beside_it(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Requests to S3 as they were made."""
    with caplog.at_level(logging.INFO, logger="sosw_airflow.operators.costs"):
        schedule(tutorial_job).execute(context())
    (line,) = [each for each in caplog.messages if each.startswith("Costs of the job")]
    estimated, counted = line.split("Counted in this Airflow task: ")
    assert "28 write units, 2 read units, 1 request to S3, 8 to Lambda, 0.0 GB-seconds; 0.0000" in estimated
    assert "1 request to S3, 0 to Lambda, 0.0 GB-seconds;" in counted


@pytest.mark.parametrize("estimate", [None, "cheap", {}, {"write_units": "many"}, {"price": 1}])
def test_an_estimate_of_another_version(estimate: object, caplog: pytest.LogCaptureFixture) -> None:
    """It was stored with a deferral: nothing is logged, and nothing fails."""
    summary = {"job_id": "a", "estimate": estimate, "completed": 1}
    assert report_usage(SoswHook(), {**summary, "used": {"write_units": 3}}) == summary
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("stored", "units"),
    [(None, 0), ("many", 0), ({"write_units": "x", "read_units": -1}, 0), ({"read_units": 2.5, "other": 1}, 2.5)],
)
def test_what_a_trigger_of_another_version_has_used(stored: object, units: float) -> None:
    """An event has it or not; what is no amount counts as nothing."""
    event = {"status": "over", "usage": stored}
    assert sum(used_by(event).amounts()) == units
    assert used_by(None) == Usage()


class TestADeferral:
    """What is counted of an Airflow task is the sum of its processes."""

    @pytest.fixture
    def counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A read is one unit, a write two. moto reports no units of a batch, nor of a transaction."""

        def units(operation: str, _: dict[str, Any]) -> Usage:
            return Usage(read_units=1) if operation in ("GetItem", "Query", "BatchGetItem") else Usage(write_units=2)

        monkeypatch.setattr("sosw_airflow.stores.request_meter._units_of", units)
        monkeypatch.setattr("sosw_airflow.triggers.polling._known", {})  # clients of other tests

    @pytest.mark.usefixtures("counted", "deferrals")
    def test_worker_triggerer_worker(
        self, installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
    ) -> None:
        """The polls of the triggerer come in the event, though triggers share their client."""
        with pytest.raises(Deferred) as deferred:
            schedule(tutorial_job, wait_for_completion=True, deferrable=True, poll_interval=0.01).execute(context())
        first = deferred.value.kwargs["summary"]["used"]
        close(installation, deferred.value.trigger.job_id, range(8))
        other, mine = events(deferred.value.trigger), events(deferred.value.trigger)
        assert other[0]["usage"] == mine[0]["usage"] == {"read_units": 3.0}
        assert first["write_units"] >= 3 * 2
        operator = schedule(tutorial_job, wait_for_completion=True, deferrable=True)
        last = operator.execute_complete(context(), mine[0], **deferred.value.kwargs)
        assert "used" not in last
        assert last["counted"]["read_units"] == first["read_units"] + 3
        assert last["counted"]["write_units"] == first["write_units"]
        assert last["counted"]["s3_writes"] == last["estimate"]["s3_writes"] == 1
        assert last["counted"]["price"] > 0

    @pytest.mark.usefixtures("counted", "deferrals")
    def test_a_trigger_that_cannot_poll(
        self,
        installation: Aws,
        schedule: Schedule,
        context: MakeContext,
        tutorial_job: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What it has used until then is kept over the next deferral."""
        operator = schedule(tutorial_job, wait_for_completion=True, deferrable=True, poll_interval=0.01)
        with pytest.raises(Deferred) as deferred:
            operator.execute(context())
        used = deferred.value.kwargs["summary"]["used"]["read_units"]
        failed = {"status": "look", "job_id": deferred.value.trigger.job_id, "hops": 1, "usage": {"read_units": 5}}
        with pytest.raises(Deferred) as again:
            operator.execute_complete(context(), failed, **deferred.value.kwargs)
        polled = 3
        assert again.value.kwargs["summary"]["used"]["read_units"] == used + 5 + polled

    @pytest.mark.usefixtures("deferrals")
    def test_what_an_orchestrator_in_the_triggerer_has_used(
        self, function: Any, installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
    ) -> None:
        """Its invocations are in the event, beside the polls."""
        operator = schedule(tutorial_job, orchestrate=True, deferrable=True, poll_interval=0.2)
        with pytest.raises(Deferred) as deferred:
            operator.execute(context())
        (event,) = events(deferred.value.trigger)
        assert (event["status"], event["usage"]["lambda_requests"]) == ("over", 8)
        last = operator.execute_complete(context(), event, **deferred.value.kwargs)
        assert last["counted"]["lambda_requests"] == last["estimate"]["lambda_requests"] == 8


def test_a_job_that_fails(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    deferrals: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has what was counted, though there is no XCom; the error is that of the job."""
    operator = schedule(tutorial_job, wait_for_completion=True, poll_interval=0.01)
    with caplog.at_level(logging.INFO, logger="sosw_airflow.operators.costs"), pytest.raises(JobFailed):
        finish(
            operator,
            context(),
            deferrable=False,
            meanwhile=lambda job_id: close(installation, job_id, range(8), completed=False),
        )
    assert [each for each in caplog.messages if "Counted in this Airflow task" in each]


def test_what_cannot_be_counted_fails_nothing(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The labourer is removed while its job runs: the job is over all the same."""
    summary = schedule(tutorial_job).execute(context())
    close(installation, summary["job_id"], range(8))
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({LABOURER: {"memory": 128}}))
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_SIMULTANEOUS_INVOCATIONS", "many")
    reported = report_usage(SoswHook(), {**summary, "completed": 8, "failed": 0})
    assert reported["counted"]["gb_seconds"] == 0
    assert "cannot be read" in caplog.text


def test_the_time_of_the_function(
    function: Any,
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the labourer's settings in the estimate, by the closed rows in what was counted. A number may be text."""
    settings = {"invocation": "request", "max_simultaneous_invocations": "8", "memory": "512", "task_seconds": "3"}
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({LABOURER: settings}))
    monkeypatch.setattr("sosw_airflow.waiting.durations.INVOCATION_DELTA", INVOCATION_DELTA + 4)  # each took 4 s longer
    summary = schedule(tutorial_job, orchestrate=True, deferrable=False, poll_interval=0.2).execute(context())
    assert summary["estimate"]["gb_seconds"] == 8 * 3 * 0.5
    assert summary["counted"]["gb_seconds"] == pytest.approx(8 * 4 * 0.5, abs=8 * 2 * 0.5)


class TestTheMeter:
    """`SoswHook.usage` counts what AWS reports."""

    @pytest.fixture
    def hook(self, installation: Aws) -> SoswHook:
        """The hook of the installation."""
        return SoswHook()

    def test_requests(self, hook: SoswHook, installation: Aws) -> None:
        """To S3 by their price class; a removal is free."""
        s3 = hook.client("s3")
        s3.put_object(Bucket=installation.bucket, Key="a", Body=b"x")
        s3.get_object(Bucket=installation.bucket, Key="a")
        s3.list_objects_v2(Bucket=installation.bucket)
        s3.delete_object(Bucket=installation.bucket, Key="a")
        assert (hook.usage.s3_writes, hook.usage.s3_reads) == (2, 1)

    @pytest.mark.parametrize(
        ("operation", "arguments", "consumed", "expected"),
        [
            ("get_item", {"TableName": "a", "Key": KEY}, {"CapacityUnits": 0.5}, (0, 0.5)),
            ("put_item", {"TableName": "a", "Item": KEY}, {"CapacityUnits": 2.0}, (2, 0)),
            (
                "transact_write_items",
                {"TransactItems": [{"Put": {"TableName": "a", "Item": KEY}}]},
                [{"CapacityUnits": 4.0}, {"CapacityUnits": 2.0}],
                (6, 0),
            ),
            ("put_item", {"TableName": "a", "Item": KEY}, None, (0, 0)),
        ],
    )
    def test_units(
        self,
        operation: str,
        arguments: dict[str, Any],
        consumed: Any,
        expected: tuple[float, float],
        hook: SoswHook,
    ) -> None:
        """Those in the answer, of one table or of several; they are asked for."""
        client = hook.client("dynamodb")
        asked = answer_with(client, 200, {} if consumed is None else {"ConsumedCapacity": consumed})
        getattr(client, operation)(**arguments)
        assert (hook.usage.write_units, hook.usage.read_units) == expected
        assert json.loads(asked[0])["ReturnConsumedCapacity"] == "TOTAL"

    def test_pages_ask_for_their_units(
        self,
        installation: Aws,
        schedule: Schedule,
        context: MakeContext,
        tutorial_job: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Their rows are sent as ready text, and the request has both."""
        bodies: list[dict[str, Any]] = []
        attach = RequestMeter.attach

        def attach_and_record(self: RequestMeter, client: Any) -> None:
            attach(self, client)
            client.meta.events.register_first("before-send.dynamodb.TransactWriteItems", record)

        def record(request: Any, **_: Any) -> None:
            bodies.append(json.loads(request.body))

        monkeypatch.setattr(RequestMeter, "attach", attach_and_record)
        schedule(tutorial_job).execute(context())
        (page,) = bodies
        assert (page["ReturnConsumedCapacity"], len(page["TransactItems"])) == ("TOTAL", 1 + 8)

    @pytest.mark.parametrize(("status", "invocations"), [(202, 1), (429, 0)])
    def test_invocations(self, status: int, invocations: int, hook: SoswHook) -> None:
        """A refused one costs nothing."""
        client = hook.client("lambda", attempts=1)
        answer_with(client, status, {})
        with contextlib.suppress(ClientError):
            client.invoke(FunctionName=LABOURER)
        assert hook.usage.lambda_requests == invocations


def answer_with(client: Any, status: int, document: Any) -> list[bytes]:
    """Answer every request of a client so; returns the bodies of the requests."""
    asked = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        asked.append(request.body)
        raw = SimpleNamespace(stream=lambda *_, **__: iter([json.dumps(document).encode()]), read=lambda *_: b"")
        return AWSResponse(request.url, status, {}, raw)

    client.meta.events.register_first("before-send", answer)
    return asked
