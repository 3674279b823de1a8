"""Reading all pages of a Query or Scan from a table that is slow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sosw_airflow.exceptions import AccessDenied, AwsFault
from sosw_airflow.stores.backoff import Backoff
from sosw_airflow.stores.paged_reads import items_of
from tests.support.simulated_tables import Clock, passing_by_sleep


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Time passes only when the code sleeps."""
    yield passing_by_sleep(monkeypatch)
    monkeypatch.undo()


@dataclass
class SlowTable:
    """Three pages of two items; it refuses every page as often as `refusals` says.

    :ivar asked: where each request began.
    """

    refusals: int = 0
    code: str = "ProvisionedThroughputExceededException"
    asked: list[int] = field(default_factory=list)
    _refused: int = 0

    def query(self, ExclusiveStartKey: int = 0, **_: Any) -> dict[str, Any]:
        """A page, or a refusal."""
        self.asked.append(ExclusiveStartKey)
        if self._refused < self.refusals:
            self._refused += 1
            raise ClientError({"Error": {"Code": self.code}}, "Query")
        self._refused = 0
        place = ExclusiveStartKey + 2
        return {"Items": [place - 2, place - 1], **({"LastEvaluatedKey": place} if place < 6 else {})}


def read(table: SlowTable, **more: Any) -> list[Any]:
    """All items."""
    return list(items_of(table.query, {"TableName": "t"}, action="dynamodb:Query", setting="jobs_table", **more))


def test_a_page_that_is_throttled_is_asked_for_again(clock: Clock) -> None:
    """Only that page: what was read is not read again. The pauses grow."""
    table, begun = SlowTable(refusals=6), clock.now
    assert read(table) == [0, 1, 2, 3, 4, 5]
    assert table.asked == [0] * 7 + [2] * 7 + [4] * 7
    assert 3 * 1.5 < clock.now - begun < 3 * 3.2


def test_a_table_that_gives_no_page_for_minutes(clock: Clock) -> None:
    """Another attempt may succeed."""
    begun = clock.now
    with pytest.raises(AwsFault, match="dynamodb:Query on t failed") as failure:
        read(SlowTable(refusals=10**9))
    assert failure.value.retryable
    assert 300 <= clock.now - begun < 311


def test_a_reader_with_less_patience(clock: Clock) -> None:
    """Its own limit counts for every page."""
    begun = clock.now
    with pytest.raises(AwsFault):
        read(SlowTable(refusals=10**9), backoff=partial(Backoff, patience=30.0))
    assert 30 <= clock.now - begun < 41


def test_a_refusal_is_no_slowness(clock: Clock) -> None:
    """A table that may not be read is asked once."""
    table = SlowTable(refusals=1, code="AccessDeniedException")
    with pytest.raises(AccessDenied):
        read(table)
    assert table.asked == [0]


def test_the_most_pages() -> None:
    """Then the reading ends, also in the middle."""
    assert read(SlowTable(), most_pages=2) == [0, 1, 2, 3]


def test_an_answer_that_broke_off() -> None:
    """It is no end: boto3 gives an empty answer then."""
    with pytest.raises(AwsFault, match="broke off") as failure:
        list(items_of(lambda **_: {}, {"TableName": "t"}, action="dynamodb:Scan", setting="jobs_table"))
    assert failure.value.retryable
