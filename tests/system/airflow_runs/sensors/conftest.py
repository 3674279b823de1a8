"""One Airflow with a triggerer for all tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.emulators.emulator import Emulator
from tests.system.airflow_runs.conftest import connections, processes_of
from tests.system.airflow_runs.queue import Queue
from tests.system.airflow_runs.sensors.dags import BY_HAND, DAGS
from tests.system.airflow_runs.waiting.closing import Closer
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits


@pytest.fixture(scope="package")
def airflow(tmp_path_factory: pytest.TempPathFactory, embedded_aws: Emulator) -> Iterator[AirflowThatWaits]:
    """A running Airflow with the DAGs of `dags.py`, all of them begun."""
    home = tmp_path_factory.mktemp("airflow_that_senses")
    environment = {
        **connections({"default": embedded_aws.endpoint_url}),
        "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps({BY_HAND: {}}),
        "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "0",
    }
    with AirflowThatWaits(home, dags=DAGS, environment=environment, parallelism=8) as running:
        yield running
    assert [] == processes_of(home)


@pytest.fixture(scope="package")
def closer(embedded_aws: Emulator, queue: Queue) -> Closer:
    """Closes tasks as sosw does."""
    return Closer(embedded_aws.client("dynamodb"), queue)
