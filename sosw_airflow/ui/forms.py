"""Protection of forms against other sites: a browser says which page sent a form, and the form has a token. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, urlsplit

__all__ = ["FORM_BYTES", "TOKEN", "fields_of", "is_same_origin", "is_token", "make_token"]

#: Name of the field that holds the token; Flask-WTF has the same.
TOKEN = "csrf_token"  # noqa: S105 - a name

#: Seconds for which a form can be sent.
TOKEN_SECONDS = 3600

#: Bytes of a form; a larger one is refused.
FORM_BYTES = 8192


def make_token(secret: str, user: str, path: str, now: float) -> str:
    """The token of a form: for this user, this path, and an hour."""
    made_at = str(int(now))
    return f"{made_at}.{_signature(secret, user, path, made_at)}"


def is_token(token: str, secret: str, user: str, path: str, now: float) -> bool:
    """Whether a form for this path was given to this user within the last hour.

    >>> token = make_token("secret", "alice", "/c/jobs", 1000)
    >>> is_token(token, "secret", "alice", "/c/jobs", 2000), is_token(token, "secret", "bob", "/c/jobs", 2000)
    (True, False)
    """
    made_at, _, signature = token.partition(".")
    # What is no number, or no ASCII, is no token of ours.
    if not (token.isascii() and made_at.isdigit() and len(made_at) <= 12):
        return False
    is_young = -60 <= now - int(made_at) <= TOKEN_SECONDS
    return hmac.compare_digest(signature, _signature(secret, user, path, made_at)) and is_young


def _signature(secret: str, user: str, path: str, made_at: str) -> str:
    text = json.dumps(["sosw form", made_at, path, user])
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
