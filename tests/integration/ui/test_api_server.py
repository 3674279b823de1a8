"""The pages in the API server of Airflow 3.1 and later, with its own users: the simple auth manager."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow._compat.server import pages_of_this_airflow
from tests.conftest import Aws
from tests.integration.ui.servers import (
    HOSTILE_PARTS,
    airflow_with,
    asked,
    routes_without,
    sees_what_was_done_elsewhere,
)

pytestmark = [
    pytest.mark.skipif(pages_of_this_airflow() != "api_server", reason="this Airflow has no API server with pages"),
    pytest.mark.slow,
    pytest.mark.usefixtures("connection"),
]

ROLES = ("anonymous", "viewer", "user", "op", "admin")


@pytest.fixture(scope="module")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Clients of the API server in this process, by role, behind ``/team/airflow``; its database is of its own."""
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
    (home / "passwords.json").write_text(json.dumps({role: role for role in ROLES[1:]}))
    with airflow_with(own):
        from airflow.api_fastapi import app as airflow_app

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


WORKER = "/sosw/c/sosw_default/labourers/worker"
CANCEL = "/sosw/c/sosw_default/dags/dag/jobs/{job}/actions/cancel"
RESUME = f"{WORKER}/actions/resume"

#: Each action, and the roles that may carry it out: a user changes DAG runs, an operator changes Variables.
ACTIONS = {
    CANCEL: {"user", "op", "admin"},
    RESUME: {"op", "admin"},
    "/sosw/c/sosw_default/actions/doctor": {"op", "admin"},
}

FROM_HERE = {"Origin": "http://testserver"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", ACTIONS)
def test_who_may_act(api_server: Any, job: str, role: str, path: str) -> None:
    """The question has the same guard as the act."""
    client, permitted, path = api_server(role), role in ACTIONS[path], path.format(job=job)
    refused = 401 if role == "anonymous" else 403
    assert client.get(path).status_code == (200 if permitted else refused)
    answer = client.post(path, data=asked(client, path), headers=FROM_HERE)
    assert answer.status_code == (200 if permitted else refused), answer.text


def test_every_page_is_in_the_tables() -> None:
    """A new page has its line."""
    assert routes_without([*PAGES, *ACTIONS]) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (FROM_HERE, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://airflow.example:80"}, 200),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://testserver.evil.example"}, 403),
        ({"Origin": "http://["}, 403),
        ({**FROM_HERE, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**FROM_HERE, "Sec-Fetch-Site": "same-site"}, 403),
        ({"Referer": "http://testserver/team/airflow/sosw"}, 403),
    ],
)
def test_which_page_sent_a_form(
    api_server: Any, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], status: int
) -> None:
    """A page of this site: of the host that was asked, or of the base URL. A browser that is silent is refused."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example/team/airflow")
    client = api_server("admin")
    assert client.post(RESUME, data=asked(client, RESUME), headers=headers).status_code == status


@pytest.mark.parametrize("token", ["", "1.2", "x", "9999999999.aa", "é", "\x00", "a" * 5000])
def test_a_form_without_its_token(api_server: Any, token: str) -> None:
    """Nothing is done."""
    assert api_server("admin").post(RESUME, data={"csrf_token": token}, headers=FROM_HERE).status_code == 403


def test_the_token_of_another_form_or_user(api_server: Any) -> None:
    """Neither is one."""
    admin, op = api_server("admin"), api_server("op")
    for fields in (asked(admin, f"{WORKER}/actions/pause"), asked(op, RESUME)):
        assert fields
        assert admin.post(RESUME, data=fields, headers=FROM_HERE).status_code == 403


def test_a_form_that_is_too_large(api_server: Any) -> None:
    """It is not read to its end."""
    assert api_server("admin").post(RESUME, content=b"a" * 100_000, headers=FROM_HERE).status_code == 413


def test_the_audit_log(api_server: Any, job: str) -> None:
    """It has who, what, and which job, beside the DAG's other entries."""
    from airflow import settings
    from airflow.models.log import Log
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    client, path = api_server("admin"), CANCEL.format(job=job)
    assert client.post(path, data=asked(client, path), headers=FROM_HERE).status_code == 200
    with Session(settings.engine) as session:
        found = session.scalars(select(Log).where(Log.event == "sosw.cancel").order_by(Log.id.desc())).first()
    assert (found.dag_id, found.owner) == ("dag", "admin")
    assert json.loads(found.extra) == {"conn_id": "sosw_default", "job_id": job}


def test_what_a_viewer_has_done_in_another_process_shows_at_once(api_server: Any, aws: Aws) -> None:
    """Its answer left the time with the viewer, signed. Who comes without it sees the last reading."""
    client, other = api_server("admin"), api_server("viewer")

    def keep(name: str, value: str) -> None:
        client.cookies.set(name, value, path="/team/airflow/sosw", domain="testserver.local")

    sees_what_was_done_elsewhere(client, other, aws, base="", user="admin", origin=FROM_HERE["Origin"], keep=keep)


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


@pytest.mark.parametrize("pattern", ["/sosw/{}", "/sosw/c/{}", "/sosw/runs/{}/{}", f"{WORKER}/actions/{{}}"])
def test_a_hostile_address(api_server: Any, pattern: str) -> None:
    """As it comes over the wire: a page, never an error of ours."""
    client = api_server("admin")
    answers = {part: client.get(pattern.replace("{}", part) + f"?page={part}").status_code for part in HOSTILE_PARTS}
    assert {part: status for part, status in answers.items() if status >= 500} == {}


def test_a_refusal_is_a_page(api_server: Any) -> None:
    """With a sentence, the same policy for its content, and no trace of what was asked for."""
    answer = api_server("anonymous").get("/sosw/c/sosw_default?x=<script>")
    assert "Sign in to Airflow" in answer.text
    assert "script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_who_has_not_signed_in_is_led_to_the_login_and_back(api_server: Any) -> None:
    """In the same frame, which no link without a script leaves. Airflow itself checks where it leads back to."""
    page = api_server("anonymous").get("/sosw/runs/dag/manual__1+1?x=1").text
    address = re.search(r'<a href="([^"]+)">Sign in</a>', page)
    assert address
    assert address[1] == "/team/airflow/api/v2/auth/login?next=/team/airflow/sosw/runs/dag/manual__1%252B1"
    answer = api_server("anonymous").get(address[1].removeprefix("/team/airflow"))
    assert (answer.status_code, "/auth/login?next=" in answer.headers["location"]) == (307, True)


def test_airflow_shows_the_pages(api_server: Any) -> None:
    """In its navigation, on the DAG run, and on the task instance."""
    plugins = api_server("admin").get("/api/v2/plugins").json()["plugins"]
    (ours,) = [each for each in plugins if each["name"] == "sosw"]
    assert {each["destination"] for each in ours["external_views"]} == {"nav", "dag_run", "task_instance"}
