"""The defects of sosw 0.7.51's orchestration, each shown on the real thing and not in ours (ORCHESTRATION.md 12)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sosw_airflow.orchestration.health import health_of, limit_for
from sosw_airflow.orchestration.policy import LabourerPolicy
from tests.integration.orchestration.conftest import LABOURER, NOW, Labourer, MakeSosw, Reply
from tests.support.network_edge import Crash
from tests.support.upstream.components import EXPIRY, Upstream

TEST = re.compile(r"^def (test_e\w+)", re.MULTILINE)


@pytest.mark.parametrize("number", range(1, 23))
def test_every_defect_of_the_list_is_shown(number: int) -> None:
    """E1 to E22: a test here or beside this file has the number in its name."""
    names = [
        name for each in Path(__file__).parent.glob("test_upstreams_*.py") for name in TEST.findall(each.read_text())
    ]
    assert any(f"_e{number}_" in name for name in names)


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


def refusing(theirs: Upstream) -> None:
    """Let Lambda refuse each invocation of upstream's."""
    refused = ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")

    def refuse(**_: Any) -> None:
        raise refused

    theirs.orchestrator.task_client.lambda_client.invoke = refuse


def test_e4_an_invocation_that_lambda_refuses(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream aborts the run and leaves the row marked, with an attempt used up; here the row is as before."""
    labourer.queue("a")
    before = labourer.aws.rows()
    labourer.function.reply = lambda event: (429, "TooManyRequestsException", b"{}")
    assert 1 == labourer.orchestration().turn().refused
    assert before == labourer.rows()
    with sosw() as theirs:
        refusing(theirs)
        with pytest.raises(ClientError, match="TooManyRequests"):
            theirs.orchestrator({})
    (row,) = labourer.aws.rows()
    assert ("1", True) == (row["attempts"]["N"], int(row["greenfield"]["N"]) > time.time())


def test_e5_an_invocation_that_lambda_refuses_three_times(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream archives the task as dead, and its worker never got it; here it is invoked the fourth time."""
    labourer.queue("a")
    with sosw(max_attempts=3) as theirs:
        refusing(theirs)
        for attempt in (1, 2, 3):
            with pytest.raises(ClientError, match="TooManyRequests"):
                theirs.orchestrator({})
            theirs.expire("a" * 32)
            theirs.scavenger({})
            if attempt < 3:
                theirs.end_delay(LABOURER, "a" * 32)
                theirs.scavenger({})
        assert ({"a": "0"}, []) == (labourer.closed(), theirs.invocations)
    labourer.queue("b")
    reply, labourer.function.reply = labourer.function.reply, lambda event: (429, "TooManyRequestsException", b"{}")
    ours = labourer.orchestration(max_attempts=3)
    assert [1, 1, 1] == [ours.turn().refused for _ in range(3)]
    labourer.function.reply = reply
    ours.turn()
    assert [0] == [event["attempts"] for event in labourer.function.events]


def test_e6_a_crash_between_mark_and_invocation(labourer: Labourer, sosw: MakeSosw) -> None:
    """The next try comes after the expiry, one attempt less: 20 minutes for upstream, here two by default.

    Whether Lambda has got the event cannot be known, so it must not be sent again before.
    """
    labourer.queue("a")
    with sosw() as theirs:
        theirs.orchestrator.task_client.lambda_client.invoke = lambda **_: 1 / 0
        with pytest.raises(ZeroDivisionError):
            theirs.orchestrator({})
        theirs.scavenger({})
        theirs.orchestrator({})
        assert ["1"] == [row["attempts"]["N"] for row in labourer.aws.rows()]
        labourer.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": {"S": "a" * 32}})
    labourer.queue("b")
    reply = labourer.function.reply

    def crash(event: dict[str, Any]) -> Reply:
        raise Crash

    labourer.function.reply = crash
    with pytest.raises(Crash):
        labourer.orchestration(expiry=125).turn()
    labourer.function.reply = reply
    ours = labourer.orchestration("next", expiry=125, retry_delay=1)
    ours.turn()
    labourer.pass_time(124)
    assert (0, "") == (ours.turn().retried, labourer.words())
    labourer.pass_time(2)
    assert 1 == ours.turn().retried
    labourer.pass_time(2)
    ours.turn()
    ours.turn()
    assert [1] == [event["attempts"] for event in labourer.function.events]
    assert EXPIRY > 9 * 125


def test_e7_two_orchestrators_that_count_before_either_marks(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream's pass the limit together; here the lease lets one of them claim."""
    labourer.queue(*"abcdef")
    with sosw() as theirs:
        other = Upstream(theirs.aws, theirs.labourers, theirs.chunkable_attrs)
        count = theirs.orchestrator.get_desired_invocation_number_for_labourer

        def beside(labourer: Any) -> int:
            number = int(count(labourer=labourer))
            if not other.invocations:
                other.orchestrator({})
            return number

        theirs.orchestrator.get_desired_invocation_number_for_labourer = beside
        # Each reads the queue after it has counted: the second three, then the first three others.
        theirs.orchestrator({})
        assert 6 == len(theirs.invocations) + len(other.invocations)
    labourer.queue(*"uvwxyz")
    first, *others = (labourer.orchestration(name, max_simultaneous_invocations=9) for name in ("1", "2", "3"))
    assert (3, 0) == (first.turn().invoked, sum(each.turn().invoked for each in others))


def test_e8_a_completion_while_the_task_waits_for_its_retry(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream makes a ghost, overwrites it and runs the task again; here it is closed as completed."""
    labourer.queue(*"ab")
    with sosw() as theirs:
        theirs.orchestrator({})
        for task_id in ("a" * 32, "b" * 32):
            theirs.expire(task_id)
        theirs.scavenger({})
        for task_id in ("a" * 32, "b" * 32):
            theirs.complete(task_id)
        assert 2 == len(labourer.ghosts())
        theirs.end_delay(LABOURER, "a" * 32)
        theirs.scavenger({})
        theirs.orchestrator({})
        assert ["a", "b", "a"] == [payload["word"] for _, payload in theirs.invocations]
        (again,) = [row for row in labourer.aws.rows() if row["task_id"]["S"] == "a" * 32]
        assert "completed_at" not in again
        theirs.end_delay(LABOURER, "b" * 32)
        labourer.orchestration().turn()
    assert ({"b": "1"}, {"tasks": ["a"], "retries": []}, "") == (labourer.closed(), labourer.left(), labourer.words())


def test_e9_a_completion_while_the_task_is_queued_again(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream invokes it again, archives it while that runs, and the second completion stays; here it is closed."""
    done = {"completed_at": {"N": str(int(time.time()))}}
    labourer.queue("a", **done)
    with sosw() as theirs:
        theirs.orchestrator({})
        assert ["a"] == [payload["word"] for _, payload in theirs.invocations]
        theirs.scavenger({})
        theirs.complete("a" * 32)
        assert ({"a": "1"}, 1) == (labourer.closed(), len(labourer.ghosts()))
    labourer.queue("c", first=3, **done)
    labourer.orchestration().turn()
    assert ("", "1") == (labourer.words(), labourer.closed()["c"])


def test_e10_a_completion_after_the_task_was_closed(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream's assistant makes an item that stays; ours refuses it."""
    with sosw() as theirs:
        theirs.complete("a" * 32)
    assert 1 == len(labourer.ghosts())
    assert not labourer.report({"task_id": "b" * 32, "attempts": 0, "labourer_id": LABOURER})
    assert 1 == len(labourer.ghosts())


def test_e12_two_that_archive_one_row(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream's second one crashes; closing twice changes nothing here."""
    labourer.queue(*"ab")
    ours = labourer.orchestration()
    ours.turn()
    for event in labourer.function.events:
        labourer.report(event)
    with sosw() as theirs:
        archive = theirs.scavenger.task_client.archive_task
        archive("a" * 32)
        with pytest.raises(Exception):  # noqa: B017,PT011 - a ValidationException or a KeyError, by version of boto3
            archive("a" * 32)
    (row,) = ours._rows.invoked(now=int(labourer.now))
    for _ in range(2):
        ours._transitions.complete([row], now=int(labourer.now))
    assert ({"a": "1", "b": "1"}, {"tasks": [], "retries": []}) == (labourer.closed(), labourer.left())


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


@pytest.mark.parametrize("health", [2, 3])
def test_e17_a_limit_of_1_at_less_than_best_health(labourer: Labourer, sosw: MakeSosw, health: int) -> None:
    """Upstream never invokes such a labourer; here it is invoked."""
    policy = LabourerPolicy.of(LABOURER, {"max_simultaneous_invocations": 1})
    labourer.queue("a")
    with sosw(max_simultaneous_invocations=1) as theirs:
        theirs.orchestrator.task_client.ecology_client.get_labourer_status = lambda labourer: health
        theirs.orchestrator({})
        assert [] == theirs.invocations
    assert 1 == limit_for(policy.limit, health, policy.coefficients)


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


def test_e20_a_row_of_a_wrong_type_at_the_head(labourer: Labourer, sosw: MakeSosw) -> None:
    """Every run of upstream's stops there; here it is closed with its reason and the rest is invoked."""
    labourer.queue("a", attempts={"S": "0"})
    labourer.queue("b", first=2)
    with sosw() as theirs, pytest.raises(Exception):  # noqa: B017,PT011 - of any kind
        theirs.orchestrator({})
    assert 1 == labourer.orchestration().turn().invoked
    assert ("b", {"a": "0"}) == (labourer.words(), labourer.closed())


def test_e21_the_rows_that_are_read_to_start_one_task(labourer: Labourer, sosw: MakeSosw) -> None:
    """Upstream reads a page of the queue, up to 1 MB; here as many rows as there are free places."""
    labourer.queue(*"abcdefgh")

    def queue_rows_read(*, act: Callable[[], object], client: Any) -> int:
        read: list[int] = []

        def count(parsed: Any, model: Any, **_: Any) -> None:
            if model.name == "Query":
                read.append(sum(int(row["greenfield"]["N"]) < NOW for row in parsed.get("Items", ())))

        client.meta.events.register("after-call.dynamodb", count)
        act()
        return max(read)

    with sosw(max_simultaneous_invocations=1) as theirs:
        client = theirs.orchestrator.task_client.dynamo_db_client.dynamo_client
        assert 8 == queue_rows_read(act=lambda: theirs.orchestrator({}), client=client)
        assert 1 == len(theirs.invocations)
    ours = labourer.orchestration(max_simultaneous_invocations=2)
    assert 1 == queue_rows_read(act=ours.turn, client=labourer.clients.dynamodb)
    assert 1 == len(labourer.words())


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
