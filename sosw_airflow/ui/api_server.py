"""The pages in Airflow 3.1 and later: an application in its API server. Each request is answered in a thread."""

from __future__ import annotations

import time
from functools import partial
from html import escape
from typing import Annotated, Any
from urllib.parse import quote

from sosw_airflow._compat.server import form_secret, host_of_airflow, signed_in_user
from sosw_airflow.links.pages import PAGES
from sosw_airflow.ui.forms import (
    CHANGED,
    FORM_BYTES,
    TOKEN,
    changed_cookie,
    fields_of,
    is_same_origin,
    is_token,
    made_at,
    make_token,
)
from sosw_airflow.ui.requests import PageRequest, PageResponse, parts_of
from sosw_airflow.ui.site import Site
from sosw_airflow.ui.viewers import AirflowViewer, pushed_jobs

__all__ = ["make_app"]


def make_app() -> Any:
    """The application: every path is one route, which needs a signed-in user."""
    from fastapi import Depends, FastAPI, HTTPException, Request
    from fastapi.responses import Response

    site = Site(pushed_jobs)
    app = FastAPI(title="sosw", docs_url=None, redoc_url=None, openapi_url=None)

    async def form(request: Request) -> bytes:
        body = b""
        if request.method == "POST":
            async for part in request.stream():
                body += part
                if len(body) > FORM_BYTES:
                    raise HTTPException(413, "This form is too large.")
        return body

    def answer(request: Request, user: Any, body: bytes) -> Response:
        asked = _page_request(request, user, body)
        answered = site.answer(asked)
        response = _response(answered)
        if answered.changed:
            response.set_cookie(**changed_cookie(asked.root, form_secret(), str(user.get_id()), time.time()))
        return response

    # Annotations that are text would be searched among the globals of this module. The user comes first: nothing of
    # a form is read without one.
    form.__annotations__ = {"request": Request}
    answer.__annotations__ = {
        "request": Request,
        "user": Annotated[Any, Depends(signed_in_user())],
        "body": Annotated[bytes, Depends(form)],
    }

    def refuse(request: Request, error: HTTPException) -> Response:
        """Without a session there is no page, and no style: a sentence, and the way to the login and back."""
        text = escape(str(error.detail))
        if error.status_code == 401:
            login = f"{_root(request).removesuffix(PAGES)}/api/v2/auth/login?next={quote(quote(request.url.path))}"
            text = f'Sign in to Airflow to see this page. <a href="{escape(login)}">Sign in</a>'
        head = '<meta name="color-scheme" content="light dark"><title>sosw</title>'
        body = f"<!doctype html><html lang=en>{head}<main><h1>sosw</h1><p>{text}</p></main></html>"
        return _response(PageResponse(body.encode(), error.status_code))

    def _response(answered: PageResponse) -> Response:
        return Response(answered.body, answered.status, answered.headers)

    app.add_api_route("/{path:path}", answer, methods=["GET", "HEAD", "POST"], response_class=Response)
    app.add_exception_handler(HTTPException, refuse)  # type: ignore[arg-type]
    return app


def _root(request: Any) -> str:
    """The path of the pages, with the one before Airflow."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _page_request(request: Any, user: Any, body: bytes) -> PageRequest:
    viewer, parts = AirflowViewer({"user": user}), parts_of(request.path_params["path"])
    fields = fields_of(body)
    known = (form_secret(), str(user.get_id()))
    token_of = (*known, "/".join(parts))
    own = (request.headers.get("host", ""), host_of_airflow())
    return PageRequest(
        method=request.method,
        parts=parts,
        viewer=viewer,
        root=_root(request),
        query=dict(request.query_params),
        fields=fields,
        own_form=is_same_origin(request.headers, own) and is_token(fields.get(TOKEN, ""), *token_of, time.time()),
        token=partial(make_token, *token_of, time.time()),
        changed_at=made_at(request.cookies.get(CHANGED, ""), *known, CHANGED) or 0.0,
    )
