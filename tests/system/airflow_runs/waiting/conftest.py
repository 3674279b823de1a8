"""One Airflow with a triggerer for all tests of this folder. Its DAGs begin at once, so that they wait side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.emulators.emulator import REGION, Emulator
from tests.support.faults.proxy import FaultProxy
from tests.system.airflow_runs.conftest import BUCKET, connections, processes_of
from tests.system.airflow_runs.queue import Queue
from tests.system.airflow_runs.waiting.closing import Closer
from tests.system.airflow_runs.waiting.dags import BY_HAND, DAGS
from tests.system.airflow_runs.waiting.deployment import ONLY_WORKERS, AirflowThatWaits
from tests.system.airflow_runs.waiting.running_sosw import WORKED_ON, running_sosw


@pytest.fixture(scope="package")
def counted(embedded_aws: Emulator) -> Iterator[FaultProxy]:
    """The way to AWS of one DAG, whose requests are counted."""
    with FaultProxy(embedded_aws.endpoint_url) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, embedded_aws: Emulator, counted: FaultProxy
) -> Iterator[AirflowThatWaits]:
    """A running Airflow with the DAGs of `dags.py`, all of them begun, and sosw at work."""
    home = tmp_path_factory.mktemp("airflow_that_waits")
    without_endpoint = {"conn_type": "sosw", "extra": {"queue_bucket": BUCKET, "region_name": REGION}}
    arn = f"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:{BY_HAND}"
    environment = {
        **connections(
            {
                "default": embedded_aws.endpoint_url,
                "counted": counted.url,
                ONLY_WORKERS.lower(): embedded_aws.endpoint_url,
            }
        ),
        # boto3 finds the emulator as the Connection says nothing of it: the links are those of the real AWS.
        "AIRFLOW_CONN_SOSW_WITHOUT_ENDPOINT": json.dumps(without_endpoint),
        "AWS_ENDPOINT_URL": embedded_aws.endpoint_url,
        "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps({WORKED_ON: {}, BY_HAND: {"arn": arn}}),
        "AIRFLOW__CORE__FERNET_KEY": "",  # so that the arguments of a trigger can be read and edited
        # Airflow 2 kills what it has not heard of for so long; 0 stands for `scheduler_zombie_task_threshold`.
        "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "0",
        # A worker that stalls for so long is given up; Airflow 2 has another name for it.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "40",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
    }
    with (
        AirflowThatWaits(home, dags=DAGS, environment=environment, parallelism=8) as running,
        running_sosw(embedded_aws, home / "sosw.log"),
    ):
        yield running
    assert [] == processes_of(home)


@pytest.fixture(scope="package")
def closer(embedded_aws: Emulator, queue: Queue) -> Closer:
    """Closes tasks as sosw does."""
    return Closer(embedded_aws.client("dynamodb"), queue)
