"""`jobs.cost`: what a job costs. The benchmark `cost` and `test_cost_estimates.py` compare it with what is counted."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.jobs.cost import (
    JobShape,
    Labour,
    Prices,
    Usage,
    invoking,
    orchestrating,
    polling,
    reading_results,
    writing,
)

SMALL = JobShape({250: 990}, pages=10, queue_file_bytes=100_000)
WORK = [invoking, orchestrating, polling, reading_results]
SHAPES = st.builds(
    JobShape,
    st.dictionaries(st.integers(250, 400_000), st.integers(1, 10_000), min_size=1, max_size=5),
    pages=st.integers(1, 1000),
    queue_file_bytes=st.integers(1, 10**11),
    with_meta=st.booleans(),
)


def test_a_small_row_takes_three_units_and_its_page_two() -> None:
    """Two in the table, since a page is a transaction, one in the index; the header takes two."""
    assert writing(SMALL).write_units == 990 * 3 + 10 * 2 + 2


def test_a_row_with_a_history_takes_two_more() -> None:
    """In the same transaction."""
    with_meta = JobShape(SMALL.row_bytes, SMALL.pages, SMALL.queue_file_bytes, with_meta=True)
    assert writing(with_meta).write_units - writing(SMALL).write_units == 990 * 2


def test_a_task_that_airflow_processes_takes_nine() -> None:
    """Claimed 3, reported 2, closed 2, removed 2; and a beat of the lease every 15 seconds."""
    assert orchestrating(SMALL, Labour(limit=990)).write_units == pytest.approx(990 * 9, abs=1)


def test_the_functions_time() -> None:
    """Invocations, seconds, gigabytes."""
    usage = invoking(SMALL, Labour(seconds=2, memory=512, attempts=1.5))
    assert (usage.lambda_requests, usage.gb_seconds) == (990 * 1.5, 990 * 1.5 * 2 * 0.5)


def test_a_synchronous_invocation_needs_no_assistant() -> None:
    """Its answer is the report."""
    assert orchestrating(SMALL, Labour(assistant=False)).lambda_requests == 0


def test_a_large_queue_file_is_uploaded_in_parts() -> None:
    """100 MB are 16 parts of 6 MB, a beginning and an end; 24 readings of 4 MB."""
    usage = writing(JobShape({1000: 1}, pages=1, queue_file_bytes=96 * 1024 * 1024))
    assert (usage.s3_writes, usage.s3_reads) == (16 + 2, 24)


def test_from_the_record_of_a_job() -> None:
    """The record knows the size of the plan: rows count with their mean size."""
    shape = JobShape.of_queue_file(tasks=10, size=10 * 101, pages=1)
    assert shape.tasks == 10
    assert writing(shape).write_units == 10 * 3 + 2 + 2


@given(SHAPES, st.floats(0.1, 900), st.integers(1, 1000))
def test_more_work_never_costs_less(shape: JobShape, seconds: float, limit: int) -> None:
    """Neither longer tasks nor larger rows nor more attempts."""
    larger: Any = JobShape(
        {size + 1024: rows for size, rows in shape.row_bytes.items()},
        shape.pages + 1,
        shape.queue_file_bytes * 2,
        shape.with_meta,
    )
    for work in WORK:
        usage = work(shape, Labour(seconds, limit=limit))
        for more in (work(larger, Labour(seconds, limit=limit)), work(shape, Labour(seconds, limit=limit, attempts=2))):
            assert all(mine <= theirs + 1e-6 for mine, theirs in zip(usage.amounts(), more.amounts(), strict=True))


@given(st.lists(st.floats(0, 1e9), min_size=6, max_size=6), st.lists(st.floats(0, 100), min_size=6, max_size=6))
def test_the_price_of_a_sum_is_the_sum_of_the_prices(amounts: list[float], each: list[float]) -> None:
    """Every amount has a price for a million."""
    prices = Prices({field.name: price for field, price in zip(fields(Usage), each, strict=True)}, "USD", "x", "")
    usage = Usage(*amounts)
    assert prices.of(usage + usage) == pytest.approx(2 * prices.of(usage))
    assert prices.of(usage) == pytest.approx(sum(a * p for a, p in zip(amounts, each, strict=True)) / 1e6)
