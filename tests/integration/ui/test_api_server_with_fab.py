"""The pages in the API server of Airflow 3 with Flask AppBuilder's roles. `make test-browser` installs its provider."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow._compat.server import pages_of_this_airflow
from tests.integration.ui.servers import airflow_with, asked, routes_without
from tests.integration.ui.test_api_server import FROM_HERE

pytestmark = [
    pytest.mark.skipif(pages_of_this_airflow() != "api_server", reason="this Airflow has no API server with pages"),
    pytest.mark.slow,
    pytest.mark.usefixtures("connection"),
]

#: Of Flask AppBuilder; the last two are made here: one that may only open the UI, one that may change another DAG.
ROLES = ("anonymous", "Public", "Viewer", "User", "Op", "Admin", "Website", "Other")


@pytest.fixture(scope="module")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Clients of the API server in this process, by role; its database is of its own."""
    pytest.importorskip("airflow.providers.fab.auth_manager.fab_auth_manager", reason="make test-browser installs it")
    from fastapi.testclient import TestClient

    home: Path = tmp_path_factory.mktemp("airflow")
    own = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of this test, " * 4,
        "_AIRFLOW_PROCESS_CONTEXT": "server",
    }
    with airflow_with(own):
        from airflow.api_fastapi import app as airflow_app

        airflow_app.purge_cached_app()
        app = airflow_app.cached_app(apps="core")
        manager = airflow_app.get_auth_manager()
        from airflow.providers.fab.www.app import create_app

        flask = create_app(enable_plugins=False)
        with flask.app_context():
            security = flask.appbuilder.sm
            security.sync_roles()
            security.bulk_sync_roles(
                [
                    {"role": "Website", "perms": [("can_read", "Website")]},
                    {
                        "role": "Other",
                        "perms": [
                            *(("can_read", "Website"), ("can_read", "DAG:other"), ("can_edit", "DAG:other")),
                            *(("can_read", "DAG Runs"), ("can_edit", "DAG Runs")),
                        ],
                    },
                ]
            )
            for role in ROLES[1:]:
                security.add_user(role, role, role, f"{role}@localhost", security.find_role(role), password=role)

        @cache
        def client(role: str) -> Any:
            opened = TestClient(app, follow_redirects=False)
            if role != "anonymous":
                with flask.app_context():
                    token = manager.generate_jwt(flask.appbuilder.sm.find_user(username=role))
                opened.cookies.set("_token", token)
            return opened

        yield client
        airflow_app.purge_cached_app()


EVERYBODY = {"Viewer", "User", "Op", "Admin", "Website", "Other"}
READERS = {"Viewer", "User", "Op", "Admin"}
WORKER = "/sosw/c/sosw_default/labourers/worker"
PAGES = {
    "/sosw/": (303, EVERYBODY),
    "/sosw/c/sosw_default": (200, EVERYBODY),
    WORKER: (200, EVERYBODY),
    "/sosw/c/sosw_default/dags/dag/jobs/{job}": (200, READERS),
    "/sosw/runs/dag/run": (200, READERS),
    "/sosw/runs/other/run": (200, READERS | {"Other"}),
    "/sosw/instances/dag/run/task/-1": (200, READERS),
    "/sosw/static/sosw.css": (200, {*EVERYBODY, "Public"}),
}
ACTIONS = {
    "/sosw/c/sosw_default/dags/dag/jobs/{job}/actions/cancel": {"User", "Op", "Admin"},
    f"{WORKER}/actions/resume": {"Op", "Admin"},
    "/sosw/c/sosw_default/actions/doctor": {"Op", "Admin"},
}


@pytest.mark.parametrize("role", ROLES)
def test_who_sees_which_page(api_server: Any, job: str, role: str) -> None:
    """Without a session none; with one, what the role permits."""
    client = api_server(role)
    found = {path: client.get(path.format(job=job)).status_code for path in PAGES}
    refused = 401 if role == "anonymous" else 403
    assert found == {path: status if role in roles else refused for path, (status, roles) in PAGES.items()}


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
