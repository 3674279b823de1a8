"""Whether a holder of a job was killed: every state that Airflow can have, with every mark."""

from __future__ import annotations

import pytest

from sosw_airflow.triggers.attempt import Mark, Verdict, judge

MINE = Mark(1, "mine")
SAME_GENERATION = Mark(1, "another")
NEXT_GENERATION = Mark(2, "another")

FINAL = ("success", "failed", "skipped", "upstream_failed", "removed")
CLEARED = (None, "restarting")
UNDER_WAY = ("scheduled", "queued", "running", "up_for_retry", "up_for_reschedule")

KILLED, REPLACED, UNDECIDED = Verdict.KILLED, Verdict.REPLACED, Verdict.UNDECIDED

#: States, the mark that Airflow has, the verdict.
TABLE = [
    # It holds the job still.
    (FINAL, MINE, KILLED),
    (CLEARED, MINE, KILLED),
    (("deferred",), MINE, REPLACED),
    (UNDER_WAY, MINE, UNDECIDED),
    # Another attempt has begun and has not said yet which.
    (FINAL, None, REPLACED),
    (CLEARED, None, UNDECIDED),
    (("deferred",), None, UNDECIDED),
    (UNDER_WAY, None, UNDECIDED),
    # A retry, a deferral that was resumed: the job is theirs, whatever became of them.
    ((*FINAL, *CLEARED, "deferred", *UNDER_WAY), SAME_GENERATION, REPLACED),
    # A clear.
    ((*FINAL, *CLEARED, "deferred", *UNDER_WAY), NEXT_GENERATION, KILLED),
]
CASES = [(state, found, verdict) for states, found, verdict in TABLE for state in states]


@pytest.mark.parametrize(("state", "found", "verdict"), CASES)
def test_the_verdict(state: str | None, found: Mark | None, verdict: Verdict) -> None:
    """Killed only by a state that a person or a time-out has set for this very holder."""
    assert verdict is judge(exists=True, state=state, found=found, mine=MINE, clear_kills=True)


@pytest.mark.parametrize(("state", "found", "verdict"), CASES)
def test_the_verdict_if_a_clear_continues_the_job(state: str | None, found: Mark | None, verdict: Verdict) -> None:
    """As with `on_clear="resume"`: then no clear kills it; everything else is as above."""
    cleared = found == NEXT_GENERATION or (found == MINE and state in CLEARED)
    expected = REPLACED if cleared else verdict
    assert expected is judge(exists=True, state=state, found=found, mine=MINE, clear_kills=False)


@pytest.mark.parametrize(
    ("states", "verdict"), [(FINAL, KILLED), (CLEARED, KILLED), (("deferred", *UNDER_WAY), REPLACED)]
)
def test_the_verdict_about_a_deferral_of_an_older_version(states: tuple[str | None, ...], verdict: Verdict) -> None:
    """It has no mark, so the state alone decides."""
    verdicts = {judge(exists=True, state=each, found=None, mine=None, clear_kills=True) for each in states}
    assert {verdict} == verdicts


@pytest.mark.parametrize("mine", [MINE, None])
def test_the_verdict_about_a_run_that_was_deleted(mine: Mark | None) -> None:
    """Its job is abandoned."""
    assert KILLED is judge(exists=False, state=None, found=None, mine=mine, clear_kills=False)


@pytest.mark.parametrize("value", [None, "text", 7, [], {}, {"generation": "1", "holder": "a"}, {"generation": 1}])
def test_what_is_no_mark(value: object) -> None:
    """Such as the value of another version, or none."""
    assert Mark.of(value) is None


def test_a_mark_survives_its_way_through_airflow() -> None:
    """As a value of an XCom and as an argument of a trigger."""
    mark = Mark.new(3)
    assert mark == Mark.of(mark.as_dict())


def test_every_holder_has_a_mark_of_its_own() -> None:
    """Also within one generation."""
    assert Mark.new(1) != Mark.new(1)
