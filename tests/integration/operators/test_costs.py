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

from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.jobs.cost import Usage
from sosw_airflow.operators.costs import report_usage
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.stores.request_meter import RequestMeter
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.support.closing import close
from tests.support.deferrals import finish

Schedule = Callable[..., SoswScheduleOperator]

KEY = {"task_id": {"S": "a"}}


def test_an_estimate_of_the_scheduling(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """8 small rows, one page, the header; and 8 invocations, made by sosw."""
    estimate = schedule(tutorial_job).execute(context())["estimate"]
    price = 29 * 0.625 + 2.5 * 0.125 + 5 + 0.4 + 8 * 0.2
    assert estimate == {
        "write_units": 8 * 3 + 2 + 3,
        "read_units": 2,
        "s3_writes": 1,
        "s3_reads": 1,
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
    assert estimate["write_units"] == pytest.approx(29 + 8 * 9, abs=2)
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
    estimated, counted = line.split("Counted in this process: ")
    assert "29 write units, 2 read units, 2 requests to S3, 8 to Lambda; 0.0000" in estimated
    assert "2 requests to S3, 0 to Lambda;" in counted


@pytest.mark.parametrize("estimate", [None, "cheap", {}, {"write_units": "many"}, {"price": 1}])
def test_an_estimate_of_another_version(estimate: object, caplog: pytest.LogCaptureFixture) -> None:
    """It was stored with a deferral: nothing is logged, and nothing fails."""
    report_usage({"job_id": "a", "estimate": estimate}, Usage())
    assert caplog.messages == []


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
