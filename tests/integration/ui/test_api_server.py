"""The pages in the API server of Airflow 3.1 and later, with its own users: the simple auth manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow._compat.server import pages_of_this_airflow
from tests.conftest import BUCKET, REGION

pytestmark = [
    pytest.mark.skipif(pages_of_this_airflow() != "api_server", reason="this Airflow has no API server with pages"),
    pytest.mark.slow,
]

ROLES = ("anonymous", "viewer", "user", "op", "admin")


@pytest.fixture(scope="module")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Clients of the API server in this process, by role, behind ``/team/airflow``; its database is of its own."""
    import os

    from airflow import settings
    from airflow.configuration import conf
    from fastapi.testclient import TestClient

    home: Path = tmp_path_factory.mktemp("airflow")
    users = ",".join(f"{role}:{role}" for role in ROLES[1:])
    own = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of this test, " * 4,
        "_AIRFLOW_PROCESS_CONTEXT": "server",
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    (home / "passwords.json").write_text(json.dumps({role: role for role in ROLES[1:]}))
    conf.validate()
    settings.configure_vars()
    settings.configure_orm()
    from airflow.api_fastapi import app as airflow_app
    from airflow.utils.db import initdb

    initdb()
    airflow_app.purge_cached_app()
    root, airflow_app.API_ROOT_PATH = airflow_app.API_ROOT_PATH, "/team/airflow/"
    app = airflow_app.cached_app(apps="core")

    def client(role: str) -> Any:
        opened = TestClient(app, base_url="http://testserver/team/airflow", follow_redirects=False)
        if role != "anonymous":
            from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

            token = airflow_app.get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=role, role=role))
            opened.cookies.set("_token", token)
        return opened

    yield client
    airflow_app.API_ROOT_PATH = root
    airflow_app.purge_cached_app()
    settings.dispose_orm()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    settings.configure_vars()


@pytest.fixture(autouse=True)
def connection(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Connection and the Variables."""
    extra = {"queue_bucket": BUCKET, "region_name": REGION, "aws_conn_id": ""}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({"worker": {}}))


PAGES = {
    "/sosw/": 303,
    "/sosw/c/sosw_default": 200,
    "/sosw/c/sosw_default/labourers/worker": 200,
    f"/sosw/c/sosw_default/dags/dag/jobs/{'0' * 20}": 404,
    "/sosw/runs/dag/manual__2026-03-02T00:00:00+00:00": 200,
    "/sosw/instances/dag/run/task/-1": 200,
    "/sosw/static/sosw.css": 200,
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", PAGES)
def test_who_sees_which_page(api_server: Any, role: str, path: str) -> None:
    """Without a session none; with one, what the role of the simple auth manager permits: every role reads all DAGs."""
    answer = api_server(role).get(path)
    assert answer.status_code == (401 if role == "anonymous" else PAGES[path]), answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("role", ROLES)
def test_no_page_changes_anything(api_server: Any, role: str, method: str) -> None:
    """Whoever asks."""
    answer = api_server(role).request(method, "/sosw/c/sosw_default")
    assert answer.status_code == (401 if role == "anonymous" and method == "POST" else 405)


def test_links_survive_a_path_before_airflow(api_server: Any) -> None:
    """The base URL is http://testserver/team/airflow."""
    answer = api_server("viewer").get("/sosw/c/sosw_default")
    assert 'href="/team/airflow/sosw/static/sosw.css?v=' in answer.text
    assert 'href="/team/airflow/sosw/c/sosw_default/labourers/worker"' in answer.text


def test_a_refusal_is_a_page(api_server: Any) -> None:
    """With a sentence, the same policy for its content, and no trace of what was asked for."""
    answer = api_server("anonymous").get("/sosw/c/sosw_default?x=<script>")
    assert "Sign in to Airflow" in answer.text
    assert "script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_airflow_shows_the_pages(api_server: Any) -> None:
    """In its navigation, on the DAG run, and on the task instance."""
    plugins = api_server("admin").get("/api/v2/plugins").json()["plugins"]
    (ours,) = [each for each in plugins if each["name"] == "sosw"]
    assert {each["destination"] for each in ours["external_views"]} == {"nav", "dag_run", "task_instance"}
