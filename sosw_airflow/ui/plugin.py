"""The plugin that brings the pages into Airflow's UI. Every process of Airflow loads it, so it loads nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from sosw_airflow._compat.server import pages_of_this_airflow, path_before_airflow
from sosw_airflow.links.pages import PAGES

__all__ = ["SoswPlugin"]


class _AtFirstRequest:
    """An ASGI application that is made at its first request: workers and triggerers load plugins, too."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if self._app is None:
            from sosw_airflow.ui.api_server import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


def _view(tab: str) -> dict[str, str]:
    return {
        "name": "sosw",
        "url_route": f"sosw-{tab.replace('_', '-')}" if tab != "nav" else "sosw",
        "destination": tab,
        "href": f"sosw/{_TABS[tab]}",
    }


#: Paths of the pages, by the place from which Airflow shows them.
_TABS = {
    "nav": "",
    "dag_run": "runs/{DAG_ID}/{RUN_ID}",
    "task_instance": "instances/{DAG_ID}/{RUN_ID}/{TASK_ID}/{MAP_INDEX}",
}

_SERVER = pages_of_this_airflow()


class _Blueprints:
    """The blueprints of the web server, made when it asks for them: other processes load plugins without Flask."""

    def __iter__(self) -> Iterator[Any]:
        from sosw_airflow.ui.web_server import blueprint

        yield blueprint(PAGES)


class SoswPlugin(AirflowPlugin):
    """The pages of sosw. Airflow 3.0 has no way to show them."""

    name = "sosw"
    if _SERVER == "api_server":
        fastapi_apps = [{"app": _AtFirstRequest(), "url_prefix": PAGES, "name": "sosw"}]
        external_views = [_view(tab) for tab in _TABS]
    if _SERVER == "web_server":
        appbuilder_menu_items = [{"name": "sosw", "category": "Browse", "href": f"{path_before_airflow()}{PAGES}/"}]
        flask_blueprints = _Blueprints()  # type: ignore[assignment]
