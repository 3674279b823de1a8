"""Protection of forms against other sites: a browser says which page sent a form, and the form has a token. Pure.

After an action the viewer has such a token as a cookie, which says when it was: other processes then read again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = [
    "CHANGED",
    "FORM_BYTES",
    "TOKEN",
    "changed_cookie",
    "fields_of",
    "is_same_origin",
    "is_token",
    "made_at",
    "make_token",
]

#: Name of the field that holds the token; Flask-WTF has the same.
TOKEN = "csrf_token"  # noqa: S105 - a name

#: Name of the cookie with the time of the viewer's last action.
CHANGED = "sosw_changed"

#: Seconds for which a form can be sent.
TOKEN_SECONDS = 3600

#: Bytes of a form; a larger one is refused.
FORM_BYTES = 8192


def make_token(secret: str, user: str, path: str, now: float) -> str:
    """The token of a form: for this user, this path, and an hour."""
    milliseconds = str(int(now * 1000))
    return f"{milliseconds}.{_signature(secret, user, path, milliseconds)}"


def is_token(token: str, secret: str, user: str, path: str, now: float) -> bool:
    """Whether a form for this path was given to this user within the last hour.

    >>> token = make_token("secret", "alice", "/c/jobs", 1000)
    >>> is_token(token, "secret", "alice", "/c/jobs", 2000), is_token(token, "secret", "bob", "/c/jobs", 2000)
    (True, False)
    """
    made = made_at(token, secret, user, path)
    return made is not None and -60 <= now - made <= TOKEN_SECONDS


def made_at(token: str, secret: str, user: str, path: str) -> float | None:
    """The time at which a token for this path was given to this user; None if it was not.

    >>> made_at(make_token("secret", "alice", CHANGED, 1000.25), "secret", "alice", CHANGED)
    1000.25
    """
    milliseconds, _, signature = token.partition(".")
    # What is no number, or no ASCII, is no token of ours.
    if not (token.isascii() and milliseconds.isdigit() and len(milliseconds) <= 15):
        return None
    is_ours = hmac.compare_digest(signature, _signature(secret, user, path, milliseconds))
    return int(milliseconds) / 1000 if is_ours else None


def changed_cookie(root: str, secret: str, user: str, now: float) -> dict[str, Any]:
    """The cookie that a viewer has for a minute after an action, as both servers set it.

    :param root: path of the pages.
    """
    value = make_token(secret, user, CHANGED, now)
    return {"key": CHANGED, "value": value, "max_age": 60, "path": root, "httponly": True, "samesite": "Strict"}


def _signature(secret: str, user: str, path: str, milliseconds: str) -> str:
    text = json.dumps(["sosw form", milliseconds, path, user])
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_same_origin(headers: Mapping[str, str], own: Collection[str]) -> bool:
    """Whether the browser says that a page of this site has sent the form. A browser that says nothing is refused.

    :param headers: of the request, with names in lower case.
    :param own: hosts of this site, with their ports.

    >>> is_same_origin({"origin": "https://airflow.example"}, ["airflow.example"])
    True
    >>> is_same_origin({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, ["airflow.example"])
    False
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    try:
        origin = urlsplit(headers.get("origin", "")).netloc
    except ValueError:
        return False
    return bool(origin) and _host(origin) in {_host(each) for each in own if each}


def _host(netloc: str) -> str:
    """A host without a port that its scheme implies."""
    return netloc.lower().removesuffix(":443").removesuffix(":80")


def fields_of(body: bytes) -> dict[str, str]:
    """The fields of a form as browsers send it; the last value of each name.

    >>> fields_of(b"reason=the+shop&limit=3")
    {'reason': 'the shop', 'limit': '3'}
    """
    try:
        return dict(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        return {}
