"""The pages in Airflow 2: a blueprint of its web server."""

from __future__ import annotations

from typing import Any

from sosw_airflow._compat.server import auth_manager
from sosw_airflow.ui.requests import PageRequest, PageResponse, parts_of

__all__ = ["blueprint"]


def blueprint(prefix: str) -> Any:
    """The blueprint: every path is one route, which needs a signed-in user."""
    from flask import Blueprint

    pages = Blueprint("sosw", __name__, url_prefix=prefix)
    site: list[Any] = []

    def answer(path: str = "") -> Any:
        from flask import Response, redirect, request

        from sosw_airflow.ui.site import Site
        from sosw_airflow.ui.viewers import AirflowViewer, pushed_jobs

        manager = auth_manager()
        if not manager.is_logged_in():
            return redirect(manager.get_url_login(next=request.url))
        if not site:
            site.append(Site(pushed_jobs))
        asked = PageRequest(
            method=request.method,
            parts=parts_of(f"/{path}"),
            viewer=AirflowViewer({}),
            root=f"{request.script_root}{prefix}",
            query=request.args.to_dict(),
        )
        answered: PageResponse = site[0].answer(asked)
        return Response(answered.body, answered.status, answered.headers)

    pages.add_url_rule("/", "start", answer, methods=["GET"])
    pages.add_url_rule("/<path:path>", "page", answer, methods=["GET"])
    return pages
