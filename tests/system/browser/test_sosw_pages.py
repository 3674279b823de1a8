"""The pages of sosw in a browser, under a base URL with a path: for everyone, by keyboard, without scripts, refreshed.

The screenshots go to build/browser/screenshots.
"""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import boto3
import pytest

from demo import embedded_aws
from demo.queue import Queue
from demo.settings import ACCESS_KEY, QUEUE_BUCKET, REGION, SECRET_KEY
from sosw_airflow.jobs.identity import command_identity, task_id
from sosw_airflow.stores.tables import TableNames
from tests.support.closing import close
from tests.system.browser.conftest import ENVIRONMENTS, ROOT, Ui, chromium, web_server
from tests.system.browser.test_connection_form import photograph, shown

pytestmark = pytest.mark.slow

AXE = ROOT / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
JOB = {"words": ["melon", "sushi", "toyota", "mazda", "opera", "cello"], "isolate_words": True}
JOB_ID = command_identity("schedule", "shown", "worker").job_id
WORKER = "/sosw/c/sosw_default/labourers/worker"
PAGES = {
    "labourers": "/sosw/",
    "labourer": WORKER,
    "job": f"/sosw/c/sosw_default/dags/cli/jobs/{JOB_ID}",
    "failed": f"/sosw/c/sosw_default/dags/cli/jobs/{JOB_ID}?state=failed",
    "question": f"{WORKER}/actions/pause",
    "limit": f"/sosw/c/sosw_default/dags/cli/jobs/{JOB_ID}/actions/limit",
    "repair": f"/sosw/c/sosw_default/dags/cli/jobs/{JOB_ID}/actions/repair",
    "tab": "/sosw/runs/dag/run",
    "missing": "/sosw/c/sosw_default/labourers/nobody",
    "trouble": "/sosw/c/elsewhere",
}


@dataclass
class _Aws:
    dynamodb: Any
    names: TableNames = field(default_factory=TableNames)


def fail(aws: Any, index: int, error: str, message: str) -> None:
    """Close a task as failed, with its error."""
    close(aws, JOB_ID, [index], completed=False)
    aws.dynamodb.update_item(
        TableName="sosw_closed_tasks",
        Key={"task_id": {"S": task_id(JOB_ID, index)}},
        UpdateExpression="SET error_type = :error, error_message = :message",
        ExpressionAttributeValues={":error": {"S": error}, ":message": {"S": message}},
    )


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def ui(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """A web server of each Airflow, and a job of six tasks: three completed, two failed for two reasons, one open."""
    folder: Path = tmp_path_factory.mktemp("pages")
    aws = embedded_aws.start(folder / "aws")
    Queue(aws.url).create_what_is_missing()
    extra = {"queue_bucket": QUEUE_BUCKET, "region_name": REGION, "endpoint_url": aws.url}
    variables = {
        "AIRFLOW_CONN_SOSW_DEFAULT": json.dumps({"conn_type": "sosw", "extra": extra}),
        "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps({"worker": {"max_simultaneous_invocations": 4}, "pull_weather": {}}),
        "AIRFLOW_VAR_SOSW_JOB_SCHEMAS": json.dumps({"default": {"chunkable_attrs": ["word"]}}),
    }
    try:
        with web_server(request.param, folder / "airflow", path="/team/airflow", variables=variables) as server:
            (folder / "job.json").write_text(json.dumps(JOB))
            schedule = [str(server.python.parent / "sosw-airflow"), "schedule", str(folder / "job.json")]
            subprocess.run(
                [*schedule, "--labourer", "worker", "--id", "shown"],
                env=server.environment, check=True, capture_output=True,
            )  # fmt: skip
            keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
            tables = _Aws(boto3.client("dynamodb", region_name=REGION, endpoint_url=aws.url, **keys))
            close(tables, JOB_ID, [0, 1, 2])
            fail(tables, 3, "ValueError", "no word 'mazda'")
            fail(tables, 4, "TimeoutError", "after 900 s")
            yield server
    finally:
        embedded_aws.stop(folder / "aws")


@pytest.fixture(scope="module")
def signed_in(ui: Ui, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser whose user has signed in: once, since Flask AppBuilder refuses many of them."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        ui.sign_in(driver)
        yield driver


@pytest.fixture
def browser(signed_in: Any) -> Any:
    """The same browser, of its own size and with its own colours."""
    signed_in.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    signed_in.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    return signed_in


def open_page(browser: Any, ui: Ui, name: str) -> None:
    """Open a page, and wait until AWS has answered it."""
    for _ in range(20):
        browser.get(f"{ui.url}{PAGES[name]}")
        if "has not answered" not in browser.find_element("tag name", "main").text:
            return


def emulate(browser: Any, scheme: str, width: int) -> None:
    """A colour scheme and a width in pixels."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    screen = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 360)])
def test_nothing_serious_for_people_with_disabilities(browser: Any, ui: Ui, scheme: str, width: int) -> None:
    """As axe-core judges every view: contrast, names, landmarks, headers. And nothing is wider than the screen."""
    assert AXE.exists(), "make test-browser installs it"
    emulate(browser, scheme, width)
    serious = {}
    for name in PAGES:
        open_page(browser, ui, name)
        photograph(browser, f"{ui.release}-{name}-{scheme}-{width}")
        wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        browser.execute_script(AXE.read_text())
        found = browser.execute_async_script("axe.run().then(arguments[0])")["violations"]
        bad = [
            f"{each['id']}: {node['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]
        if bad or wide > 0:
            serious[name] = [*bad, f"{wide} px wider than the screen"]
    assert serious == {}


def test_the_result_of_an_action_for_people_with_disabilities(browser: Any, ui: Ui) -> None:
    """A form is sent with its token, and the answer is a view, too."""
    open_page(browser, ui, "limit")
    browser.find_element("id", "max_running").send_keys("2")
    browser.find_element("css selector", "form button").click()
    shown(browser, lambda b: "The job has max_running 2" in b.page_source)
    browser.get(f"{ui.url}{WORKER}/actions/doctor")
    browser.find_element("css selector", "form button").click()
    shown(browser, lambda b: "broken, " in b.page_source)
    photograph(browser, f"{ui.release}-doctor-light-1200")
    browser.execute_script(AXE.read_text())
    found = browser.execute_async_script("axe.run().then(arguments[0])")["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("name", ["labourers", "labourer", "failed", "question"])
def test_a_page_by_keyboard(browser: Any, ui: Ui, name: str) -> None:
    """The tabulator reaches everything that can be clicked, in its order; the first is the way to the content."""
    from selenium.webdriver import ActionChains, Keys

    open_page(browser, ui, name)
    reachable = "a[href], button, input:not([type=hidden]), summary, [tabindex='0']"
    expected = browser.execute_script(
        f"const all = [...document.querySelectorAll(`{reachable}`)];"
        "return all.filter((e) => e.checkVisibility()).map((e) => e.outerHTML)"
    )
    found = []
    for _ in expected:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        found.append(browser.execute_script("return document.activeElement.outerHTML"))
    assert found == expected
    assert 'class="skip"' in found[0]


def test_a_task_is_opened_by_keyboard(browser: Any, ui: Ui) -> None:
    """With the return key."""
    from selenium.webdriver import Keys

    open_page(browser, ui, "failed")
    browser.find_element("css selector", "[aria-label=Tasks] summary").send_keys(Keys.RETURN)
    assert "mazda" in browser.find_element("css selector", "details[open] pre").text


def test_a_refresh_changes_nothing_for_its_reader(browser: Any, ui: Ui) -> None:
    """What is new comes in; scroll, focus and opened rows stay."""
    emulate(browser, "light", 360)
    open_page(browser, ui, "failed")
    browser.find_elements("css selector", "[aria-label=Tasks] summary")[1].click()
    browser.execute_script(
        "document.querySelectorAll('[aria-label=Tasks] summary')[1].focus(); window.scrollTo(0, 700);"
        "document.querySelector('[data-live]').append('that is old')"
    )
    before = browser.execute_script("return window.scrollY")
    assert before > 0
    browser.execute_async_script("refresh().then(arguments[0])")
    assert "that is old" not in browser.find_element("tag name", "main").text
    state = browser.execute_script(
        "const rows = [...document.querySelectorAll('[aria-label=Tasks] summary')];"
        "return [window.scrollY, rows.indexOf(document.activeElement), rows.map((e) => e.parentElement.open)]"
    )
    assert state == [before, 1, [False, True]]


def test_a_page_without_scripts(ui: Ui, tmp_path: Path) -> None:
    """It shows the same, has a link that refreshes it, and a labourer is paused and resumed."""
    with chromium(tmp_path / "silent", scripts=False) as browser:
        ui.sign_in(browser)
        open_page(browser, ui, "failed")
        assert "5 of 6" in browser.page_source or "83.3 %" in browser.page_source
        browser.find_element("link text", "Refresh").click()
        assert "no word" in browser.page_source
        open_page(browser, ui, "question")
        browser.find_element("id", "reason").send_keys("the supplier is away")
        browser.find_element("css selector", "form button").click()
        shown(browser, lambda b: "The labourer is paused" in b.page_source)
        browser.get(f"{ui.url}{WORKER}/actions/resume")
        browser.find_element("css selector", "form button").click()
        shown(browser, lambda b: "has ended" in b.page_source)


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {value for name, value in attrs if name in ("href", "src", "action") and value}


def test_every_link_works_under_a_base_url_with_a_path(browser: Any, ui: Ui) -> None:
    """Each address of each page: of pages, styles and scripts, and those of Airflow's own UI."""
    open_page(browser, ui, "labourers")
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in browser.get_cookies())
    addresses: set[str] = set()
    for name in PAGES:
        open_page(browser, ui, name)
        parser = _Addresses()
        parser.feed(browser.page_source)
        addresses |= {urljoin(browser.current_url, each).partition("#")[0] for each in parser.found}
    assert len(addresses) > 20
    refused = {}
    for address in addresses:
        assert address.startswith(f"{ui.url}/")
        request = urllib.request.Request(address, headers={"Cookie": cookies})  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=60):  # noqa: S310
                pass
        except urllib.error.HTTPError as error:
            refused[address] = error.code
    expected = {f"{ui.url}{PAGES['missing']}": 404}
    assert refused.items() <= expected.items()
