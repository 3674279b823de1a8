"""The examples in the docstrings of the core."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import sosw_airflow.jobs

MODULES = [
    "sosw_airflow.jobs",
    *(f"sosw_airflow.jobs.{each.name}" for each in pkgutil.iter_modules(sosw_airflow.jobs.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    """Every example in a docstring gives the result that stands below it."""
    results = doctest.testmod(importlib.import_module(name))
    assert 0 == results.failed


def test_there_are_examples() -> None:
    """The test above looks at the right place: `expand` and `function_name` have examples."""
    attempted = [doctest.testmod(importlib.import_module(name)).attempted for name in MODULES]
    assert 5 <= sum(attempted)
