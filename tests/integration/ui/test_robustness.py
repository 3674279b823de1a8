"""Whatever is asked for, and whatever AWS does: a page, never an error of ours, and within three seconds."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sosw_airflow.scheduling.scheduler import ScheduleRequest
from sosw_airflow.ui.cached_reads import CachedReads
from sosw_airflow.ui.reading import SoswReadings
from sosw_airflow.ui.requests import PageRequest, parts_of
from sosw_airflow.ui.routes import ROUTES
from sosw_airflow.ui.site import Site
from tests.integration.conftest import request_for
from tests.integration.ui.conftest import Browser, Page, Somebody
from tests.integration.ui.test_pages import HOSTILE, TAGS

#: What a scanner sends, beside what is hostile to a page.
SCANNER = (
    *HOSTILE,
    *(
        "",
        " ",
        ".",
        "..",
        "//",
        "\\",
        "\n",
        "\r\nSet-Cookie: a=b",
        "${jndi:ldap://x}",
        "$(id)",
        "`id`",
        "|id",
        "#",
        "?",
    ),
    *("-1", "0", "1e9", "NaN", "null", "true", "[]", "{}", "0x10", "9" * 400, "%", "%s%n", "{}{0}", "&a=b", ";"),
    *("sosw_default", "worker", "dag", "doctor", "pause", "repair", "limit", "1 OR 1=1", "?"),
)

VALUES = st.one_of(st.sampled_from(SCANNER), st.text(max_size=40))
NAMES = st.sampled_from(
    ["state", "page", "search", "text", "start", "cause", "reason", "max_running", "leave_unfinished", "x"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from(ROUTES),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    values=st.lists(VALUES, min_size=8, max_size=8),
    query=st.dictionaries(NAMES, VALUES, max_size=3),
    fields=st.dictionaries(NAMES, VALUES, max_size=3),
)
def test_no_input_is_an_error_of_ours(
    browser: Browser, route: Any, method: str, values: list[str], query: dict[str, str], fields: dict[str, str]
) -> None:
    """On every parameter of every route, read or sent, by a viewer who may do all."""
    given_values = iter(values)
    parts = tuple(next(given_values) if part.startswith("{") else part for part in route.pattern)
    viewer = Everyone()
    answer = browser.site.answer(PageRequest(method, parts, viewer, "/sosw", query, fields, own_form=True))
    assert answer.status < 500 or answer.status == 503
    if answer.content_type.startswith("text/html") and answer.body:
        page = Page(answer)
        assert set(page.tags) <= TAGS
        assert page.tags.count("script") == 1


class Everyone(Somebody):
    """A viewer who may read and change every DAG."""

    def may_read_dag(self, dag_id: str) -> bool:
        """Any."""
        return True

    may_change_dag = may_read_dag


@pytest.mark.parametrize("name", ["state", "page", "search", "text", "cause"])
def test_each_parameter_of_a_jobs_page(browser: Browser, schedule: Callable[[ScheduleRequest], str], name: str) -> None:
    """The page of a job that exists."""
    job_id = schedule(request_for())
    for value in SCANNER:
        page = browser.page(f"/c/sosw_default/dags/dag/jobs/{job_id}", **{name: value})
        assert (page.status, set(page.tags) <= TAGS) == (200, True), value


def test_the_map_index_of_no_task(browser: Browser) -> None:
    """It has no job, and the page says it."""
    assert "no job of sosw" in browser.page("/instances/dag/run/task/999999999").text


# -- AWS does not answer -----------------------------------------------------------------------------------------------


@pytest.fixture
def silent_aws(configured: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        extra = {
            "queue_bucket": "b",
            "region_name": "us-west-2",
            "aws_conn_id": "",
            "endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}",
        }
        monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
        yield


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/c/sosw_default", "AWS has not answered yet"),
        ("/c/sosw_default/labourers/worker", "AWS has not answered yet"),
        ("/c/sosw_default/dags/dag/jobs/" + "0" * 20, "AWS has not answered yet"),
        ("/c/sosw_default/dags/dag/jobs/" + "0" * 20 + "/actions/cancel", "AWS has not answered yet"),
    ],
)
def test_an_aws_that_is_silent(silent_aws: None, path: str, said: str) -> None:
    """The page is there within three seconds, with the reason."""
    site = Site(lambda *_, **__: [], SoswReadings(CachedReads()))
    began = time.monotonic()
    answer = site.answer(PageRequest("GET", parts_of(path), Somebody(), root="/sosw"))
    assert time.monotonic() - began < 3
    assert said in Page(answer).text
    assert answer.status in (200, 503)


def test_all_reads_of_a_page_wait_as_long_as_one() -> None:
    """A page needs several; none adds to the patience of its viewer."""
    reads, began = CachedReads(patience=0.3), time.monotonic()
    with reads.one_page():
        found = [reads.read(number, lambda _: time.sleep(5)) for number in range(3)]
    assert all(each.waiting for each in found)
    assert time.monotonic() - began < 2
