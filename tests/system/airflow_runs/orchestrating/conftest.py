"""One Airflow with a triggerer, and an AWS that executes the labourers' functions. Nothing of sosw runs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sosw_airflow.stores.tables import create_missing_tables
from tests.integration.orchestration.test_real_functions import deploy
from tests.support.emulators.emulator import Emulator
from tests.support.emulators.ministack_emulator import ministack_server
from tests.system.airflow_runs.conftest import BUCKET, connections, processes_of
from tests.system.airflow_runs.dag_files import dag_file
from tests.system.airflow_runs.deployment import ROOT
from tests.system.airflow_runs.orchestrating.mail_server import MailServer
from tests.system.airflow_runs.versions import VERSION
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits

#: Takes a second; fails for the words that begin with "bad".
FUNCTION = """
import time
def handler(event, context):
    time.sleep(1)
    if event["words"][0].startswith("bad"):
        raise ValueError(f"no such word: {event['words'][0]}")
    return len(event["words"][0])
"""

#: The function of many labourers.
QUICK = "def handler(event, context): return None"

#: The first is retried soon after its invoker has died; the second fails at once.
LABOURERS = {
    "patient": {"invocation": "request", "max_simultaneous_invocations": 5, "expiry": 15, "retry_delay": 1},
    "strict": {"invocation": "request", "max_simultaneous_invocations": 10, "max_attempts": 1},
}
MIXED = [*(f"good_{number}" for number in range(18)), "bad_0", "bad_1"]


def _dag(dag_id: str, labourer: str, words: list[str], **arguments: object) -> str:
    return dag_file(
        dag_id,
        labourer=labourer,
        job_schema={"chunkable_attrs": ["word"]},
        job={"words": words, "isolate_words": True},
        orchestrate=True,
        poll_interval=30,
        **arguments,  # type: ignore[arg-type]
    )


def _late_soon(text: str) -> str:
    """The text of a DAG with another interval of its deadline."""
    interval = "interval=timedelta(hours=2)"
    assert interval in text
    return text.replace(interval, "interval=timedelta(seconds=10)")


DAGS = {
    "deferred.py": _dag("deferred", "strict", MIXED, deferrable=True, tolerated_failures=2),
    "waiting.py": _dag("waiting", "strict", MIXED, deferrable=False, tolerated_failures=2),
    "failing.py": _dag("failing", "strict", MIXED, deferrable=True),
    "killed.py": _dag("killed", "patient", [f"word_{number}" for number in range(200)], deferrable=True),
}

#: The recipe of docs/guides/recipes.md, which is late after a few seconds instead of hours. Nothing works on its job.
ALERTS = "sosw_alerts"
if VERSION >= (3, 1):
    DAGS[f"{ALERTS}.py"] = _late_soon((ROOT / "dags" / f"{ALERTS}.py").read_text())


@pytest.fixture(scope="package")
def mails() -> Iterator[MailServer]:
    """What the Connection `smtp_default` leads to."""
    with MailServer() as server:
        yield server


@pytest.fixture(scope="package")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """ministack with sosw's tables and the functions."""
    log = tmp_path_factory.mktemp("functions") / "ministack.log"
    with ministack_server(log, {"LAMBDA_EXECUTOR": "local"}) as emulator:
        create_missing_tables(emulator.client("dynamodb"))
        emulator.create_bucket(BUCKET)
        for name in LABOURERS:
            deploy(emulator, name, FUNCTION)
        deploy(emulator, "quick", QUICK)
        yield emulator


@pytest.fixture(scope="package")
def airflow(tmp_path_factory: pytest.TempPathFactory, aws: Emulator, mails: MailServer) -> Iterator[AirflowThatWaits]:
    """A running Airflow with these DAGs, all of them begun."""
    home = tmp_path_factory.mktemp("airflow_that_orchestrates")
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": mails.port}
    plain = {"extra": {"disable_tls": True, "disable_ssl": True}}
    environment = {
        **connections({"default": aws.endpoint_url}),
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps({**smtp, **plain}),
        "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps({**LABOURERS, "charge_cards": {}}),
        "SOSW_TEST_PIDS": str(tmp_path_factory.mktemp("pids")),
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
    }
    with AirflowThatWaits(home, dags=DAGS, environment=environment, parallelism=8) as running:
        yield running
    assert [] == processes_of(home)
