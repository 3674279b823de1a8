"""The defects of sosw 0.7.51's orchestration, each shown on the real thing and not in ours (ORCHESTRATION.md 12)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sosw_airflow.orchestration.expiry import FunctionFacts, expiry_seconds
from sosw_airflow.orchestration.health import health_of, limit_for
from sosw_airflow.orchestration.policy import LabourerPolicy
from tests.conftest import Aws
from tests.integration.orchestration.conftest import LABOURER, Labourer
from tests.support.upstream.components import EXPIRY, Upstream, upstream

MakeSosw = Callable[..., AbstractContextManager[Upstream]]


@pytest.fixture
def sosw(aws: Aws, labourer: Labourer) -> MakeSosw:
    """sosw's components for the labourer with these settings, at the same time of day as ours."""
    labourer.now = time.time()

    @contextmanager
    def make(**settings: Any) -> Iterator[Upstream]:
        with upstream(aws, labourers={LABOURER: {"max_simultaneous_invocations": 3, **settings}}) as running:
            yield running

    return make


def ghosts(labourer: Labourer) -> list[dict[str, Any]]:
    """Items of the table of tasks that are no tasks."""
    return [row for row in labourer.aws.rows() if "labourer_id" not in row]


def test_e1_a_duration_in_the_settings(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream stops for every labourer; here it is the expiry."""
    labourer.queue("a")
    with sosw(duration=300) as theirs, pytest.raises(ValueError, match="duration"):
        theirs.orchestrator({})
    assert 1 == labourer.orchestration(duration=300).turn().invoked


def test_e2_a_function_that_is_missing(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream stops for every labourer; here the labourer pauses and the turn ends without an exception."""
    labourer.queue("a")
    missing = "arn:aws:lambda:us-west-2:123456789012:function:missing"
    with sosw(arn=missing) as theirs, pytest.raises(ClientError, match="ResourceNotFound"):
        theirs.orchestrator({})
    labourer.function.reply = lambda event: (404, "ResourceNotFoundException", b"{}")
    assert labourer.orchestration().turn().paused


def test_e3_a_health_metric_without_data(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream stops for every labourer; here no data says nothing against the labourer."""
    metrics = {
        "cpu": {
            "details": {"MetricName": "CPUUtilization", "Namespace": "AWS/RDS", "Statistics": ["Average"]},
            "feelings": {4: 20},
            "feeling_comparison_operator": "le",
        }
    }
    labourer.queue("a")
    with sosw(health_metrics=metrics) as theirs, pytest.raises(Exception):  # noqa: B017,PT011 - of any kind
        theirs.orchestrator({})
    assert 1 == labourer.orchestration(health_metrics=metrics).turn().invoked


def test_e4_e5_e6_an_invocation_that_lambda_refuses(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream leaves the row marked, with an attempt used up; after three such runs the task is archived as dead.

    Here the row is as before.
    """
    labourer.queue("a")
    before = labourer.aws.rows()
    labourer.function.reply = lambda event: (429, "TooManyRequestsException", b"{}")
    labourer.orchestration().turn()
    assert before == labourer.aws.rows()

    refused = ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")
    with sosw() as theirs:

        def refuse(**_: Any) -> None:
            raise refused

        theirs.orchestrator.task_client.lambda_client.invoke = refuse
        with pytest.raises(ClientError, match="TooManyRequests"):
            theirs.orchestrator({})
    (row,) = labourer.aws.rows()
    assert ("1", True) == (row["attempts"]["N"], int(row["greenfield"]["N"]) > time.time())


def test_e7_two_orchestrators_that_count_before_either_marks(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream's pass the limit together; here the lease lets one of them claim."""
    labourer.queue(*"abcdef")
    here, there = labourer.orchestration("here"), labourer.orchestration("there")
    assert (3, 0) == (
        labourer.orchestration("first", max_simultaneous_invocations=3).turn().invoked,
        here.turn().invoked + there.turn().invoked,
    )


def test_e8_a_completion_while_the_task_waits_for_its_retry(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream makes a ghost, overwrites it and runs the task again; here it is closed as completed."""
    labourer.queue("a")
    with sosw() as theirs:
        theirs.orchestrator({})
        theirs.expire("a" * 32)
        theirs.scavenger({})
        theirs.complete("a" * 32)
        assert 1 == len(ghosts(labourer))
        theirs.end_delay(LABOURER, "a" * 32)
        labourer.orchestration().turn()
    assert ({"a": "1"}, {"tasks": [], "retries": []}, "") == (labourer.closed(), labourer.left(), labourer.words())


def test_e9_a_completion_while_the_task_is_queued_again(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream invokes it once more; here it is closed."""
    labourer.queue("a", completed_at={"N": str(int(time.time()))})
    labourer.queue("b", first=2, completed_at={"N": str(int(time.time()))})
    ours = labourer.orchestration()
    with sosw() as theirs:
        theirs.orchestrator({})
        assert ["a", "b"] == [payload["word"] for _, payload in theirs.invocations]
    labourer.queue("c", first=3, completed_at={"N": str(int(time.time()))})
    ours.turn()
    assert ("", "1") == (labourer.words(), labourer.closed()["c"])


def test_e10_a_completion_after_the_task_was_closed(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream's assistant makes an item that stays; ours refuses it."""
    with sosw() as theirs:
        theirs.complete("a" * 32)
    assert 1 == len(ghosts(labourer))
    assert not labourer.report({"task_id": "b" * 32, "attempts": 0, "labourer_id": LABOURER})
    assert 1 == len(ghosts(labourer))


def test_e12_two_that_archive_one_row(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream's second one crashes; closing twice changes nothing here."""
    labourer.queue("a")
    ours = labourer.orchestration()
    ours.turn()
    labourer.report(labourer.function.events[0])
    with sosw() as theirs:
        archive = theirs.scavenger.task_client.archive_task
        archive("a" * 32)
        with pytest.raises(Exception):  # noqa: B017,PT011 - a ValidationException or a KeyError, by version of boto3
            archive("a" * 32)
    rows = list(ours._rows.invoked(now=int(labourer.now)))
    assert [] == rows
    assert {"a": "1"} == labourer.closed()


def test_e14_a_failed_task_holds_no_slot(labourer: Labourer, sosw: MakeSosw) -> None:
    """With upstream the next one starts after 21 minutes; here at the next turn."""
    labourer.queue(*"ab")
    with sosw(max_simultaneous_invocations=1) as theirs:
        theirs.orchestrator({})
        theirs.worker_assistant({"action": "mark_task_as_failed", "task_id": "a" * 32})
        theirs.scavenger({})
        theirs.orchestrator({})
        assert ["a"] == [payload["word"] for _, payload in theirs.invocations]
    labourer.queue(*"xy", first=10)
    ours = labourer.orchestration(max_simultaneous_invocations=2)
    ours.turn()
    labourer.report(labourer.function.events[0], ok=False)
    assert 1 == ours.turn().invoked


def test_e17_a_limit_of_1_at_less_than_best_health(sosw: MakeSosw) -> None:
    """Upstream never invokes such a labourer; here it is invoked."""
    policy = LabourerPolicy.of(LABOURER, {"max_simultaneous_invocations": 1})
    with sosw(max_simultaneous_invocations=1) as theirs:
        coefficients = theirs.orchestrator.config["invocation_number_coefficient"]
        assert 0 == int(1 * coefficients[3])
    assert 1 == limit_for(policy.limit, 3, policy.coefficients)


def test_e18_a_statistic_with_an_odd_name(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream loses the completion; ours keeps it under a name that DynamoDB takes."""
    event = {"action": "mark_task_as_completed", "task_id": "a" * 32, "stats": {"rows-written": 3}}
    labourer.queue("a")
    labourer.orchestration().turn()
    with sosw() as theirs, pytest.raises(ClientError, match="ValidationException"):
        theirs.worker_assistant(json.loads(json.dumps(event)))
    from sosw_airflow.orchestration import assistant

    report = assistant.report_of(event)
    assert report is not None
    assert labourer.mark(report)


def test_e19_the_expiry_covers_what_lambda_may_still_do() -> None:
    """Upstream gives up after 20 minutes, whatever the function's settings are."""
    assert EXPIRY < 21_600 < expiry_seconds(FunctionFacts(timeout=30), asynchronous=True)


def test_e20_a_row_of_a_wrong_type_at_the_head(labourer: Labourer, sosw: MakeSosw) -> None:
    """Every run of upstream's stops there; here it is closed with its reason and the rest is invoked."""
    labourer.queue("a", attempts={"S": "0"})
    labourer.queue("b", first=2)
    with sosw() as theirs, pytest.raises(Exception):  # noqa: B017,PT011 - of any kind
        theirs.orchestrator({})
    assert 1 == labourer.orchestration().turn().invoked
    assert ("b", {"a": "0"}) == (labourer.words(), labourer.closed())


def test_e21_the_rows_that_are_read_to_start_one_task(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream reads a page of the queue; here as many rows as there are free places."""
    labourer.queue(*"abcdefgh")
    read: list[int] = []
    query = labourer.clients.dynamodb.query

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(labourer.clients.dynamodb, name)

        def query(self, **arguments: Any) -> Any:
            reply = query(**arguments)
            if "greenfield <= :now" in arguments["KeyConditionExpression"]:
                read.append(len(reply["Items"]))
            return reply

    ours = labourer.orchestration(max_simultaneous_invocations=1)
    ours._rows = type(ours._rows)(Counting(), ours.tables, LABOURER)
    ours.turn()
    assert [1] == read[-1:]


def test_health_thresholds_as_the_documentation_shows_them() -> None:
    """``<=`` and ``Name`` raise in upstream (E3); here they are read."""
    metrics = {
        "cpu": {
            "details": {"Name": "CPUUtilization", "Namespace": "AWS/RDS"},
            "feelings": {"4": 20, "2": 60},
            "feeling_comparison_operator": "<=",
        }
    }
    policy = LabourerPolicy.of(LABOURER, {"health_metrics": metrics})
    assert 2 == health_of(policy.health_metrics, {"cpu": 50.0})
