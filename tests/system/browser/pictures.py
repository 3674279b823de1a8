"""Takes the pictures of docs/images again: `python -m tests.system.browser.pictures`, after a `make test-browser`.

From a job that runs in a whole Airflow 3.3: its pages in Airflow, in its dark mode, on a telephone.
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.system.browser.conftest import ROOT, chromium
from tests.system.browser.shops import LABOURER, RUN, running_shops
from tests.system.browser.test_connection_form import by_xpath, shown
from tests.system.browser.test_sosw_pages import emulate
from tests.system.browser.test_walk import click, share_closed

IMAGES = ROOT / "docs" / "images"

#: Colours of a picture, and the bytes that it may have.
COLOURS, MOST = 256, 100_000

WORDS = [f"item_{number}" for number in range(60)]
FAILING = {
    **dict.fromkeys(["item_4", "item_9", "item_21"], "the shop is closed"),
    **dict.fromkeys(["item_7"], "no such item: 7"),
}


def main() -> None:
    """Take them, and say how large they are."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_shops("3.3", Path(folder), WORDS, FAILING) as shops,
        chromium(Path(folder) / "profile") as browser,
    ):
        _take_all(browser, shops)


def _take_all(browser: Any, shops: Any) -> None:
    url = shops.ui.url
    shops.ui.sign_in(browser)
    browser.get(f"{url}/sosw/c/sosw_default/labourers/translate_reviews/actions/pause")
    browser.find_element("id", "reason").send_keys("the supplier is away until Monday")
    browser.find_element("css selector", "form button").click()
    shops.schedule()
    emulate(browser, "light", 1300)
    browser.get(f"{url}{RUN}")
    click(browser, "//a[contains(@href, 'plugin/sosw-dag-run')]")
    browser.switch_to.frame(shown(browser, by_xpath("//iframe")))
    click(browser, "//main//table//a[contains(@href, '/jobs/')]")
    shown(browser, lambda b: share_closed(b) > 35, 240)
    _take(browser, "page-job", 1300, 1000)
    job = browser.execute_script("return location.href")
    browser.switch_to.default_content()
    browser.get(f"{url}/plugin/sosw")
    browser.switch_to.frame(shown(browser, by_xpath("//iframe")))
    shown(browser, by_xpath(f"//main//a[normalize-space(.)='{LABOURER}']"))
    _take(browser, "page-labourers", 1400, 620)
    for name, address, scheme, width, height in (
        ("page-labourer", f"{url}/sosw/c/sosw_default/labourers/{LABOURER}", "light", 1200, 1000),
        ("page-job-dark", job, "dark", 1200, 1000),
        ("page-job-360", job, "light", 360, 1000),
        ("page-question", f"{job}/actions/repair", "light", 1200, 260),
    ):
        emulate(browser, scheme, width)
        browser.get(address)
        shown(browser, lambda b: "has not answered" not in b.find_element("id", "main").text)
        _take(browser, name, width, height)


def _take(browser: Any, name: str, width: int, height: int) -> None:
    """Write what is to be seen, with few colours.

    :raises SystemExit: it is too large for the documentation.
    """
    from PIL import Image

    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    picture = Image.open(BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    path = IMAGES / f"{name}.png"
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    if path.stat().st_size > MOST:
        sys.exit(f"{path} has more than {MOST:,} bytes.")


if __name__ == "__main__":
    main()
