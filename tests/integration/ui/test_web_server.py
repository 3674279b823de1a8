"""The pages in the web server of Airflow 2, with its own users: Flask AppBuilder's roles."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sosw_airflow._compat.server import pages_of_this_airflow
from sosw_airflow.jobs.identity import COMMAND_DAG_ID
from tests.conftest import BUCKET, REGION

pytestmark = [
    pytest.mark.skipif(pages_of_this_airflow() != "web_server", reason="this Airflow has no web server"),
    pytest.mark.slow,
]

#: Of Flask AppBuilder; the last two are made here: one that may only open the UI, one that may read another DAG.
ROLES = ("anonymous", "Public", "Viewer", "User", "Op", "Admin", "Website", "Other")


@pytest.fixture(scope="module")
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Clients of the web server in this process, by role, behind ``/team/airflow``; its database is of its own."""
    from airflow import settings

    home: Path = tmp_path_factory.mktemp("airflow")
    own = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__WEBSERVER__SECRET_KEY": "a secret of this test",
        "AIRFLOW__WEBSERVER__SESSION_BACKEND": "securecookie",  # no session is written into sqlite
        "AIRFLOW__WEBSERVER__BASE_URL": "http://localhost/team/airflow",
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    settings.configure_vars()
    settings.configure_orm()
    from airflow.utils.db import initdb
    from airflow.www.app import create_app

    initdb()
    app = create_app({"WTF_CSRF_ENABLED": False, "RATELIMIT_ENABLED": False}, testing=True)
    manager = app.appbuilder.sm
    manager.bulk_sync_roles(
        [
            {"role": "Website", "perms": [("can_read", "Website")]},
            {"role": "Other", "perms": [("can_read", "Website"), ("can_read", "DAG:other"), ("can_read", "DAG Runs")]},
        ]
    )
    for role in ROLES[1:]:
        manager.add_user(role, role, role, f"{role}@localhost", manager.find_role(role), password=role)
    manager.get_session.close()

    @cache
    def client(role: str) -> Any:
        opened = app.test_client()
        if role != "anonymous":
            answer = opened.post("/team/airflow/login/", data={"username": role, "password": role})
            assert answer.status_code == 302, answer.text
        return opened

    yield client
    settings.dispose_orm()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    settings.configure_vars()
    settings.configure_orm()


@pytest.fixture(autouse=True)
def connection(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Connection and the Variables."""
    extra = {"queue_bucket": BUCKET, "region_name": REGION, "aws_conn_id": ""}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({"worker": {}}))


#: Each page with its answer, and the roles that get it.
EVERYBODY = {"Viewer", "User", "Op", "Admin", "Website", "Other"}
READERS = {"Viewer", "User", "Op", "Admin"}
PAGES = {
    "/sosw/": (303, EVERYBODY),
    "/sosw/c/sosw_default": (200, EVERYBODY),
    "/sosw/c/sosw_default/labourers/worker": (200, EVERYBODY),
    f"/sosw/c/sosw_default/dags/dag/jobs/{'0' * 20}": (404, READERS),
    f"/sosw/c/sosw_default/dags/{quote(quote(COMMAND_DAG_ID))}/jobs/{'0' * 20}": (404, READERS),
    "/sosw/runs/dag/manual__2026-03-02T00:00:00+00:00": (200, READERS),
    "/sosw/runs/other/run": (200, READERS | {"Other"}),
    "/sosw/instances/dag/run/task/-1": (200, READERS),
    "/sosw/static/sosw.css": (200, {*EVERYBODY, "Public"}),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", PAGES)
def test_who_sees_which_page(web_server: Any, role: str, path: str) -> None:
    """Without a session the page of the login; with one, what the role permits."""
    answer = web_server(role).get(f"/team/airflow{path}")
    status, roles = PAGES[path]
    expected = 302 if role == "anonymous" else status if role in roles else 403
    assert answer.status_code == expected, answer.text[:2000]
    if role == "anonymous":
        assert "/login" in answer.headers["Location"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("role", ["anonymous", "Admin"])
def test_no_page_changes_anything(web_server: Any, role: str, method: str) -> None:
    """Whoever asks."""
    assert web_server(role).open("/team/airflow/sosw/c/sosw_default", method=method).status_code == 405


def test_links_survive_a_path_before_airflow(web_server: Any) -> None:
    """The base URL is http://localhost/team/airflow."""
    answer = web_server("Viewer").get("/team/airflow/sosw/c/sosw_default")
    assert 'href="/team/airflow/sosw/static/sosw.css?v=' in answer.text
    assert 'href="/team/airflow/sosw/c/sosw_default/labourers/worker"' in answer.text


def test_airflow_shows_the_pages(web_server: Any) -> None:
    """In its menu."""
    assert 'href="/team/airflow/sosw/"' in web_server("Admin").get("/team/airflow/home").text
