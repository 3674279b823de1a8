"""The form of a Connection of type sosw, as a person fills it in: opened, filled, tested with the button, saved.

The screenshots go to build/browser/screenshots.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.settings import QUEUE_BUCKET, REGION
from sosw_airflow.config.settings import SoswSettings
from tests.system.browser.conftest import ROOT, Ui, web_server

pytestmark = pytest.mark.slow

SCREENSHOTS = ROOT / "build" / "browser" / "screenshots"
CONN_ID = "sosw_by_hand"
Found = Callable[[Any], Any]


def shown(browser: Any, look: Found, seconds: float = 90) -> Any:
    """What is looked for, as soon as it is there; pages draw themselves anew meanwhile."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, ignored_exceptions=[WebDriverException]).until(look)


def by_xpath(path: str) -> Found:
    """Look for the first element of this path."""
    return lambda browser: browser.find_element("xpath", path)


def photograph(browser: Any, name: str) -> None:
    """Keep what is to be seen."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


def filled_in(aws_url: str) -> dict[str, str]:
    """What has to be typed; all other fields have their defaults."""
    return {
        "queue_bucket": QUEUE_BUCKET,
        "region_name": REGION,
        "endpoint_url": aws_url,
        "max_rows_per_second": "500",
    }


def settings_saved(ui: Ui, folder: Path) -> SoswSettings:
    """What the provider makes of the saved Connection."""
    connection = ui.saved(CONN_ID, folder)
    assert connection["conn_type"] == "sosw"
    return SoswSettings.of(connection["extra"], conn_id=CONN_ID)


def expected(aws_url: str) -> SoswSettings:
    """The settings that were typed."""
    return SoswSettings(queue_bucket=QUEUE_BUCKET, region_name=REGION, endpoint_url=aws_url, max_rows_per_second=500)


def test_airflow_3(browser: Any, aws_url: str, tmp_path: Path) -> None:
    """Saved first, then tested in the list of Connections, as Airflow 3 has it."""
    with web_server("3.3", tmp_path / "airflow") as ui:
        browser.get(f"{ui.url}/connections")
        shown(browser, by_xpath("//button[contains(., 'Add Connection')]")).click()
        shown(browser, by_xpath("//input[@name='connection_id']")).send_keys(CONN_ID)
        browser.find_element("css selector", "[role=dialog] [role=combobox]").send_keys("sosw")
        shown(browser, by_xpath("//*[@role='option' and normalize-space(.)='sosw']")).click()
        shown(browser, by_xpath("//button[normalize-space(.)='Extra Fields']")).click()
        photograph(browser, "airflow-3-opened")
        for name, text in filled_in(aws_url).items():
            field = f"//input[@name='element_{name}']"
            shown(browser, lambda b, path=field: b.find_element("xpath", path).is_displayed())
            shown(browser, lambda b, path=field, typed=text: not b.find_element("xpath", path).send_keys(typed))
        browser.execute_script("arguments[0].scrollIntoView()", browser.find_element("name", "connection_id"))
        photograph(browser, "airflow-3-filled")
        shown(browser, lambda b: not b.find_element("xpath", "//button[contains(., 'Save')]").click())
        shown(browser, by_xpath(f"//td[contains(., '{CONN_ID}')]"))
        assert settings_saved(ui, tmp_path) == expected(aws_url)

        set_port_0(ui)
        browser.get(f"{ui.url}/connections")
        shown(browser, by_xpath("//button[@aria-label='Test Connection']")).click()
        result = shown(browser, by_xpath("//*[contains(text(), 'sosw_tasks: is right')]"))
        photograph(browser, "airflow-3-tested")
        assert f"{QUEUE_BUCKET}: exists." in result.text


def set_port_0(ui: Ui) -> None:
    """The button of Airflow 3.3.2 sends port 0 for none, and is refused where that is not what is stored."""
    body = json.dumps({"connection_id": CONN_ID, "conn_type": "sosw", "port": 0}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{ui.url}/api/v2/connections/{CONN_ID}?update_mask=port",
        data=body,
        method="PATCH",
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        assert answer.status == 200


def test_airflow_2(browser: Any, aws_url: str, tmp_path: Path) -> None:
    """Tested in the form, before it is saved."""
    with web_server("2.11", tmp_path / "airflow") as ui:
        ui.sign_in(browser)
        browser.get(f"{ui.url}/connection/add")
        shown(browser, by_xpath("//*[@id='test-connection']"))
        browser.execute_script("$('#conn_type').val('sosw').trigger('change')")
        shown(browser, by_xpath("//input[@id='conn_id']")).send_keys(CONN_ID)
        photograph(browser, "airflow-2-opened")
        for name, text in filled_in(aws_url).items():
            browser.find_element("id", f"extra__sosw__{name}").send_keys(text)
        photograph(browser, "airflow-2-filled")
        browser.find_element("id", "test-connection").click()
        alert = shown(browser, by_xpath("//*[contains(@class, 'alert') and contains(., 'sosw_tasks: is right')]"))
        browser.execute_script("window.scrollTo(0, 0)")
        photograph(browser, "airflow-2-tested")
        assert f"{QUEUE_BUCKET}: exists." in alert.text

        browser.find_element("css selector", "form#model_form button[type=submit]").click()
        shown(browser, lambda b: "/connection/add" not in b.current_url)
        assert settings_saved(ui, tmp_path) == expected(aws_url)
