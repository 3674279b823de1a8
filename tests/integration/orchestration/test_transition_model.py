"""Any order of transitions, reports and sosw's acts, on rows read at any time: the code does what a simple model says.

In memory by hypothesis, with the invariants of the promise after each act; the same sequences again on ministack.
"""

from __future__ import annotations

import itertools
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sosw_airflow.stores.tables import TableNames, create_missing_tables, table_definitions
from tests.integration.orchestration.transition_model import OPERATIONS, Actors, Model, apply, snapshot
from tests.support.deterministic_aws.aws import DeterministicAws
from tests.support.deterministic_aws.clients import Edge, answered_by, clients

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator

NUMBERS = st.integers(0, 3)
_spaces = itertools.count(1)


class InMemory:
    """A DynamoDB in this process, with the tables."""

    def __init__(self) -> None:
        self.aws = DeterministicAws()
        for definition in table_definitions(TableNames()):
            self.aws.dynamodb.call("CreateTable", definition.create_arguments())

    def answering(self) -> Any:
        """Inside, the clients' requests are answered."""
        return answered_by(lambda request: self.aws.answer(self.aws.call(request)), Edge.DIRECT)


def assert_invariants(actors: Actors, model: Model) -> None:
    """The rows are the model's; and each task is in one place, its end the one that its worker has reported."""
    tables = snapshot(actors)
    tasks, retries, closed = (
        {task_id: json.loads(text) for task_id, text in tables[name].items()}
        for name in ("sosw_tasks", "sosw_retry_tasks", "sosw_closed_tasks")
    )
    ghosts = {task_id for task_id, row in tasks.items() if "labourer_id" not in row}
    prefix = actors.prefix
    assert {prefix + each for each in ghosts} == model.ghosts
    assert {prefix + each for each in closed} == set(model.closed)
    assert {prefix + each for each in retries} == set(model.retries)
    assert {prefix + each for each in tasks} - model.ghosts == set(model.rows)
    places = [set(tasks) - ghosts, set(retries), set(closed), {each.removeprefix(prefix) for each in model.cancelled}]
    assert sum(map(len, places)) == len(actors.tasks) == len(set.union(*places))  # each task in exactly one
    for task_id, row in model.rows.items():
        found = tasks[task_id.removeprefix(prefix)]
        assert row["greenfield"] == int(found["greenfield"]["N"])
        assert row["attempts"] == int(found["attempts"]["N"])
        assert row["completed"] == ("completed_at" in found)
    for task_id, end in model.closed.items():
        assert closed[task_id.removeprefix(prefix)]["labourer_id_task_status"]["S"].endswith(f"_{end}")


class Transitions(RuleBasedStateMachine):
    """Rules are the operations; hypothesis chooses their order, and shortens what fails."""

    @initialize()
    def begin(self) -> None:
        """A task that was read."""
        memory = InMemory()
        self.stack = ExitStack()
        self.stack.enter_context(memory.answering())
        self.actors, self.model = Actors(clients(1).dynamodb_once), Model()
        for name in ("add", "read"):
            apply(self.actors, self.model, name, ())

    @rule(name=st.sampled_from(sorted(name for name, count in OPERATIONS.items() if count == 0)))
    def act(self, name: str) -> None:
        """Add, read, let time pass."""
        apply(self.actors, self.model, name, ())

    @rule(name=st.sampled_from(sorted(name for name, count in OPERATIONS.items() if count == 1)), number=NUMBERS)
    def act_on(self, name: str, number: int) -> None:
        """A transition of a row that was read."""
        apply(self.actors, self.model, name, (number,))

    @rule()
    def read(self) -> None:
        """Often, since each transition is only possible from what was read."""
        apply(self.actors, self.model, "read", ())

    @rule(number=NUMBERS, owner=st.integers(0, 1))
    def claim(self, number: int, owner: int) -> None:
        """By one of two orchestrators."""
        apply(self.actors, self.model, "claim", (number, owner))

    @rule(number=NUMBERS, owner=st.integers(0, 1))
    def refused(self, number: int, owner: int) -> None:
        """A claim whose invocation Lambda refuses."""
        if apply(self.actors, self.model, "claim", (number, owner)):
            apply(self.actors, self.model, "give_back", (0,))

    @rule(number=NUMBERS, owner=st.integers(0, 1))
    def expires(self, number: int, owner: int) -> None:
        """A claim whose worker is silent for too long: the row waits for its retry."""
        if apply(self.actors, self.model, "claim", (number, owner)):
            for name, numbers in (("read", ()), ("retry", (0,)), ("read", ())):
                apply(self.actors, self.model, name, numbers)

    @rule(number=NUMBERS, ok=st.integers(0, 3))
    def report(self, number: int, ok: int) -> None:
        """Of any attempt, early or late, once or again."""
        apply(self.actors, self.model, "report", (number, ok, 1))

    @invariant()
    def holds(self) -> None:
        """After each act."""
        if hasattr(self, "model"):
            assert_invariants(self.actors, self.model)

    def teardown(self) -> None:
        """Forget this AWS."""
        if hasattr(self, "stack"):
            self.stack.close()


Transitions.TestCase.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
test_in_memory = Transitions.TestCase

_operation = st.one_of(
    *(
        st.tuples(st.just(name), st.tuples(*[NUMBERS] * count))
        for name, count in OPERATIONS.items()
        if name != "report"
    ),
    st.tuples(st.just("report"), st.tuples(NUMBERS, NUMBERS, st.just(1))),
    st.tuples(st.just("read"), st.just(())),
)
_ministack = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@pytest.fixture(scope="module")
def theirs(ministack_session: Emulator) -> Any:
    """A client of ministack, with the tables."""
    ministack_session.reset()
    client = ministack_session.client("dynamodb")
    create_missing_tables(client)
    return client


@pytest.mark.slow
@_ministack
@given(sequence=st.lists(_operation, min_size=15, max_size=40))
def test_the_same_on_ministack(theirs: Any, sequence: list[tuple[str, tuple[int, ...]]]) -> None:
    """Each act comes to the same, and the tables are the same at the end."""
    prefix = f"n{next(_spaces)}-"
    begin: list[tuple[str, tuple[int, ...]]] = [("add", ()), ("read", ())]
    there, memory = Actors(theirs, prefix), InMemory()
    model = Model()
    outcomes = [apply(there, model, name, numbers) for name, numbers in [*begin, *sequence]]
    assert_invariants(there, model)
    with memory.answering():
        here = Actors(clients(1).dynamodb_once, prefix)
        model = Model()
        assert outcomes == [apply(here, model, name, numbers) for name, numbers in [*begin, *sequence]]
        assert snapshot(here) == snapshot(there)
