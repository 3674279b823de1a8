"""A labourer's settings for its orchestration: upstream's documents, mistakes, health, pace, expiry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.orchestration.expiry import FunctionFacts, expiry_seconds
from sosw_airflow.orchestration.health import BEST, health_of, limit_for
from sosw_airflow.orchestration.pace import FaultPause, InvocationPace, TaskDurations
from sosw_airflow.orchestration.policy import Invocation, LabourerPolicy

#: As upstream's documentation shows it, which upstream itself refuses (E3).
METRICS = {
    "SomeDBCPU": {
        "details": {"Name": "CPUUtilization", "Namespace": "AWS/RDS", "Dimensions": [{"Name": "DB", "Value": "x"}]},
        "feelings": {"4": 20, "3": 40, "2": 60},
        "feeling_comparison_operator": "<=",
    }
}


DETAILS = {"Name": "CPUUtilization", "Namespace": "AWS/RDS"}


def test_a_labourer_without_settings() -> None:
    """It is invoked by its id, 10 at once."""
    policy = LabourerPolicy.of("worker", {})
    assert ("worker", 10, True, 3, None, Invocation.EVENT) == (
        policy.function,
        policy.limit,
        policy.limit_is_default,
        policy.max_attempts,
        policy.expiry,
        policy.invocation,
    )


def test_duration_and_cooldown_are_honoured() -> None:
    """Upstream stops for every labourer if one has them (E1)."""
    assert 400 == LabourerPolicy.of("worker", {"duration": 300, "cooldown": 100}).expiry


def test_a_limit_of_0_pauses() -> None:
    """It is no mistake."""
    assert 0 == LabourerPolicy.of("worker", {"max_simultaneous_invocations": 0}).limit


def test_faulty_settings_are_reported_together() -> None:
    """Each with the labourer, its name and its value."""
    settings = {
        "max_simultaneous_invocations": -1,
        "max_attempts": "many",
        "duration": float("nan"),
        "invocation": "later",
        "scavenger": "mine",
        "max_invocations_per_minute": True,
        "retry_delay": {"seconds": "soon"},
        "health_metrics": {"cpu": {"details": {}}},
    }
    with pytest.raises(InvalidConfiguration) as refused:
        LabourerPolicy.of("worker", settings)
    assert {name.split(".")[0] for name in settings} <= {
        fault.path.removeprefix("labourer worker.").split(".")[0] for fault in refused.value.faults
    } | {"retry_delay"}
    assert len(settings) == len(refused.value.faults)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_attempts": "\u00b2"},
        {"memory": "512 MB"},
        {"task_seconds": -1},
        {"max_simultaneous_invocations": "9" * 5000},
        {"max_invocations_per_minute": "\ud800"},
        {"invocation": ["event"] * 50_000},
        *(
            {"health_metrics": {"cpu": {**METRICS["SomeDBCPU"], name: value}}}
            for name, value in [
                ("feelings", {"4": "nan"}),
                ("feelings", {"4": 10**400}),
                ("feeling_comparison_operator", ["<"]),
                ("details", {"Name": "a", "Namespace": 5}),
                ("details", {**DETAILS, "Statistics": 5}),
                ("details", {**DETAILS, "Dimensions": 5}),
                ("details", {**DETAILS, "Dimensions": [{"Name": "DBInstanceIdentifier"}]}),
            ]
        ),
    ],
)
def test_settings_that_python_cannot_read(settings: dict[str, object]) -> None:
    """Are refused in a short message that a log can hold."""
    with pytest.raises(InvalidConfiguration) as refused:
        LabourerPolicy.of("worker", settings)
    assert len(str(refused.value).encode()) < 1000


def test_the_longest_wait_between_attempts_is_a_year() -> None:
    """Whatever the factor makes of it."""
    policy = LabourerPolicy.of("worker", {"retry_delay": {"seconds": 30, "factor": 31_536_000}, "max_attempts": 10**6})
    assert [policy.retry_after(attempts) for attempts in (1, 2, 3, 10**6)] == [30, 31_536_000, 31_536_000, 31_536_000]


@pytest.mark.parametrize(("value", "health"), [(10, 4), (20, 4), (30, 3), (60, 2), (61, 0), (None, BEST)])
def test_health(value: float | None, health: int) -> None:
    """The first feeling whose comparison holds; no data says nothing against the labourer (E3)."""
    (metric,) = LabourerPolicy.of("worker", {"health_metrics": METRICS}).health_metrics
    assert "CPUUtilization" == metric.arguments["MetricName"]
    assert health == health_of([metric], {metric.name: value})


def test_a_share_of_the_limit_is_exact() -> None:
    """As it is written: 0.29 of 100 are 29, and binary numbers make it 28."""
    wrong = {
        (limit, percent): found
        for limit in range(1, 201)
        for percent in range(1, 101)
        if (found := limit_for(limit, 2, {2: percent / 100})) != max(1, limit * percent // 100)
    }
    assert wrong == {}


@given(st.integers(1, 1000), st.sampled_from([2, 3, 4]))
def test_a_labourer_that_is_not_ill_is_invoked(limit: int, health: int) -> None:
    """Upstream's share of a limit of 1 is 0 (E17)."""
    policy = LabourerPolicy.of("worker", {})
    assert 1 <= limit_for(limit, health, policy.coefficients) <= limit


def test_the_pace_halves_when_lambda_refuses_and_grows_again() -> None:
    """At least one invocation stays allowed."""
    pace = InvocationPace()
    for _ in range(20):
        pace.after_turn(refused=1, completed=0, failed=0)
    assert 1 == pace.allowed(10)
    for _ in range(20):
        pace.after_turn(refused=0, completed=1, failed=0)
    assert 10 == pace.allowed(10)


def test_a_run_of_failures_counts_as_a_refusal() -> None:
    """A downstream service that is away is not hammered."""
    pace = InvocationPace()
    pace.after_turn(refused=0, completed=0, failed=10)
    assert 5 == pace.allowed(10)


def test_a_fault_pauses_twice_as_long_each_time() -> None:
    """5 minutes at most; a turn without a fault begins at 5 s again."""
    pause = FaultPause()
    assert [5, 10, 20, 40, 80, 160, 300, 300] == [pause.begin("no function", 0.0, passes=False) for _ in range(8)]
    assert (True, False) == (pause.holds(299.0), pause.holds(300.0))
    pause.end()
    assert (False, 5) == (pause.holds(0.0), pause.begin("no function", 0.0, passes=False))


def test_a_fault_lasts_after_three_turns() -> None:
    """Not if it may pass by itself, such as a table that is throttled."""
    pause = FaultPause()
    lasting = []
    for passes in (False, False, True, False, False, False):
        pause.begin("", 0.0, passes=passes)
        lasting.append(pause.lasting)
    assert [False] * 5 + [True] == lasting


def test_invocations_a_minute() -> None:
    """The window slides."""
    pace = InvocationPace()
    for second in range(5):
        pace.invoked(1000.0 + second)
    assert (0, 2, None) == (
        pace.free_this_minute(5, 1030.0),
        pace.free_this_minute(5, 1061.0),
        pace.free_this_minute(None, 1030.0),
    )


def test_the_expiry_is_longer_than_lambda_can_keep_a_task_alive() -> None:
    """With Lambda's defaults that is 6 hours and more: upstream's 20 minutes run tasks twice (E19)."""
    facts = FunctionFacts(timeout=900)
    assert 21_600 + 3 * 900 + 180 + 60 == expiry_seconds(facts, asynchronous=True)
    assert 60 + 900 + 60 == expiry_seconds(FunctionFacts(900, event_age=60, retries=0), asynchronous=True)


def test_the_next_turn_comes_when_a_task_will_most_likely_be_over() -> None:
    """Tasks of 5 s that were invoked together need one turn each 5 s; without experience a turn comes soon."""
    durations = TaskDurations()
    assert 1 == durations.next_end([0.0], least=1, most=60)
    durations.add(5.0)
    assert (5, 3, 1, 1, 2) == (
        durations.next_end([0.0, 0.0], least=1, most=60),
        durations.next_end([0.0, 2.0], least=1, most=60),
        durations.next_end([4.9], least=1, most=60),
        durations.next_end([7.0], least=1, most=60),
        durations.next_end([0.0], least=1, most=2),
    )
