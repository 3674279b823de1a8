"""Both edges of the deterministic AWS answer alike: the same schedules have the same traces, states and outcomes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sosw_airflow.stores.tables import TableNames, table_definitions
from tests.support.deterministic_aws.aws import DeterministicAws
from tests.support.deterministic_aws.clients import Edge, answered_by, clients
from tests.support.explorer import scenarios
from tests.support.explorer.engine import Run
from tests.support.explorer.scenario import SCENARIOS, Scenario
from tests.support.explorer.search import Found, Search, explore

#: Of each scenario, on both edges.
SCHEDULES = 12

assert scenarios.__all__  # their import has filled SCENARIOS


def outcomes(name: str, edge: Edge) -> tuple[list[Any], set[int]]:
    """What each of the first schedules came to, and the states."""
    made: list[Scenario] = []
    seen: list[Any] = []

    def begin() -> Scenario:
        made.append(SCENARIOS[name].begin())
        return made[-1]

    class Recorded(Found):
        def take(self, run: Run, seconds: float) -> None:
            super().take(run, seconds)
            ends = [(each.name, repr(each.error), repr(each.value)) for each in made[-1].attempts]
            points = [(point.name, point.options, point.state) for point in run.points]
            seen.append((str(run.schedule), points, run.events, [str(each) for each in run.violations], ends))

    search = Search(deviations=SCENARIOS[name].deviations, schedules=SCHEDULES, edge=edge)
    return seen, explore(begin, search, into=Recorded()).states


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_schedule_is_the_same_at_both_edges(name: str) -> None:
    """Requests, answers, errors with their texts, digests of the states, what the attempts end with."""
    at_wire, at_method = (outcomes(name, edge) for edge in (Edge.WIRE, Edge.DIRECT))

    for wire, direct in zip(at_wire[0], at_method[0], strict=True):
        assert direct == wire
    assert at_wire[1] == at_method[1]


def test_nothing_is_shared_with_the_caller() -> None:
    """What a caller changes in an item that it has sent or got changes nothing in the table."""
    aws = DeterministicAws()
    for definition in table_definitions(TableNames()):
        aws.dynamodb.call("CreateTable", definition.create_arguments())
    item = {"task_id": {"S": "one"}}
    with answered_by(lambda request: aws.answer(aws.call(request)), Edge.DIRECT):
        clients().dynamodb.put_item(TableName="sosw_tasks", Item=item)
        item["task_id"]["S"] = "two"
        got = clients().dynamodb.get_item(TableName="sosw_tasks", Key={"task_id": {"S": "one"}})
        got["Item"]["task_id"]["S"] = "three"

    assert aws.rows("sosw_tasks") == [{"task_id": {"S": "one"}}]


def test_an_error_has_the_class_of_its_code() -> None:
    """A client's `exceptions` catch it."""
    aws = DeterministicAws()
    dynamodb = clients().dynamodb
    with (
        answered_by(lambda request: aws.answer(aws.call(request)), Edge.DIRECT),
        pytest.raises(dynamodb.exceptions.ResourceNotFoundException) as raised,
    ):
        dynamodb.get_item(TableName="missing", Key={"task_id": {"S": "one"}})
    assert isinstance(raised.value, ClientError)
