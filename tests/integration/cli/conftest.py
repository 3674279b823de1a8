"""What commands find in the Airflow of their environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

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
