"""A user's walk through a whole Airflow in a browser: a job runs, some of its tasks fail, they are repaired.

Its web server has two processes, which know each of its own readings. The screenshots go to build/browser/screenshots.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from demo import embedded_aws
from demo.queue import Queue
from demo.settings import ACCESS_KEY, QUEUE_BUCKET, REGION, SECRET_KEY
from tests.support.lambda_functions import make_function
from tests.system.browser.conftest import ENVIRONMENTS, Ui, chromium, web_server
from tests.system.browser.test_connection_form import by_xpath, photograph, shown

pytestmark = pytest.mark.slow

#: Takes two seconds; fails for the words that its configuration names.
FUNCTION = """
import os, time
def handler(event, context):
    time.sleep(2)
    if event["words"][0] in os.environ["SOLD_OUT"].split():
        raise LookupError("the shop is closed")
    return {"posts": len(event["words"][0])}
"""

WORDS = [*(f"word_{number}" for number in range(13)), "mazda", "tulip", "chess"]
SOLD_OUT = ["mazda", "tulip", "chess"]

DAGS = f"""
from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
from sosw_airflow.operators.sosw import SoswScheduleOperator

FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)
with DAG("shops", schedule=None, start_date=FIRST):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="worker",
        job_schema={{"chunkable_attrs": ["word"]}},
        job={{"words": {WORDS}, "isolate_words": True}},
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,
    )
with DAG("orchestrate", schedule="@continuous", start_date=FIRST, catchup=False, max_active_runs=1):
    SoswOrchestrateOperator(
        task_id="orchestrate", labourers=["worker"], until="forever", deferrable=True, poll_interval=2
    )
"""


@dataclass
class Shops:
    """A running Airflow whose orchestrator waits for the tasks of the labourer `worker`."""

    ui: Ui
    functions: Any

    def open_again(self) -> None:
        """What the function could not do it can do now."""
        self.functions.update_function_configuration(FunctionName="worker", Environment=_environment([]))


def _environment(sold_out: list[str]) -> dict[str, dict[str, str]]:
    return {"Variables": {"SOLD_OUT": " ".join(sold_out)}}


@pytest.fixture(params=ENVIRONMENTS)
def shops(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shops]:
    """An Airflow with all of its servers, and an AWS that executes the function."""
    aws = embedded_aws.start(tmp_path / "aws")
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
    extra = {"queue_bucket": QUEUE_BUCKET, "region_name": REGION, "endpoint_url": aws.url}
    labourer = {"invocation": "request", "max_simultaneous_invocations": 2, "max_attempts": 1}
    variables = {
        "AIRFLOW_CONN_SOSW_DEFAULT": json.dumps({"conn_type": "sosw", "extra": extra}),
        "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps({"worker": labourer}),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    }
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "shops.py").write_text(DAGS)
    try:
        Queue(aws.url).create_what_is_missing()
        make_function(
            "worker",
            source=FUNCTION,
            environment=_environment(SOLD_OUT)["Variables"],
            client=lambda service: session.client(service, endpoint_url=aws.url),
        )
        with web_server(request.param, home, whole=True, workers=2, variables=variables) as ui:
            yield Shops(ui, session.client("lambda", endpoint_url=aws.url))
    finally:
        embedded_aws.stop(tmp_path / "aws")


def click(browser: Any, path: str) -> None:
    """Click an element of this path, as soon as it is there."""
    shown(browser, lambda b: b.find_element("xpath", path).click() is None)


def share_closed(browser: Any) -> float:
    """What the job's page says, in percent."""
    found = re.search(r"([0-9.]+) % of [0-9]+ tasks? (?:is|are) closed", browser.find_element("id", "main").text)
    return float(found[1]) if found else 0.0


def watched_until_over(browser: Any) -> list[float]:
    """The shares that the page of a job shows by itself until all tasks are closed."""
    browser.execute_script("window.untouched = true")
    seen: list[float] = []

    def is_over(_: Any) -> bool:
        seen.append(share_closed(browser))
        return seen[-1] == 100

    shown(browser, is_over)
    assert browser.execute_script("return window.untouched"), "the page was loaded again"
    return sorted(set(seen))


def text(browser: Any) -> str:
    """What the page of sosw says."""
    return str(browser.find_element("id", "main").text)


def enter(browser: Any, ui: Ui) -> None:
    """Come to the job from Airflow's own pages: from its DAG run, or from the menu of Airflow 2."""
    if ui.is_airflow_2:
        browser.get(f"{ui.url}/home")
        click(browser, "//a[normalize-space(.)='Browse']")
        click(browser, "//a[normalize-space(.)='sosw']")
        click(browser, "//main//a[normalize-space(.)='worker']")
    else:
        browser.get(f"{ui.url}/dags/shops/runs/by_hand")
        click(browser, "//a[contains(@href, 'plugin/sosw-dag-run')]")
        browser.switch_to.frame(shown(browser, by_xpath("//iframe")))
    click(browser, "//main//table//a[contains(@href, '/jobs/')]")


def test_a_job_is_watched_and_repaired(shops: Shops, tmp_path: Path) -> None:
    """Its progress comes by itself, the failures have one cause, the button repairs them: on one page of Airflow."""
    ui = shops.ui
    with chromium(tmp_path / "profile") as browser:
        ui.sign_in(browser)
        ui.airflow("dags", "reserialize")
        ui.airflow("dags", "trigger", "shops", "--run-id", "by_hand")
        enter(browser, ui)
        shown(browser, lambda b: "Origin" in text(b))
        photograph(browser, f"{ui.release}-walk-1-running")
        shares = watched_until_over(browser)
        assert shares[0] < 100
        outside = browser.execute_script("return window.top.location.href")

        photograph(browser, f"{ui.release}-walk-2-failed")
        (cause,) = browser.find_elements("css selector", "[aria-label=Causes] tbody tr")
        assert "the shop is closed 3 " in cause.text
        cause.find_element("css selector", "td.number a").click()
        shown(browser, lambda b: "Failed with: " in text(b))
        assert len(browser.find_elements("css selector", "[aria-label=Tasks] tbody tr")) == len(SOLD_OUT)
        browser.find_element("css selector", "[aria-label=Tasks] summary").click()
        assert SOLD_OUT[0] in browser.find_element("css selector", "[aria-label=Tasks] details[open]").text
        photograph(browser, f"{ui.release}-walk-3-cause")

        shops.open_again()
        click(browser, "//main//a[normalize-space(.)='Repair the job']")
        shown(browser, lambda b: "Back, without a change" in text(b))
        photograph(browser, f"{ui.release}-walk-4-question")
        click(browser, "//main//button[normalize-space(.)='Repair the job']")
        shown(browser, lambda b: "The queue of worker has 3 failed tasks again" in text(b))
        photograph(browser, f"{ui.release}-walk-5-answer")

        click(browser, "//main//a[starts-with(normalize-space(.), 'Back to')]")
        shown(browser, lambda b: "Repaired: 3 failed tasks" in text(b), 5)
        click(browser, "//main//p//a[contains(@href, '/jobs/')]")
        shown(browser, lambda b: "of 3 tasks are closed" in text(b))
        watched_until_over(browser)
        assert "Completed\n3\nFailed\n0" in text(browser)
        photograph(browser, f"{ui.release}-walk-6-repaired")
        if not ui.is_airflow_2:
            assert browser.execute_script("return window.top.location.href") == outside
