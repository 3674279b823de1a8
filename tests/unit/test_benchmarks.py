"""The benchmarks fit the code that they measure."""

from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks import ALL, BENCHMARKS


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_can_be_started(name: str) -> None:
    """Its module finds everything that it imports, and describes itself for the command line."""
    module = import_module(BENCHMARKS[name])
    assert module.ABOUT
    assert callable(module.add_arguments)
    assert callable(module.run)


def test_all_are_known() -> None:
    """What `all` runs exists."""
    assert set(ALL) <= set(BENCHMARKS)
