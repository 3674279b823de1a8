"""A user's walk through a whole Airflow in a browser: a job runs, some of its tasks fail, they are repaired.

Its web server has two processes, which know each of its own readings. The screenshots go to build/browser/screenshots.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.browser.conftest import ENVIRONMENTS, Ui, chromium
from tests.system.browser.shops import LABOURER, RUN, Shops, running_shops
from tests.system.browser.test_connection_form import by_xpath, photograph, shown

pytestmark = pytest.mark.slow

WORDS = [*(f"word_{number}" for number in range(13)), "mazda", "tulip", "chess"]
SOLD_OUT = {"mazda": "the shop is closed", "tulip": "the shop is closed", "chess": "the shop is closed"}


@pytest.fixture(params=ENVIRONMENTS)
def shops(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shops]:
    """Sixteen tasks of one job, of which three fail."""
    with running_shops(request.param, tmp_path, WORDS, SOLD_OUT) as running:
        yield running


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

    shown(browser, is_over, 240)
    assert browser.execute_script("return window.untouched"), "the page was loaded again"
    return sorted(set(seen))


def text(browser: Any) -> str:
    """What the page of sosw says."""
    return str(browser.find_element("id", "main").text)


def rows(browser: Any, table: str) -> list[Any]:
    """Those of the table with this label."""
    return list(browser.find_elements("css selector", f"[aria-label={table}] tbody tr"))


def enter(browser: Any, ui: Ui) -> None:
    """Come to the job from Airflow's own pages: from its DAG run, or from the menu of Airflow 2."""
    if ui.is_airflow_2:
        browser.get(f"{ui.url}/home")
        click(browser, "//a[normalize-space(.)='Browse']")
        click(browser, "//a[normalize-space(.)='sosw']")
        click(browser, f"//main//a[normalize-space(.)='{LABOURER}']")
    else:
        browser.get(f"{ui.url}{RUN}")
        click(browser, "//a[contains(@href, 'plugin/sosw-dag-run')]")
        browser.switch_to.frame(shown(browser, by_xpath("//iframe")))
    click(browser, "//main//table//a[contains(@href, '/jobs/')]")


def test_a_job_is_watched_and_repaired(shops: Shops, tmp_path: Path) -> None:
    """Its progress comes by itself, the failures have one cause, the button repairs them: on one page of Airflow."""
    ui = shops.ui
    with chromium(tmp_path / "profile") as browser:
        ui.sign_in(browser)
        shops.schedule()
        enter(browser, ui)
        shown(browser, lambda b: "Origin" in text(b))
        photograph(browser, f"{ui.release}-walk-1-running")
        shares = watched_until_over(browser)
        assert shares[0] < 100
        outside = browser.execute_script("return window.top.location.href")

        photograph(browser, f"{ui.release}-walk-2-failed")
        (cause,) = rows(browser, "Causes")
        assert "the shop is closed 3 " in cause.text
        cause.find_element("css selector", "td.number a").click()
        shown(browser, lambda b: "Failed with: " in text(b))
        # The other process of the web server may show what it has read half a minute ago, until it has read again.
        shown(browser, lambda b: len(rows(b, "Tasks")) == len(SOLD_OUT), 40)
        browser.find_element("css selector", "[aria-label=Tasks] summary").click()
        assert "mazda" in browser.find_element("css selector", "[aria-label=Tasks] details[open]").text
        photograph(browser, f"{ui.release}-walk-3-cause")

        shops.open_again()
        click(browser, "//main//a[normalize-space(.)='Repair the job']")
        shown(browser, lambda b: "Back, without a change" in text(b))
        photograph(browser, f"{ui.release}-walk-4-question")
        click(browser, "//main//button[normalize-space(.)='Repair the job']")
        shown(browser, lambda b: f"The queue of {LABOURER} has 3 failed tasks again" in text(b))
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

        click(browser, "//main//dd//a[normalize-space(.)='shops']")
        browser.switch_to.default_content()
        shown(browser, lambda b: "/dags/shops" in b.current_url and "/runs/" not in b.current_url)
