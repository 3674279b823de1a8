"""The pages in the web server of Airflow 2, with its own users: Flask AppBuilder's roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sosw_airflow._compat.server import pages_of_this_airflow
from sosw_airflow.jobs.identity import COMMAND_DAG_ID
from tests.conftest import Aws
from tests.integration.ui.servers import (
    HOSTILE_PARTS,
    airflow_with,
    asked,
    routes_without,
    sees_what_was_done_elsewhere,
)

pytestmark = [
    pytest.mark.skipif(pages_of_this_airflow() != "web_server", reason="this Airflow has no web server"),
    pytest.mark.slow,
    pytest.mark.usefixtures("connection"),
]

#: Of Flask AppBuilder; the last two are made here: one that may only open the UI, one that may read another DAG.
ROLES = ("anonymous", "Public", "Viewer", "User", "Op", "Admin", "Website", "Other")


@pytest.fixture(scope="module")
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Clients of the web server in this process, by role, behind ``/team/airflow``; its database is of its own."""
    home: Path = tmp_path_factory.mktemp("airflow")
    own = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__WEBSERVER__SECRET_KEY": "a secret of this test",
        "AIRFLOW__WEBSERVER__SESSION_BACKEND": "securecookie",  # no session is written into sqlite
        "AIRFLOW__WEBSERVER__BASE_URL": "http://localhost/team/airflow",
    }
    with airflow_with(own):
        from airflow import settings
        from airflow.www.app import create_app

        app = create_app({"WTF_CSRF_ENABLED": False, "RATELIMIT_ENABLED": False}, testing=True)
        add_users(app.appbuilder.sm)

        @cache
        def client(role: str) -> Any:
            opened = app.test_client()
            if role != "anonymous":
                answer = opened.post("/team/airflow/login/", data={"username": role, "password": role})
                assert answer.status_code == 302, answer.text
            return opened

        yield client
    settings.configure_orm()


def add_users(manager: Any) -> None:
    """A user of each role."""
    manager.bulk_sync_roles(
        [
            {"role": "Website", "perms": [("can_read", "Website")]},
            {"role": "Other", "perms": [("can_read", "Website"), ("can_read", "DAG:other"), ("can_read", "DAG Runs")]},
        ]
    )
    for role in ROLES[1:]:
        manager.add_user(role, role, role, f"{role}@localhost", manager.find_role(role), password=role)
    manager.get_session.close()


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


WORKER = "/team/airflow/sosw/c/sosw_default/labourers/worker"
CANCEL = "/team/airflow/sosw/c/sosw_default/dags/dag/jobs/{job}/actions/cancel"
RESUME = f"{WORKER}/actions/resume"

#: Each action, and the roles that may carry it out.
ACTIONS = {
    CANCEL: {"User", "Op", "Admin"},
    RESUME: {"Op", "Admin"},
    "/team/airflow/sosw/c/sosw_default/actions/doctor": {"Op", "Admin"},
}

FROM_HERE = {"Origin": "http://localhost"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", ACTIONS)
def test_who_may_act(web_server: Any, job: str, role: str, path: str) -> None:
    """The question has the same guard as the act."""
    client, permitted, path = web_server(role), role in ACTIONS[path], path.format(job=job)
    refused = 302 if role == "anonymous" else 403
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
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({**FROM_HERE, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_which_page_sent_a_form(web_server: Any, headers: dict[str, str], status: int) -> None:
    """A page of this site. A browser that is silent is refused."""
    client = web_server("Admin")
    assert client.post(RESUME, data=asked(client, RESUME), headers=headers).status_code == status


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 5000])
def test_a_form_without_its_token(web_server: Any, token: str) -> None:
    """Nothing is done, even if this web server's own protection is switched off, as it is here."""
    answer = web_server("Admin").post(RESUME, data={"csrf_token": token}, headers=FROM_HERE)
    assert answer.status_code == 403


def test_the_token_of_another_user(web_server: Any) -> None:
    """It is that of another session."""
    fields = asked(web_server("Op"), RESUME)
    assert web_server("Admin").post(RESUME, data=fields, headers=FROM_HERE).status_code == 403


def test_airflows_own_protection(web_server: Any) -> None:
    """Switched on, as it is by default, it refuses a form without a token and takes ours."""
    client = web_server("Admin")
    client.application.config["WTF_CSRF_ENABLED"] = True
    try:
        assert client.post(RESUME, headers=FROM_HERE).status_code == 400
        assert client.post(RESUME, data=asked(client, RESUME), headers=FROM_HERE).status_code == 200
    finally:
        client.application.config["WTF_CSRF_ENABLED"] = False


def test_a_form_that_is_too_large(web_server: Any) -> None:
    """It is not read."""
    assert web_server("Admin").post(RESUME, data=b"a" * 100_000, headers=FROM_HERE).status_code == 413


def test_the_audit_log(web_server: Any, job: str) -> None:
    """It has who, what, and which job, beside the DAG's other entries."""
    from airflow import settings
    from airflow.models.log import Log

    client, path = web_server("Admin"), CANCEL.format(job=job)
    assert client.post(path, data=asked(client, path), headers=FROM_HERE).status_code == 200
    with settings.Session() as session:
        found = session.query(Log).filter(Log.event == "sosw.cancel").order_by(Log.id.desc()).first()
    assert (found.dag_id, found.owner) == ("dag", "Admin")
    assert json.loads(found.extra) == {"conn_id": "sosw_default", "job_id": job}


def test_what_a_viewer_has_done_in_another_process_shows_at_once(web_server: Any, aws: Aws) -> None:
    """Its answer left the time with the viewer, signed. Who comes without it sees the last reading."""
    client, other = web_server("Admin"), web_server("Viewer")

    def keep(name: str, value: str) -> None:
        # The client of werkzeug before 2.3, which Airflow 2.10 may have, is given the server's name first.
        server = ["localhost"] if "server_name" in signature(client.set_cookie).parameters else []
        client.set_cookie(*server, name, value, path="/team/airflow/sosw")

    base, origin = "/team/airflow", FROM_HERE["Origin"]
    sees_what_was_done_elsewhere(client, other, aws, base=base, user="Admin", origin=origin, keep=keep)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("role", ["anonymous", "Admin"])
def test_no_page_changes_anything(web_server: Any, role: str, method: str) -> None:
    """Whoever asks."""
    answer = web_server(role).open("/team/airflow/sosw/c/sosw_default", method=method)
    assert answer.status_code == (302 if role == "anonymous" and method == "POST" else 405)


def test_links_survive_a_path_before_airflow(web_server: Any) -> None:
    """The base URL is http://localhost/team/airflow."""
    answer = web_server("Viewer").get("/team/airflow/sosw/c/sosw_default")
    assert 'href="/team/airflow/sosw/static/sosw.css?v=' in answer.text
    assert 'href="/team/airflow/sosw/c/sosw_default/labourers/worker"' in answer.text


@pytest.mark.parametrize("pattern", ["/sosw/{}", "/sosw/c/{}", "/sosw/runs/{}/{}", "/sosw/static/{}"])
def test_a_hostile_address(web_server: Any, pattern: str) -> None:
    """As it comes over the wire: a page, never an error of ours."""
    client = web_server("Admin")
    addresses = {part: f"/team/airflow{pattern.replace('{}', part)}?page={part}" for part in HOSTILE_PARTS}
    answers = {part: client.get(address).status_code for part, address in addresses.items()}
    assert {part: status for part, status in answers.items() if status >= 500} == {}


def test_airflow_shows_the_pages(web_server: Any) -> None:
    """In its menu."""
    assert 'href="/team/airflow/sosw/"' in web_server("Admin").get("/team/airflow/home").text
