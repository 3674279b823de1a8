"""The note of the last turn, which the item of a lease keeps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.orchestration.turn_note import HOUR, SPANS, ClosedCounts, TurnNote, note_turn
from sosw_airflow.orchestration.turn_report import TurnReport

NOON = 1_764_244_800


def turn(**counts: Any) -> TurnReport:
    """The report of a turn."""
    return TurnReport("worker", **counts)


def test_a_note_has_the_figures_of_the_last_turn() -> None:
    """And the reason of a pause."""
    note = TurnNote.of(note_turn("", turn(running=3, limit=8, paused="Lambda refuses"), now=NOON))
    assert note is not None
    assert (NOON, 3, 8, "Lambda refuses") == (note.at, note.running, note.limit, note.paused)


def test_what_turns_close_is_counted_by_the_minute() -> None:
    """By whichever orchestrator: the text goes from one to the next."""
    text = ""
    for seconds, completed, failed in ((0, 4, 1), (20, 2, 0), (61, 0, 3)):
        text = note_turn(text, turn(completed=completed, failed=failed), now=NOON + seconds)
    note = TurnNote.of(text)
    assert note is not None
    assert note.closed[0].series(NOON + 61)[-3:] == [(0, 0), (6, 1), (0, 3)]


def test_after_an_hour_a_minute_is_forgotten() -> None:
    """So that the item stays small."""
    text = note_turn("", turn(completed=5), now=NOON)
    later = TurnNote.of(note_turn(text, turn(completed=1), now=NOON + 3600))
    assert later is not None
    assert later.closed[0].counts == {(NOON + 3600) // 60: (1, 0)}


def test_a_day_and_a_week_are_kept_in_larger_steps() -> None:
    """By the hour, and by a quarter of a day."""
    text = ""
    for hours in range(0, 200, 2):
        text = note_turn(text, turn(completed=1, failed=2), now=NOON + 3600 * hours)
    note = TurnNote.of(text)
    assert note is not None
    sums = [tuple(map(sum, zip(*each.series(NOON + 3600 * 198), strict=True))) for each in note.closed]
    assert sums == [(1, 2), (12, 24), (82, 164)]


def test_a_week_of_a_busy_labourer_fits_into_two_write_units() -> None:
    """At 300 tasks a second."""
    text = ""
    for minute in range(0, 200 * 60, 7):
        text = note_turn(text, turn(completed=18_000 * 7, failed=9), now=NOON + 60 * minute)
    for minute in range(200 * 60, 201 * 60):
        text = note_turn(text, turn(completed=18_000, failed=9, paused="x" * 5000), now=NOON + 60 * minute)
    beside = 120  # bytes of the item's other attributes
    assert len(text.replace("x" * 300, "").encode()) + beside < 2048


@given(st.dictionaries(st.integers(0, 10**9), st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=60))
def test_a_note_is_read_as_it_was_written(counts: dict[int, tuple[int, int]]) -> None:
    """Whatever was closed."""
    closed = tuple(ClosedCounts(span, counts if span is HOUR else {}) for span in SPANS)
    note = TurnNote(NOON, 1, 2, 'a "reason" \u20ac', closed)
    assert TurnNote.of(note.text()) == note


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        '[[1,2,3],""]',
        '[[1,2,3,4],""]',
        '[[1,2,3],[0],[0],[null],""]',
        "[[1,2,3],[0],[0],[0],7]",
        "7",
    ],
)
def test_a_text_that_is_no_note(text: str) -> None:
    """As of another version, or changed by hand."""
    assert TurnNote.of(text) is None


def test_another_orchestrator_continues_a_text_that_is_no_note() -> None:
    """It begins anew."""
    note = TurnNote.of(note_turn("of another version", turn(completed=2), now=NOON))
    assert note is not None
    assert note.closed[0].counts == {NOON // 60: (2, 0)}
