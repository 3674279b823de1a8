"""A site over an installation in moto, and viewers with permissions of the test's choice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest

from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleRequest
from sosw_airflow.ui.cached_reads import CachedReads
from sosw_airflow.ui.reading import SoswReadings
from sosw_airflow.ui.requests import PageRequest, PageResponse, parts_of
from sosw_airflow.ui.site import Site
from sosw_airflow.ui.viewers import PushedJob
from tests.conftest import Aws
from tests.integration.conftest import request_for
from tests.integration.operators.conftest import _from_environment


@dataclass
class Somebody:
    """A viewer. ``dags``: those that they may read; ``changes``: change as well; ``recorded``: in the audit log."""

    queues: bool = True
    dags: tuple[str, ...] = ("dag",)
    changes: tuple[str, ...] = ("dag",)
    labourers: bool = True
    recorded: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    name: str = "alice"

    def may_see_queues(self) -> bool:
        """See labourers."""
        return self.queues

    def may_read_dag(self, dag_id: str) -> bool:
        """Read a DAG."""
        return dag_id in self.dags

    def may_change_dag(self, dag_id: str) -> bool:
        """Change a DAG."""
        return dag_id in self.changes

    def may_change_labourers(self) -> bool:
        """Pause them."""
        return self.labourers

    def record(self, event: str, details: Mapping[str, str], *, header: Any = None) -> None:
        """Keep it."""
        self.recorded.append((event, dict(details), header))


class Page(HTMLParser):
    """What a page says: its text, its links, its tags."""

    def __init__(self, response: PageResponse) -> None:
        super().__init__()
        self.status, self.html = response.status, response.body.decode()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag and its address."""
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        self.words += data.split()

    @property
    def text(self) -> str:
        """All words, with one space between two."""
        return " ".join(self.words)


@dataclass
class Browser:
    """Asks a site for pages."""

    site: Site
    pushed: list[PushedJob]
    viewer: Somebody = field(default_factory=Somebody)

    def answer(self, path: str, *, method: str = "GET", **query: str) -> PageResponse:
        """The answer to a request."""
        return self.site.answer(PageRequest(method, parts_of(path), self.viewer, root="/sosw", query=query))

    def send(self, path: str, **fields: str) -> Page:
        """What a form's answer says."""
        return Page(
            self.site.answer(
                PageRequest("POST", parts_of(path), self.viewer, root="/sosw", fields=fields, own_form=True)
            )
        )

    def page(self, path: str, **query: str) -> Page:
        """A page as a person reads it."""
        return Page(self.answer(path, **query))


@pytest.fixture
def configured(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The Connection and the Variables, beside what they name."""
    extra = {"queue_bucket": aws.bucket, "region_name": aws.region, "aws_conn_id": ""}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({"worker": {}, "other": {}}))
    # There is no metadata database here, in which a Connection would be searched as well.
    monkeypatch.setattr("sosw_airflow.hooks.sosw.find_connection", _from_environment)
    monkeypatch.setattr("sosw_airflow.ui.reading.find_connection", _from_environment)
    monkeypatch.setattr("sosw_airflow.ui.reading.connections_of_type", lambda conn_type: ["sosw_default"])
    return aws


@pytest.fixture
def browser(configured: Aws) -> Browser:
    """A browser of a viewer who may read the DAG ``dag``. What is read is never reused."""
    pushed: list[PushedJob] = []
    readings = SoswReadings(CachedReads(fresh=0, patience=30))
    return Browser(Site(lambda dag_id, run_id, **_: pushed, readings), pushed)


@pytest.fixture
def schedule(browser: Browser) -> Callable[[ScheduleRequest], str]:
    """Schedule a job; its id."""

    def run(request: ScheduleRequest) -> str:
        deployment: Any = browser.site._readings.deployment("sosw_default")
        return JobScheduler(deployment).schedule(request).header.job_id

    return run


@pytest.fixture
def connection(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Connection and a labourer, for a server of Airflow that has a database."""
    extra = {"queue_bucket": aws.bucket, "region_name": aws.region, "aws_conn_id": ""}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({"worker": {}}))


@pytest.fixture
def job(connection: None) -> str:
    """The id of a job of the DAG ``dag``."""
    return JobScheduler(SoswHook().deployment()).schedule(request_for()).header.job_id
