"""Fixtures for pytest: ``pytest_plugins = ["sosw_airflow.testing.fixtures"]`` in your conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sosw_airflow.testing.kit import Sosw, sosw_in_memory

__all__ = ["sosw"]


@pytest.fixture
def sosw() -> Iterator[Sosw]:
    """An installation of sosw in memory, empty, with its Connection; nothing of it is left after the test."""
    with sosw_in_memory() as installation:
        yield installation
