"""What a server of Airflow (API server, web server) knows: the database's rows, the auth manager, the audit log.

| symbol            | Airflow 2.10, 2.11                         | Airflow 3.1 and later                      |
| ----------------- | ------------------------------------------ | ------------------------------------------ |
| `auth_manager`    | `airflow.www.extensions.init_auth_manager` | `airflow.api_fastapi.app`                  |
| `dag_details`, `dag_runs_entity`, `access_view` | `airflow.auth.managers` | `airflow.api_fastapi.auth`, below it |
| `signed_in_user`  | the session of Flask                       | `airflow.api_fastapi.core_api.security`    |
| `pushed_in_run`   | `XCom`                                     | `XComModel`                                |
| `name_of_user`    | the auth manager                           | the user                                   |
| `form_secret`     | `[webserver] secret_key`                   | `[api] secret_key`                         |
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

__all__ = [
    "access_view",
    "airflow_paths",
    "auth_manager",
    "connections_of_type",
    "dag_details",
    "dag_runs_entity",
    "form_secret",
    "host_of_airflow",
    "name_of_user",
    "pages_of_this_airflow",
    "path_before_airflow",
    "pushed_in_run",
    "signed_in_user",
    "variable_details",
    "write_audit_log",
]


def connections_of_type(conn_type: str) -> list[str]:
    """The ids of the Connections of a type, in the environment and the metadata database: for a server of Airflow.

    A secrets backend cannot list its Connections.
    """
    from airflow import settings
    from airflow.models.connection import Connection
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    with Session(settings.engine) as session:
        found = set(session.scalars(select(Connection.conn_id).where(Connection.conn_type == conn_type)))
    prefix = "AIRFLOW_CONN_"
    for name in os.environ:
        if name.startswith(prefix):
            conn_id = name.removeprefix(prefix).lower()
            connection = _readable_connection(conn_id)
            if connection is not None and connection.conn_type == conn_type:
                found.add(conn_id)
    return sorted(found)


def _readable_connection(conn_id: str) -> Any | None:
    from sosw_airflow._compat import BaseHook

    try:
        return BaseHook.get_connection(conn_id)
    except Exception:  # noqa: BLE001 - it is another program's, and Airflow cannot read it
        return None


def pushed_in_run(
    dag_id: str, run_id: str, key: str, *, task_id: str | None = None, map_index: int | None = None
) -> list[tuple[str, int, Any]]:
    """The XComs of a key that a DAG run, or one Airflow task instance, has pushed: for a server of Airflow.

    :return: Airflow task, map index, value.
    """
    from airflow import settings
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    try:
        from airflow.models.xcom import XComModel
    except ImportError:
        from airflow.models.xcom import XCom as XComModel  # type: ignore[no-redef]
    query = select(XComModel).where(XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key == key)
    if task_id is not None:
        query = query.where(XComModel.task_id == task_id)
    if map_index is not None:
        query = query.where(XComModel.map_index == map_index)
    with Session(settings.engine) as session:
        rows = session.scalars(query.order_by(XComModel.task_id, XComModel.map_index).limit(1000))
        return [(row.task_id, row.map_index, _xcom_value(row)) for row in rows]


def _xcom_value(row: Any) -> Any:
    """The value that an XCom row holds; text of JSON in both lines."""
    value = row.value
    return value.decode() if isinstance(value, bytes) else value


def auth_manager() -> Any:
    """The auth manager of a server of Airflow."""
    try:
        from airflow.api_fastapi.app import get_auth_manager
    except ImportError:
        from airflow.www.extensions.init_auth_manager import get_auth_manager  # type: ignore[no-redef,import-not-found]
    return get_auth_manager()


def _resource_details() -> Any:
    try:
        from airflow.api_fastapi.auth.managers.models import resource_details
    except ImportError:
        from airflow.auth.managers.models import resource_details  # type: ignore[no-redef,import-not-found]
    return resource_details


def dag_details(dag_id: str) -> Any:
    """What an auth manager is asked about a DAG; with its team, in an Airflow that has teams."""
    details, team = _resource_details().DagDetails, {}
    if "team_name" in details.__dataclass_fields__:
        from airflow.models.dag import DagModel

        team = {"team_name": DagModel.get_team_name(dag_id)}
    return details(id=dag_id, **team)


def dag_runs_entity() -> Any:
    """The runs of a DAG, for an auth manager."""
    return _resource_details().DagAccessEntity.RUN


def variable_details(key: str) -> Any:
    """What an auth manager is asked about a Variable; with its team, in an Airflow that has teams."""
    details, team = _resource_details().VariableDetails, {}
    if "team_name" in details.__dataclass_fields__:
        from airflow.models.variable import Variable

        team = {"team_name": Variable.get_team_name(key)}
    return details(key=key, **team)


def access_view(name: str) -> Any:
    """A view of Airflow's UI, for an auth manager."""
    return _resource_details().AccessView[name]


def pages_of_this_airflow() -> str:
    """How this Airflow shows pages of a plugin: ``"api_server"``, ``"web_server"``, or nothing (Airflow 3.0)."""
    from airflow import __version__

    major, minor = (int(part) for part in __version__.split(".")[:2])
    if major == 2:
        return "web_server"
    return "api_server" if (major, minor) >= (3, 1) else ""


def signed_in_user() -> Any:
    """FastAPI's dependency that gives the signed-in user, or answers 401."""
    from airflow.api_fastapi.core_api.security import get_user

    return get_user


def airflow_paths(root: str, header: Any) -> dict[str, str]:
    """The paths of a DAG, a DAG run and an Airflow task instance in Airflow's own UI: ``dag``, ``run``, ``task``.

    :param root: the path before Airflow.
    :param header: of a job: it has ``dag_id``, ``run_id``, ``task_id``, ``map_index``.
    """
    from urllib.parse import quote, urlencode

    dag, run, task = (quote(each, safe="") for each in (header.dag_id, header.run_id, header.task_id))
    mapped = header.map_index if header.map_index >= 0 else None
    path = f"{root}/dags/{dag}"
    if pages_of_this_airflow() == "web_server":
        of_run = {"dag_run_id": header.run_id}
        of_task = {**of_run, "task_id": header.task_id, **({} if mapped is None else {"map_index": mapped})}
        return {
            "dag": f"{path}/grid",
            **{name: f"{path}/grid?{urlencode(query)}" for name, query in (("run", of_run), ("task", of_task))},
        }
    of_index = "" if mapped is None else f"/mapped/{mapped}"
    return {"dag": path, "run": f"{path}/runs/{run}", "task": f"{path}/runs/{run}/tasks/{task}{of_index}"}


def name_of_user(user: Any = None) -> str:
    """The name of the signed-in user, as Airflow's audit log has it.

    :param user: none for Airflow 2, whose auth manager knows the user of the request.
    """
    return str(auth_manager().get_user_name() if user is None else user.get_name())


def write_audit_log(event: str, owner: str, details: Mapping[str, Any], **of_task: Any) -> None:
    """Write an entry into Airflow's audit log.

    :param details: shown with it.
    :param of_task: ``dag_id``, ``run_id``, ``task_id``, ``map_index``, so that the entry shows on their pages too.
    """
    from airflow import settings
    from airflow.models.log import Log
    from sqlalchemy.orm import Session

    with Session(settings.engine) as session:
        session.add(
            Log(event, owner=owner, owner_display_name=owner, extra=json.dumps(details, ensure_ascii=True), **of_task)
        )
        session.commit()


def form_secret() -> str:
    """The secret with which a server of Airflow protects forms; every instance of it has the same."""
    from airflow.configuration import conf

    return str(conf.get(_section(), "secret_key"))


def _section() -> str:
    return "webserver" if pages_of_this_airflow() == "web_server" else "api"


def _base_url() -> Any:
    from urllib.parse import urlsplit

    from airflow.configuration import conf

    return urlsplit(conf.get(_section(), "base_url", fallback="") or "")


def host_of_airflow() -> str:
    """The host of Airflow's base URL, with its port; empty if none is configured."""
    return str(_base_url().netloc)


def path_before_airflow() -> str:
    """The path of Airflow's base URL, as this process knows it, without a slash at its end."""
    return str(_base_url().path.rstrip("/"))
