"""An emulator with sosw's tables and a bucket, and a fault proxy in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sosw_airflow.stores.tables import create_missing_tables
from tests.integration.crashes.worker import BUCKET
from tests.support.emulators.emulator import Emulator
from tests.support.faults.proxy import FaultProxy


@pytest.fixture
def sosw(emulator: Emulator) -> Emulator:
    """One of the emulators, with empty tables and an empty bucket."""
    create_missing_tables(emulator.client("dynamodb"))
    emulator.create_bucket(BUCKET)
    return emulator


@pytest.fixture
def proxy(sosw: Emulator) -> Iterator[FaultProxy]:
    """What the worker takes for AWS."""
    with FaultProxy(sosw.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def dynamodb(sosw: Emulator) -> Any:
    """A client that goes round the proxy."""
    return sosw.client("dynamodb", retries=True)


@pytest.fixture
def queue_files(sosw: Emulator) -> Any:
    """A function that gives key and text of every object in the bucket."""
    s3 = sosw.client("s3", retries=True)

    def read() -> dict[str, str]:
        listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {each["Key"]: s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read().decode() for each in listed}

    return read
