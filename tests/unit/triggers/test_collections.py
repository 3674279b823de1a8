"""What is made without collections lives on like everything else."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from sosw_airflow.triggers.collections import without_collections


class Node:
    """Part of a cycle."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture
def full_collections() -> Iterator[list[int]]:
    """Collections of the oldest generation, meanwhile, as often as in a triggerer."""
    thresholds = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    gc.collect()
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            seen.append(info["collected"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.set_threshold(*thresholds)


def test_many_objects_set_off_no_full_collection(full_collections: list[int]) -> None:
    """Neither while they are made, nor when that is over."""
    with without_collections():
        kept = [Node() for _ in range(200_000)]
    more = [Node() for _ in range(1_000)]

    assert (full_collections, gc.isenabled(), len(kept) + len(more)) == ([], True, 201_000)


def test_garbage_from_that_time_is_collected_later() -> None:
    """A cycle that was made and dropped inside."""
    with without_collections():
        gone = weakref.ref(Node())
    gc.collect()

    assert gone() is None


def test_a_process_that_has_frozen_its_objects() -> None:
    """They stay frozen: Airflow may share them with processes that it forks."""
    gc.freeze()
    try:
        with without_collections():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_a_process_without_a_collector() -> None:
    """It gets none."""
    gc.disable()
    try:
        with without_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
