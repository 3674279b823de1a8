"""The Airflow of the commands' environment, and the terminal that they print to."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow.testing.kit import Sosw, sosw_in_memory
from tests.conftest import BUCKET, REGION

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Set the Connection and the Variables; other extras, or the text of a Variable, may be given."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as the command sets it, but not beyond the test

    def setup(labourers: str = '{"worker": {}}', schemas: str = '{"default": {}}', **extra: Any) -> None:
        settings = {"queue_bucket": BUCKET, "aws_conn_id": "", "region_name": REGION, **extra}
        monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": settings}))
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", labourers)
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", schemas)

    setup()
    return setup


@pytest.fixture
def sosw(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An installation in memory, with the labourer ``pull`` and the attribute ``word``."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as the command sets it, but not beyond the test
    with sosw_in_memory() as installation:
        installation.add_labourer("pull")
        installation.add_schema("word")
        yield installation


def words(sosw: Sosw) -> list[str]:
    """The words of the waiting tasks, in the queue's order."""
    return [payload["words"][0] for payload in sosw.tasks("pull")]


class Terminal(io.StringIO):
    """A standard output that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Terminal]:
    """Make stdout a terminal of so many columns."""

    def open_terminal(columns: int) -> Terminal:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "stdout", opened := Terminal())
        return opened

    return open_terminal
