"""A whole Airflow with an orchestrator, a labourer whose function fails for some tasks, and a DAG with a job for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from demo import embedded_aws
from demo.queue import Queue
from demo.settings import ACCESS_KEY, QUEUE_BUCKET, REGION, SECRET_KEY
from tests.support.lambda_functions import make_function
from tests.system.browser.conftest import Ui, web_server

__all__ = ["LABOURER", "RUN", "Shops", "running_shops"]

LABOURER = "pull_prices"

#: Where the job's DAG run is in Airflow 3's UI.
RUN = "/dags/shops/runs/by_hand"

#: Takes two seconds; fails for the words that its configuration names, with the message there.
FUNCTION = """
import json, os, time
def handler(event, context):
    time.sleep(2)
    message = json.loads(os.environ["FAILING"]).get(event["words"][0])
    if message:
        raise LookupError(message)
    return {"price": len(event["words"][0])}
"""

DAGS = """
from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
from sosw_airflow.operators.sosw import SoswScheduleOperator

FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)
with DAG("shops", schedule=None, start_date=FIRST):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="{labourer}",
        job_schema={{"chunkable_attrs": ["word"]}},
        job={{"words": {words}, "isolate_words": True}},
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,
    )
with DAG("orchestrate", schedule="@continuous", start_date=FIRST, catchup=False, max_active_runs=1):
    SoswOrchestrateOperator(
        task_id="orchestrate", labourers=["{labourer}"], until="forever", deferrable=True, poll_interval=2
    )
"""


@dataclass
class Shops:
    """A running Airflow whose orchestrator waits for tasks."""

    ui: Ui
    functions: Any

    def schedule(self) -> None:
        """Run the DAG."""
        self.ui.airflow("dags", "reserialize")
        self.ui.airflow("dags", "trigger", "shops", "--run-id", "by_hand")

    def open_again(self) -> None:
        """What the function could not do it can do now."""
        self.functions.update_function_configuration(
            FunctionName=LABOURER, Environment={"Variables": {"FAILING": "{}"}}
        )


@contextmanager
def running_shops(release: str, folder: Path, words: list[str], failing: Mapping[str, str]) -> Iterator[Shops]:
    """An Airflow with all of its servers, and an AWS that executes the function. Its web server has two processes.

    :param failing: words for which the function fails, each with its message.
    """
    aws = embedded_aws.start(folder / "aws")
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
    extra = {"queue_bucket": QUEUE_BUCKET, "region_name": REGION, "endpoint_url": aws.url}
    labourer = {"invocation": "request", "max_simultaneous_invocations": 2, "max_attempts": 1}
    variables = {
        "AIRFLOW_CONN_SOSW_DEFAULT": json.dumps({"conn_type": "sosw", "extra": extra}),
        "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps({LABOURER: labourer, "resize_images": {}, "translate_reviews": {}}),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    }
    home = folder / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "shops.py").write_text(DAGS.format(labourer=LABOURER, words=words))
    try:
        Queue(aws.url).create_what_is_missing()
        make_function(
            LABOURER,
            source=FUNCTION,
            environment={"FAILING": json.dumps(failing)},
            client=lambda service: session.client(service, endpoint_url=aws.url),
        )
        with web_server(release, home, whole=True, workers=2, variables=variables) as ui:
            yield Shops(ui, session.client("lambda", endpoint_url=aws.url))
    finally:
        embedded_aws.stop(folder / "aws")
