"""Fixtures for the fault tools: an emulator with sosw's tables, a proxy before it, clients for both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.faults.proxy import FaultProxy
from tests.support.faults.sample_rows import TASKS, create_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.emulators.emulator import Emulator

BUCKET = "queue-bucket"


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[FaultProxy]:
    """Run a proxy before the emulator, which has the tables of the tasks and of the jobs, and a bucket."""
    create_tables(emulator.client("dynamodb"), TASKS, "sosw_jobs")
    emulator.create_bucket(BUCKET)
    with FaultProxy(emulator.endpoint_url, seed=1) as proxy:
        yield proxy


@pytest.fixture
def dynamodb(emulator: Emulator, proxy: FaultProxy) -> Any:
    """Make a client that goes through the proxy and never repeats a request."""
    return emulator.client("dynamodb", endpoint_url=proxy.url)


@pytest.fixture
def s3(emulator: Emulator, proxy: FaultProxy) -> Any:
    """Make a client that goes through the proxy and never repeats a request."""
    return emulator.client("s3", endpoint_url=proxy.url)


@pytest.fixture
def direct(emulator: Emulator) -> Any:
    """Make a DynamoDB client that does not go through the proxy."""
    return emulator.client("dynamodb")
