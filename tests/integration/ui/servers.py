"""What the tests of the pages in a server of Airflow share, whatever the server and its users."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sosw_airflow.orchestration.labourer_pause import LabourerPause, pause_labourer
from sosw_airflow.ui.forms import changed_cookie
from sosw_airflow.ui.requests import parts_of
from sosw_airflow.ui.routes import ROUTES

__all__ = ["HOSTILE_PARTS", "airflow_with", "asked", "routes_without", "sees_what_was_done_elsewhere"]

#: Parts of a path as a scanner sends them, still quoted.
HOSTILE_PARTS = (
    *("%00", "%ff", "%25", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%252e%252e%252f", "%0d%0aX:y", "%e2%80%ae"),
    *("a%2fb", "%3Cscript%3E", "{{7*7}}", "~", "a" * 2000, "%uD83D", "%", "%zz"),
)


@contextmanager
def airflow_with(own: Mapping[str, str]) -> Iterator[None]:
    """Inside, Airflow in this process has these variables, among them those of a database of its own, which is new."""
    from airflow import settings
    from airflow.configuration import conf

    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    conf.validate()
    settings.configure_vars()
    settings.configure_orm()
    from airflow.utils.db import initdb

    initdb()
    try:
        yield
    finally:
        settings.dispose_orm()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        settings.configure_vars()


def asked(client: Any, path: str) -> dict[str, str]:
    """The fields of the form that a question has."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    return {"csrf_token": found[1]} if found else {}


def routes_without(paths: Iterable[str]) -> list[str]:
    """The views of the site that none of these addresses leads to."""
    parts = [parts_of(path.partition("/sosw")[2]) for path in paths]
    return [route.view for route in ROUTES if all(route.match(each) is None for each in parts)]


def sees_what_was_done_elsewhere(
    client: Any, other: Any, aws: Any, *, base: str, user: str, origin: str, keep: Callable[[str, str], None]
) -> None:
    """What a viewer has done in another process shows at once, by the cookie of its answer. Others see no change.

    :param base: what the client puts before the path of a page.  :param user: of the client.
    :param origin: of the server.
    :param keep: gives the client a cookie: name, value.
    """
    from sosw_airflow._compat.server import form_secret

    worker = f"{base}/sosw/c/sosw_default/labourers/worker"
    resume = f"{worker}/actions/resume"
    answer = client.post(resume, data=asked(client, resume), headers={"Origin": origin})
    attributes = answer.headers["Set-Cookie"].split("; ")[1:]
    assert {"HttpOnly", "Max-Age=60", "Path=/team/airflow/sosw", "SameSite=Strict"} <= set(attributes)
    assert "paused" not in client.get(worker).text
    pause_labourer(aws.dynamodb, "sosw_jobs", "worker", LabourerPause("bob", int(time.time()), ""))
    assert "paused" not in other.get(worker).text
    cookie = changed_cookie("/", form_secret(), user, time.time())
    keep(cookie["key"], cookie["value"])
    assert "paused" in client.get(worker).text
