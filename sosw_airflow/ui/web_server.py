"""The pages in Airflow 2: a blueprint of its web server."""

from __future__ import annotations

import time
from typing import Any

from sosw_airflow._compat.server import auth_manager, form_secret, host_of_airflow
from sosw_airflow.ui.forms import CHANGED, FORM_BYTES, TOKEN, changed_cookie, is_same_origin, made_at
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
        from sosw_airflow.ui.viewers import pushed_jobs

        manager = auth_manager()
        if not manager.is_logged_in():
            return redirect(manager.get_url_login(next=request.url))
        if request.method == "POST" and not 0 <= (request.content_length or 0) <= FORM_BYTES:
            return Response("This form is too large.", 413, {"Content-Type": "text/plain"})
        if not site:
            site.append(Site(pushed_jobs))
        asked = _page_request(request, f"/{path}", prefix)
        answered: PageResponse = site[0].answer(asked)
        response = Response(answered.body, answered.status, answered.headers)
        if answered.changed:
            response.set_cookie(**changed_cookie(asked.root, form_secret(), asked.viewer.name, time.time()))
        return response

    pages.add_url_rule("/", "start", answer, methods=["GET"])
    pages.add_url_rule("/<path:path>", "page", answer, methods=["GET", "POST"])
    return pages


def _page_request(request: Any, path: str, prefix: str) -> PageRequest:
    from flask_wtf.csrf import generate_csrf  # type: ignore[import-not-found]

    from sosw_airflow.ui.viewers import AirflowViewer

    fields = request.form.to_dict()
    headers = {name.lower(): value for name, value in request.headers.items()}
    own = (request.headers.get("Host", ""), host_of_airflow())
    viewer = AirflowViewer({})
    return PageRequest(
        method=request.method,
        parts=parts_of(path),
        viewer=viewer,
        root=f"{request.script_root}{prefix}",
        query=request.args.to_dict(),
        fields=fields,
        own_form=is_same_origin(headers, own) and _is_token(fields.get(TOKEN, "")),
        token=generate_csrf,
        changed_at=made_at(request.cookies.get(CHANGED, ""), form_secret(), viewer.name, CHANGED) or 0.0,
    )


def _is_token(token: str) -> bool:
    """Whether the session was given this token, by Flask-WTF's own rule, whatever the web server's configuration is."""
    from flask_wtf.csrf import validate_csrf
    from wtforms import ValidationError

    try:
        validate_csrf(token)
    except ValidationError:
        return False
    return True
