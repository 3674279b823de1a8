"""Failures are grouped by their cause; the memory is bounded, whatever the messages have."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.waiting import causes as module
from sosw_airflow.waiting.causes import SHOWN_CAUSES, Causes, CausesSummary, message_pattern
from sosw_airflow.waiting.task_results import TaskResult, TaskState


def failure(error: str, index: int = 0, closed_at: int | None = 1_795_431_627) -> TaskResult:
    """A task that has failed."""
    task = f"{'a' * 20}{index:012x}"
    return TaskResult(index, task, TaskState.FAILED, error=error, closed_at=closed_at)


@pytest.mark.parametrize(
    ("one", "other", "pattern"),
    [
        ("Timeout: after 30 s", "Timeout: after 7.5 s", "Timeout: after <n> s"),
        ("KeyError: 'toyota'", "KeyError: 'mazda'", "KeyError: <value>"),
        ('No row "a b" there', 'No row "c" there', "No row <value> there"),
        ("at 2026-03-02T04:05:06.7Z", "at 2026-11-02 14:05", "at <time>"),
        (
            "request 0f8fad5b-d9cb-469f-a165-70867728950e",
            "request 7C9E6679-7425-40DE-944B-E07FC1F90AE7",
            "request <id>",
        ),
        ("task 5c1fe09a77d34b1ff2a0000000000012", "task 5c1fe09a77d34b1ff2a0000000000013", "task <id>"),
        ("a\nb\x00c", "a b c", "a b c"),
    ],
)
def test_what_differs_is_taken_out(one: str, other: str, pattern: str) -> None:
    """Numbers, quoted values, times, ids, control characters."""
    assert message_pattern(one) == message_pattern(other) == pattern


@pytest.mark.parametrize("text", ["it isn't there, it can't be", "S3Error: no access", "a deadbeef cafe"])
def test_what_does_not_differ_stays(text: str) -> None:
    """An apostrophe quotes nothing; a digit in a name is no number; a word of hex letters is no id."""
    assert message_pattern(text) == text


def test_a_cause_counts_its_failures() -> None:
    """With the first and the last time, and the first task as the example."""
    found = Causes().add_all(failure(f"Timeout: {n} s", n, 100 + n) for n in range(5)).summary()
    (cause,) = found.causes
    assert (cause.message, cause.count, cause.first, cause.last) == ("Timeout: <n> s", 5, 100, 104)
    assert cause.example.endswith("0" * 12)
    assert (found.others, found.read, found.failed) == (0, 5, 5)


def test_the_example_has_its_log() -> None:
    """Its address is in the line and in the document."""
    (cause,) = Causes(lambda result: f"https://log/{result.index}").add_all([failure("x", 7)]).summary().causes
    assert (cause.log, cause.as_dict()["log"]) == ("https://log/7", "https://log/7")
    assert str(cause).endswith("Z, log: https://log/7)")


@pytest.mark.parametrize(("closed_at", "text"), [(1_795_431_627, "2026-11-23T11:00:27Z"), (10**30, "1" + "0" * 30)])
def test_times_in_a_document_are_texts(closed_at: int, text: str) -> None:
    """In UTC; a number that is no time stays one."""
    found = Causes().add_all([failure("x", closed_at=closed_at)]).summary()
    document = json.loads(json.dumps(found.as_dict()))
    assert (document["groups"][0]["first"], document["groups"][0]["last"]) == (text, text)
    assert CausesSummary.of(document) == found


def test_the_most_frequent_cause_is_first() -> None:
    """At most 20 are shown, the failures of the others are counted."""
    errors = [f"error {chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(30) for _ in range(n + 1)]
    found = Causes().add_all(failure(error, n) for n, error in enumerate(errors)).summary()
    counts = [each.count for each in found.causes]
    assert counts == list(range(30, 30 - SHOWN_CAUSES, -1))
    assert found.others == sum(range(1, 11))
    assert found.lines()[-1] == "55 failed tasks with other causes"


def test_a_failure_without_an_error() -> None:
    """It has a group of its own: nothing is lost."""
    found = Causes().add_all([failure("", closed_at=None)]).summary()
    assert str(found.causes[0]) == f"1 x no error is stored (such as {'a' * 20}{'0' * 12})"


def test_a_part_of_the_failures_was_read() -> None:
    """The last line says so."""
    found = Causes().add_all([failure("x")]).summary(failed=5000)
    assert found.lines()[-1] == "(1 of 5,000 failed tasks were read, evenly spread over the job)"


def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that all differ do not fill the memory."""
    monkeypatch.setattr(module, "_KEPT_GROUPS", 3)
    causes = Causes().add_all(failure(f"e{'x' * n}") for n in range(10))
    assert (len(causes._groups), causes.summary().others) == (3, 7)


@pytest.mark.parametrize(
    "text",
    [
        *("x" * 400_000, "'" * 400_000, "9" * 400_000, "a1" * 200_000, '"' + "b" * 400_000, "1," * 200_000),
        *("\x00" * 400_000, "2026-01-01T" * 40_000, "-" * 400_000, "\ud800" * 1000, "\u202e" * 1000),
    ],
    ids=range(11),
)
def test_a_hostile_text_is_short_and_quick(text: str) -> None:
    """400 KB of one kind of character: milliseconds, a few hundred characters, fit for UTF-8."""
    begun = time.process_time()
    pattern = message_pattern(text)
    assert time.process_time() - begun < 1
    assert len(pattern) <= 203
    pattern.encode()


def test_a_secret_is_masked_before_the_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a secret would not be known as one."""
    from sosw_airflow.jobs import redaction

    secret = "S3cr3t-" * 100
    monkeypatch.setattr(redaction, "_redact", lambda value: {"error": value["error"].replace(secret, "***")})
    assert message_pattern("x" * 1990 + secret).startswith("xxx")
    assert "S3cr3t" not in "".join(message_pattern(f"{'x ' * n}{secret}") for n in (10, 90, 95, 990))


messages = st.lists(st.text(max_size=80) | st.sampled_from(["Timeout: 1", "Timeout: 22", "KeyError: 'a'"]), max_size=60)


@given(messages)
def test_every_failure_is_counted_once(errors: list[str]) -> None:
    """In a group or among the others; and the document holds the same."""
    found = Causes().add_all(failure(error, n) for n, error in enumerate(errors)).summary()
    assert sum(each.count for each in found.causes) + found.others == len(errors) == found.failed
    assert len(found.causes) <= SHOWN_CAUSES
    assert CausesSummary.of(json.loads(json.dumps(found.as_dict()))) == found


@given(messages, st.randoms(use_true_random=False))
def test_the_order_of_reading_changes_no_count(errors: list[str], random: object) -> None:
    """Groups and their sizes are the same."""
    shuffled = list(errors)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def sizes(texts: list[str]) -> dict[str, int]:
        return {name: group.count for name, group in Causes().add_all(map(failure, texts))._groups.items()}

    assert sizes(errors) == sizes(shuffled)
