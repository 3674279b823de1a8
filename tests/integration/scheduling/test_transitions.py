"""Each change of a job's state, by the process that makes it: one test for each row of the table of transitions."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from sosw_airflow import exceptions as errors
from sosw_airflow.jobs.transitions import (
    HELD,
    INVOKE,
    NEXT_NUMBER,
    SAME_NUMBER,
    TRANSITIONS,
    JobState,
    Transition,
)
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.deliver import deliver
from sosw_airflow.stores.job_record import Change, Header, JobRecords
from tests.integration.conftest import Installation, request_for
from tests.integration.scheduling.test_deliver import COPY, JOB_ID, PLAN, REFUSALS, SECOND_COPY, failing
from tests.integration.scheduling.test_scheduler import PAYLOADS
from tests.support.network_edge import Crash, answering

pytestmark = pytest.mark.usefixtures("pages_of_two")

#: A change that was made or refused: its name, the state before it, and the state after it.
Made = tuple[str, str, str | None]


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Made]:
    """All changes that are asked for, in order. None: it was refused."""
    changes: list[Made] = []
    change = JobRecords.change

    def noted(records: JobRecords, transition: Transition, job_id: str, **attempt: int) -> Change:
        outcome = change(records, transition, job_id, **attempt)
        before = outcome.before.state.value if outcome.before else "-"
        changes.append((transition.name, before, outcome.after.state.value if outcome.after else None))
        return outcome

    monkeypatch.setattr(JobRecords, "change", noted)
    return changes


class _Function:
    """sosw's Scheduler: takes invocations, or fails with the error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.invoked = error, 0

    def invoke(self, **_: Any) -> None:
        """Take one."""
        if self.error:
            raise self.error
        self.invoked += 1


def header(installation: Installation) -> Header:
    """The job's header now."""
    found = installation.scheduler().records.header(JOB_ID)
    assert found is not None
    return found


def die_before(installation: Installation, operation: str, call: Any) -> None:
    """Make a call that dies before its first request for this operation."""

    def die(name: str) -> None:
        if name == operation:
            raise Crash

    with pytest.raises(Crash), answering(*installation.clients, handler=die):
        call()


def delivered(installation: Installation, function: _Function | None = None) -> Header:
    """Deliver the job."""
    name = "scheduler" if function else None
    return deliver(installation.scheduler(), request_for(), function=name, aws_lambda=function).header


def test_write(installation: Installation, made: list[Made]) -> None:
    """It precedes the first page of a job that was planned to be delivered, which it is not from then on."""
    installation.scheduler().plan(request_for())
    die_before(installation, "TransactWriteItems", lambda: installation.scheduler().schedule(request_for()))

    with pytest.raises(errors.JobRecordDamaged, match="is written as rows"):
        delivered(installation)

    assert (made, installation.queue()) == ([("write", "planned", "writing")], [])


def test_finish(installation: Installation, made: list[Made]) -> None:
    """It follows the last page: every task is in the queue, and the plan is removed."""
    installation.scheduler().schedule(request_for())

    assert made == [("finish", "writing", "written")]
    assert (installation.payloads(), installation.aws.queue_files()) == (PAYLOADS, {})


def test_deliver(installation: Installation, made: list[Made]) -> None:
    """It precedes the copy, takes the number 1, and from then on no row is written."""
    die_before(installation, "CopyObject", lambda: delivered(installation))

    with pytest.raises(errors.JobDelivered):
        installation.scheduler().schedule(request_for())

    assert (made, header(installation).attempt) == ([("deliver", "planned", "delivering")], 1)
    assert (installation.queue(), list(installation.aws.queue_files())) == ([], [PLAN])


def test_take_over(installation: Installation, made: list[Made]) -> None:
    """The next attempt copies under a name of its own, and the former one can invoke the function no more."""
    die_before(installation, "CopyObject", lambda: delivered(installation))
    function, late = _Function(), installation.scheduler().records

    delivered(installation, function)
    change = late.change(INVOKE, JOB_ID, attempt=1)

    assert made[1] == ("take over", "delivering", "delivering")
    assert (change.after, header(installation).attempt, function.invoked) == (None, 2, 1)
    assert list(installation.aws.queue_files()) == [SECOND_COPY]


def test_hand_back(installation: Installation, made: list[Made]) -> None:
    """S3 has refused the copy, so it does not exist, and the job is only planned again."""
    with failing(installation, *REFUSALS["copy 403"]), pytest.raises(errors.AccessDenied):
        delivered(installation)

    assert made == [("deliver", "planned", "delivering"), ("hand back", "delivering", "planned")]
    assert list(installation.aws.queue_files()) == [PLAN]


def test_invoke(installation: Installation, made: list[Made]) -> None:
    """It precedes the invocation; if the answer is lost, the function is not invoked again."""
    function = _Function(ReadTimeoutError(endpoint_url="https://lambda"))
    with pytest.raises(errors.AwsFault):
        delivered(installation, function)
    function.error = None

    with pytest.raises(errors.InvocationUncertain):
        delivered(installation, function)

    assert made == [("deliver", "planned", "delivering"), ("invoke", "delivering", "invoking")]
    assert (function.invoked, header(installation).state) == (0, JobState.INVOKING)


def test_not_invoked(installation: Installation, made: list[Made]) -> None:
    """Lambda has refused the invocation: the file waits, and the next attempt invokes the function with it."""
    refusal = {"Error": {"Code": "TooManyRequestsException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}
    function = _Function(ClientError(refusal, "Invoke"))  # type: ignore[arg-type]
    with pytest.raises(errors.AwsFault):
        delivered(installation, function)
    assert (made[-1], sorted(installation.aws.queue_files())) == (
        ("not invoked", "invoking", "delivering"),
        [PLAN, COPY],
    )
    function.error = None

    delivered(installation, function)

    assert (function.invoked, header(installation).attempt) == (1, 1)


def test_hand_over(installation: Installation, made: list[Made]) -> None:
    """It follows the copy, or the invocation. sosw's Scheduler has the file, and the plan is removed."""
    delivered(installation)
    delivered(installation)

    assert made == [("deliver", "planned", "delivering"), ("hand over", "delivering", "delivered")]
    assert list(installation.aws.queue_files()) == [COPY]


@pytest.mark.parametrize("state", JobState)
def test_cancel(installation: Installation, made: list[Made], state: JobState) -> None:
    """From any state. The record keeps the state before, and no other change is made."""
    scheduler = installation.scheduler()
    scheduler.plan(request_for())
    in_state(installation, state)

    cancel_job(installation.deployment, JOB_ID)

    assert made == [("cancel", state.value, "cancelled"), ("end cancel", "cancelled", "cancelled")]
    assert header(installation).cancelled_from == state.value
    others = [each for each in TRANSITIONS if each.target is not JobState.CANCELLED]
    assert [scheduler.records.change(each, JOB_ID).after for each in others] == [None] * len(others)


def test_end_cancel(installation: Installation, made: list[Made]) -> None:
    """The last request of a cancelling makes it, so that an interrupted one can be told by its record."""
    installation.scheduler().schedule(request_for())
    die_before(installation, "DeleteItem", lambda: cancel_job(installation.deployment, JOB_ID))
    interrupted = header(installation).cancel_ended

    cancel_job(installation.deployment, JOB_ID)

    assert (interrupted, header(installation).cancel_ended) == (0, int(installation.deployment.now()))
    assert made[-3:] == [
        ("cancel", "written", "cancelled"),
        ("cancel", "cancelled", "cancelled"),
        ("end cancel", "cancelled", "cancelled"),
    ]


def test_each_transition_has_a_test() -> None:
    """Named after it."""
    missing = [each.name for each in TRANSITIONS if f"test_{each.name.replace(' ', '_')}" not in globals()]

    assert missing == []


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda each: each.name)
def test_a_transition_is_made_from_its_sources_only(
    installation: Installation, transition: Transition, state: JobState
) -> None:
    """With the number that it asks for, by the holder if it asks for that one. One that it has made is not refused."""
    allowed = state in transition.sources
    expected = {
        ("other number", "other holder"): allowed and not transition.fenced,
        ("other number", "holder"): allowed and not transition.fenced,
        ("number", "other holder"): allowed and transition.fenced != HELD,
        ("number", "holder"): allowed or (state is transition.target and transition.fenced in (SAME_NUMBER, HELD)),
    }
    installation.scheduler().plan(request_for())

    made = {}
    for number, holder in expected:
        records = installation.scheduler().records
        in_state(installation, state, attempt=3, holder=records.holder if holder == "holder" else "another")
        change = records.change(transition, JOB_ID, attempt=3 if number == "number" else 1)
        made[number, holder] = change.after is not None
        assert change.before is not None
        assert change.before.state is state

    assert made == expected
    assert header(installation).attempt == (4 if allowed and transition.fenced == NEXT_NUMBER else 3)


@pytest.mark.parametrize("transition", [each for each in TRANSITIONS if each.fenced], ids=lambda each: each.name)
def test_a_change_is_recognised_by_the_one_who_made_it(installation: Installation, transition: Transition) -> None:
    """If its answer is lost, the client repeats the request. The same change by another process is refused."""
    ours, other = installation.scheduler().records, installation.scheduler().records
    installation.scheduler().plan(request_for())
    in_state(installation, transition.sources[0], attempt=3, holder=ours.holder)

    first = ours.change(transition, JOB_ID, attempt=3).after
    second = ours.change(transition, JOB_ID, attempt=3).after

    assert first is not None
    assert second == first
    if transition.target not in transition.sources or transition.fenced == NEXT_NUMBER:
        assert other.change(transition, JOB_ID, attempt=3).after is None


def in_state(installation: Installation, state: JobState, *, attempt: int | None = None, holder: str = "") -> None:
    """Put the job's header into a state."""
    values: dict[str, Any] = {":state": {"S": state.value}, ":holder": {"S": holder}}
    if attempt is not None:
        values[":attempt"] = {"N": str(attempt)}
    installation.aws.dynamodb.update_item(
        TableName=installation.aws.names.jobs_table,
        Key={"job_id": {"S": JOB_ID}, "record": {"S": "header"}},
        UpdateExpression="SET #state = :state, holder = :holder" + (", attempt = :attempt" if attempt else ""),
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues=values,
    )
