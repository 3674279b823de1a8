"""A request for a page and its answer, without the framework that carries them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

__all__ = ["PageRequest", "PageResponse", "Viewer", "parts_of"]


class Viewer(Protocol):
    """The person who asks, as Airflow's auth manager knows them."""

    @property
    def name(self) -> str:
        """For people."""

    def may_see_queues(self) -> bool:
        """See the labourers, their queues, and counts; no payload."""

    def may_read_dag(self, dag_id: str) -> bool:
        """Read the runs of a DAG."""

    def may_change_dag(self, dag_id: str) -> bool:
        """Change the runs of a DAG."""

    def may_change_labourers(self) -> bool:
        """Change how labourers work."""

    def record(self, event: str, details: Mapping[str, str], *, header: Any = None) -> None:
        """Write into Airflow's audit log what the viewer does now.

        :param header: of the job that is changed.
        """


@dataclass(frozen=True)
class PageRequest:
    """A request.

    :ivar parts: of the path behind ``root``, each decoded.
    :ivar root: path of the site, such as ``/team/airflow/sosw``, without a slash at its end.
    :ivar query: the parameters, the last value of each.
    :ivar fields: of the form that was sent.
    :ivar own_form: the form is one that this site has given to this viewer, and a page of this site has sent it.
    :ivar token: gives what a form has to send back.
    :ivar changed_at: time of this viewer's last action, in whichever process; 0 for none.
    """

    method: str
    parts: tuple[str, ...]
    viewer: Viewer
    root: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    own_form: bool = False
    token: Callable[[], str] = str
    changed_at: float = 0.0


@dataclass(frozen=True)
class PageResponse:
    """An answer.

    :ivar location: of a redirection.
    :ivar changed: an action was carried out: the viewer keeps its time.
    """

    body: bytes
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    location: str = ""
    max_age: int = 0
    changed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer: nothing of other origins, and no frame of theirs."""
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
        )
        headers = {
            "Content-Security-Policy": policy,
            "Content-Type": self.content_type,
            "Cache-Control": f"private, max-age={self.max_age}" if self.max_age else "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        return {**headers, "Location": self.location} if self.location else headers


def parts_of(path: str) -> tuple[str, ...]:
    """The parts of a path that a server has decoded once.

    >>> parts_of("/c/sosw%2Fother/")
    ('c', 'sosw/other')
    """
    return tuple(unquote(part) for part in path.split("/") if part)
