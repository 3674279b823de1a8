"""One Airflow for all tests of this folder: to start one takes longer than most of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sosw_airflow.stores.tables import create_missing_tables
from tests.support.emulators.emulator import ACCESS_KEY, REGION, SECRET_KEY, Emulator
from tests.support.emulators.ministack_emulator import ministack_server
from tests.support.faults.proxy import FaultProxy
from tests.system.airflow_runs.dag_files import LABOURER
from tests.system.airflow_runs.dags import DAGS, FAULTY
from tests.system.airflow_runs.deployment import Airflow
from tests.system.airflow_runs.queue import Queue

BUCKET = "sosw-queue"


def connections(endpoints: dict[str, str]) -> dict[str, str]:
    """Environment variables that are Connections: `sosw_<name>` for each endpoint."""
    aws = {"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY, "extra": {"region_name": REGION}}
    return {
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
        **{
            f"AIRFLOW_CONN_SOSW_{name.upper()}": json.dumps(
                {"conn_type": "sosw", "extra": {"queue_bucket": BUCKET, "region_name": REGION, "endpoint_url": url}}
            )
            for name, url in endpoints.items()
        },
    }


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An AWS with sosw's tables, for the whole session: nobody resets it under a running Airflow.

    ministack, since moto copies all tables at each transaction.
    """
    with ministack_server(tmp_path_factory.mktemp("embedded_aws") / "ministack.log") as emulator:
        create_missing_tables(emulator.client("dynamodb"))
        emulator.create_bucket(BUCKET)
        yield emulator


@pytest.fixture(scope="session")
def proxies(embedded_aws: Emulator) -> Iterator[dict[str, FaultProxy]]:
    """A way to the embedded AWS for each DAG of `FAULTY`, so that each test breaks its own."""
    running = {name: FaultProxy(embedded_aws.endpoint_url) for name in FAULTY}
    try:
        for proxy in running.values():
            proxy.__enter__()
        yield running
    finally:
        for proxy in running.values():
            proxy.__exit__(None, None, None)


@pytest.fixture(scope="session")
def pids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which each DAG's Airflow task notes its process id."""
    return tmp_path_factory.mktemp("pids")


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, embedded_aws: Emulator, proxies: dict[str, FaultProxy], pids: Path
) -> Iterator[Airflow]:
    """A running Airflow with the DAGs of `dags.py`, all of them paused. Nothing of it is left after the tests."""
    home = tmp_path_factory.mktemp("airflow")
    ways = {"default": embedded_aws.endpoint_url, **{name: proxy.url for name, proxy in proxies.items()}}
    environment = {
        **connections(ways),
        "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps({LABOURER: {}}),
        "SOSW_TEST_PIDS": str(pids),
    }
    with Airflow(home, dags=DAGS, environment=environment) as running:
        yield running
    assert [] == processes_of(home)


def processes_of(home: Path) -> list[str]:
    """The command lines of this user's processes that have this AIRFLOW_HOME."""
    found = []
    for process in psutil.process_iter(["environ", "cmdline", "status"]):
        environment = process.info["environ"] or {}
        mine = environment.get("AIRFLOW_HOME") == str(home) and process.pid != os.getpid()
        if mine and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(" ".join(process.info["cmdline"] or []))
    return found


@pytest.fixture(scope="session")
def queue(embedded_aws: Emulator) -> Queue:
    """What is in the queue."""
    return Queue(embedded_aws.client("dynamodb"), embedded_aws.client("s3"), BUCKET)
