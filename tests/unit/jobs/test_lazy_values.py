"""Jobs with lists that are fetched value by value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from sosw_airflow.exceptions import InvalidJob
from sosw_airflow.jobs.lazy_values import plain_job


class Lazy(Sequence[Any]):
    """A sequence that counts how often each value is fetched, as the output of a mapped Airflow task."""

    def __init__(self, *values: Any) -> None:
        self.values = values
        self.fetched: list[int] = []

    def __getitem__(self, index: Any) -> Any:
        value = self.values[index]
        self.fetched.append(index)
        return value

    def __len__(self) -> int:
        raise AssertionError("a length is another request")


def test_a_lazy_list_becomes_a_plain_one() -> None:
    """At any depth, in order, each value fetched once."""
    words, deep = Lazy("a", "b"), Lazy({"words": Lazy("c")})
    job = plain_job({"words": words, "topics": {"cars": {"words": deep}}})
    assert job == {"words": ["a", "b"], "topics": {"cars": {"words": [{"words": ["c"]}]}}}
    assert words.fetched == [0, 1]
    assert type(job["words"]) is list


def test_a_generator_is_the_values_of_an_attribute() -> None:
    """It is read once."""
    assert plain_job({"words": (word for word in "ab"), "numbers": iter([1])}) == {"words": ["a", "b"], "numbers": [1]}


def test_a_job_of_plain_values_is_left_as_it_is() -> None:
    """It is the same object, so that a large one is not copied."""
    job = {"words": ["a"], "topics": {"cars": {"words": [1, None]}}, "pairs": [["a", 1], ("b", 2)]}
    assert plain_job(job) is job


def test_only_the_way_to_a_lazy_list_is_copied() -> None:
    """The rest of the job is shared."""
    topics = {"cars": {"words": ["a"]}}
    assert plain_job({"words": Lazy("a"), "topics": topics})["topics"] is topics


def test_a_job_that_contains_itself_comes_back() -> None:
    """The checks of the job refuse it."""
    job: dict[str, Any] = {"words": ["a"]}
    job["again"] = [job]
    assert plain_job(job)["words"] == ["a"]


def test_a_document_that_shares_its_parts_takes_no_longer() -> None:
    """Each part is read once, however many paths lead to it."""
    document: Any = ["a"]
    for _ in range(200):
        document = {"one": document, "two": document}
    assert plain_job({"words": document})["words"] is document


def _pairs() -> Iterator[tuple[str, Any]]:
    yield "words", (word for word in "ab")
    yield "period", "yesterday"


@pytest.mark.parametrize("job", [_pairs(), iter([{"words": ["a", "b"], "period": "yesterday"}])], ids=["pairs", "one"])
def test_a_generator_of_the_job(job: Any) -> None:
    """Of its attributes, or of the job alone."""
    assert plain_job(job) == {"words": ["a", "b"], "period": "yesterday"}


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (iter(["a", "b"]), r"is a generator of 2 values \(str\)"),
        (iter([]), r"is a generator of 0 values \(nothing\)"),
        (iter([{"a": 1}, {"b": 2}]), r"is a generator of 2 values \(dict\)"),
        ([{"a": 1}, {"b": 2}], r"must be an object, not a list of 2.*expand\(job=...\)"),
    ],
)
def test_what_is_no_job(job: Any, reason: str) -> None:
    """The error says what to give."""
    with pytest.raises(InvalidJob, match=f"the job {reason}"):
        plain_job(job)
