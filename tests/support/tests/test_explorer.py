"""The explorer itself: that it tries every order, replays, dies properly, and leaves nothing out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sosw_airflow.stores.tables import TableNames, table_definitions
from tests.support.deterministic_aws.aws import DeterministicAws
from tests.support.deterministic_aws.clients import clients
from tests.support.explorer.actors import Actor
from tests.support.explorer.engine import Ending, Violation
from tests.support.explorer.schedule import Deviation, Schedule
from tests.support.explorer.search import Search, explore, minimise, replay, wander
from tests.support.explorer.trace import describe

KEY = {"job_id": {"S": "counter"}, "record": {"S": "header"}}
COUNTER = {"TableName": "sosw_jobs", "Key": KEY}
ONE = {":one": {"N": "1"}}


def read() -> int:
    """The counter."""
    return int(clients().dynamodb.get_item(**COUNTER, ConsistentRead=True).get("Item", {}).get("n", {"N": "0"})["N"])


def write(number: int, **condition: Any) -> None:
    """Set the counter."""
    clients().dynamodb.put_item(TableName="sosw_jobs", Item={**KEY, "n": {"N": str(number)}}, **condition)


def add_carelessly() -> None:
    """Read, then write: an update is lost where two do so at once."""
    write(read() + 1)


def add_atomically() -> None:
    """One request; a client that repeats it may count twice."""
    clients().dynamodb_once.update_item(**COUNTER, UpdateExpression="ADD n :one", ExpressionAttributeValues=ONE)


def add_if_unchanged() -> None:
    """Write on the condition that the number is as it was read."""
    while True:
        number = read()
        condition = "n = :seen" if number else "attribute_not_exists(n)"
        values = {"ExpressionAttributeValues": {":seen": {"N": str(number)}}} if number else {}
        try:
            write(number + 1, ConditionExpression=condition, **values)
        except ClientError:
            continue
        return


class Counting:
    """Actors that count; in the end the counter must be as large as there are actors."""

    name = "counting"

    def __init__(self, *acts: Callable[[], object], fates: frozenset[str] = frozenset()) -> None:
        self.aws, self.fates = DeterministicAws(), fates
        for definition in table_definitions(TableNames()):
            self.aws.dynamodb.call("CreateTable", definition.create_arguments())
        self._acts = acts
        self.cast: list[Actor] = []

    def surroundings(self) -> AbstractContextManager[None]:
        """Nothing special."""
        return nullcontext()

    def actors(self) -> list[Actor]:
        """One for each act."""
        self.cast = [Actor(label, "adds", act) for label, act in zip("ABC", self._acts, strict=False)]
        return self.cast

    def endings(self) -> Iterator[tuple[str, Ending]]:
        """Its own."""
        yield "afterwards", self

    def afterwards(self) -> None:
        """Read the counter."""
        self.counted = read()

    def violations(self) -> Iterator[Violation]:
        """A wrong counter."""
        if self.counted != len(self._acts):
            yield Violation("miscounted", f"{self.counted} instead of {len(self._acts)}")


def test_a_lost_update_is_found_with_one_deviation() -> None:
    """What two actors break at one place is found, and its line names that place alone."""
    found = explore(lambda: Counting(add_carelessly, add_carelessly), Search(deviations=1))

    assert found.complete
    assert str(found.failures["miscounted"].schedule) == "counting A2>B"


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """All orders with three deviations of three right actors end well."""
    found = explore(lambda: Counting(*[add_if_unchanged] * 3), Search(deviations=3))

    assert found.complete
    assert found.failures == {}
    assert found.schedules > 50


@pytest.mark.parametrize("deviations", [1, 2, 3])
def test_known_states_are_left_out_and_nothing_else(deviations: int) -> None:
    """Every end that some schedule has is reached by the search, which leaves out what it knows."""

    def act() -> None:
        number = read()
        write(10 * number + 1)
        write(10 * read() + 2)

    def ends(known_states: bool) -> tuple[set[int], int]:
        reached: set[int] = set()

        class Observed(Counting):
            def violations(self) -> Iterator[Violation]:
                reached.add(self.counted)
                return iter(())

        stage = lambda: Observed(act, act, fates=frozenset({"dies", "refused"}))  # noqa: E731
        search = Search(deviations=deviations, leave_out_known=known_states)
        return reached, explore(stage, search).requests

    (few, less), (many, more) = ends(known_states=True), ends(known_states=False)
    assert few == many
    assert less < more if deviations > 1 else less == more


def test_two_searches_are_the_same() -> None:
    """Nothing depends on time, on the order of threads, or on random ids."""
    first, second = (explore(lambda: Counting(*[add_carelessly] * 3), Search(deviations=2)) for _ in range(2))

    assert (first.schedules, first.states, first.found_at.keys()) == (
        second.schedules,
        second.states,
        second.found_at.keys(),
    )


def test_a_line_is_replayed() -> None:
    """The text of a schedule gives the same run again."""
    line = "counting ^>B B2>A"
    run, again = (replay(lambda: Counting(add_carelessly, add_carelessly), Schedule.of(line)) for _ in range(2))

    assert str(run.schedule) == line
    assert describe(run) == describe(again)
    assert [f"{event.actor}{event.number}" for event in run.events] == ["B1", "A1", "A2", "B2", "afterwards0"]


@pytest.mark.parametrize("text", ["A7", "7>B", "A7>", "A7!lost!", "AA7>B"])
def test_what_is_no_schedule(text: str) -> None:
    """A typing error in a line is named."""
    with pytest.raises(ValueError, match="is no deviation"):
        Schedule.of(f"counting {text}")


def test_a_failing_schedule_is_minimised() -> None:
    """Deviations that do not matter are left out of the line."""
    stage = lambda: Counting(*[add_carelessly] * 3)  # noqa: E731
    deviations = tuple(map(Deviation.of, ["^>B", "B$>C", "C2>A", "A1>C"]))
    run = replay(stage, Schedule("counting", deviations))
    assert run.violations == []
    run = replay(stage, Schedule("counting", (*deviations[:3], Deviation("A2", ">C"))))
    assert len(run.violations) == 1

    small = minimise(stage, run, "miscounted")

    assert len(small.schedule.deviations) == 1
    assert len(small.violations) == 1


def test_a_random_search_finds_it_again_by_its_seed() -> None:
    """A seed gives the same schedules each time."""
    search = Search(deviations=3, schedules=200, goal=lambda found: bool(found.failures))
    first, second = (wander(lambda: Counting(*[add_carelessly] * 3), search, seed=7) for _ in range(2))

    assert str(first.failures["miscounted"].schedule) == str(second.failures["miscounted"].schedule)


def test_an_answer_is_lost() -> None:
    """The request is done, and the client hears nothing."""
    stage = Counting(add_atomically, fates=frozenset({"lost"}))
    run = replay(lambda: stage, Schedule.of("counting A1!lost"))

    assert stage.counted == 1
    assert "ConnectionClosedError" in type(stage.cast[0].error).__name__
    assert run.events[0].outcome == "done, the answer is lost"


def test_the_repeats_of_a_refused_request_are_refused() -> None:
    """The client repeats by itself; that is one decision, not many."""
    stage = Counting(add_carelessly, fates=frozenset({"refused"}))
    run = replay(lambda: stage, Schedule.of("counting A2!refused"))

    assert stage.counted == 0
    assert isinstance(stage.cast[0].error, ClientError)
    assert stage.cast[0].error.response["Error"]["Code"] == "ProvisionedThroughputExceededException"
    assert run.steps == 2


def test_the_dead_send_nothing() -> None:
    """What a dying actor sends reaches no service."""

    def act() -> None:
        try:
            write(5)
            write(6)
        finally:
            write(7)

    stage = Counting(act, fates=frozenset({"dies"}))
    run = replay(lambda: stage, Schedule.of("counting A1!dies"))

    assert stage.counted == 5
    assert run.steps == 1


def test_sleeping_takes_no_time() -> None:
    """A poller that waits for hours is run in a moment, and others proceed while it sleeps."""
    woken: list[float] = []

    def poll() -> None:
        for _ in range(50):
            time.sleep(300)
            woken.append(time.monotonic())
            read()

    begun = time.perf_counter()
    stage = Counting(poll, add_atomically)
    run = replay(lambda: stage, Schedule("counting"))

    assert time.perf_counter() - begun < 5
    assert [event.actor for event in run.events[:2]] == ["B", "A"]
    assert woken[-1] - woken[0] == 49 * 300


def test_an_actor_sleeps_an_hour_before_its_request() -> None:
    """Others proceed meanwhile; then it wakes, and its request is sent."""
    stage = Counting(add_carelessly, add_atomically, fates=frozenset({"sleeps"}))
    begun = stage.aws.clock
    run = replay(lambda: stage, Schedule.of("counting A2!sleeps"))

    assert [event.what.split()[0] for event in run.events[:4]] == ["GetItem", "sleeps", "UpdateItem", "PutItem"]
    assert stage.aws.clock - begun == 3600


def test_what_lags() -> None:
    """A read that does not ask for consistency may show the beginning of the run."""
    seen: list[Any] = []

    def act() -> None:
        write(5)
        seen.extend(clients().dynamodb.get_item(**COUNTER).get("Item", {}) for _ in range(2))

    replay(lambda: Counting(act, fates=frozenset({"lags"})), Schedule.of("counting A2!lags"))

    assert [bool(item) for item in seen] == [False, True]


def test_pools_work_in_the_thread_of_their_actor() -> None:
    """What an actor gives to a thread pool stops before its requests as the actor does."""

    def act() -> None:
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(lambda _: read(), range(3))) == 0

    stage = Counting(act)
    run = replay(lambda: stage, Schedule("counting"))

    assert stage.cast[0].error is None
    assert [f"{event.actor}{event.number}" for event in run.events[:3]] == ["A1", "A2", "A3"]


def test_a_trace_can_be_read() -> None:
    """Who did what, and what was broken."""
    stage = Counting(add_carelessly, add_carelessly)
    text = describe(replay(lambda: stage, Schedule.of("counting A2>B")), stage.cast)

    assert text.splitlines() == [
        "replay: counting A2>B",
        "actors: A (adds), B (adds)",
        "A:",
        "      A1 GetItem sosw_jobs header",
        "B:",
        "      B1 GetItem sosw_jobs header",
        "      B2 PutItem sosw_jobs header",
        "A:",
        "      A2 PutItem sosw_jobs header",
        "afterwards:",
        "         GetItem sosw_jobs header",
        "A returned None",
        "B returned None",
        "BROKEN miscounted: 1 instead of 2",
    ]
