"""What an Airflow answers about the only Airflow task instance of a test: its state, its XComs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sosw_airflow.triggers.attempt import KEY

if TYPE_CHECKING:
    import pytest


class FakeAirflow:
    """Answers as the test says. As in Airflow, a new attempt begins without XComs.

    :ivar state: of the Airflow task instance.
    :ivar exists: False once its run was deleted.
    :ivar silent: the question fails.
    :ivar questions: how often the state was asked for.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state: str | None = "running"
        self.exists = True
        self.silent = False
        self.questions = 0
        self.xcoms: dict[str, Any] = {}
        monkeypatch.setattr("sosw_airflow._compat.is_run_by_airflow", lambda instance: True)
        monkeypatch.setattr("sosw_airflow._compat.stored_state", self._stored_state)
        monkeypatch.setattr("sosw_airflow._compat.pushed_xcom", lambda instance, key: self.xcoms.get(key))

    def attempt(self, context: dict[str, Any]) -> dict[str, Any]:
        """A new attempt begins: its context."""
        self.state = "running"
        self.xcoms.clear()
        context["ti"].xcom_push = self.push
        return context

    def push(self, key: str, value: Any) -> None:
        """As `ti.xcom_push`."""
        self.xcoms[key] = value

    def is_held(self, state: str | None, *, generation: int, holder: str) -> None:
        """Another holder of the job has pushed its mark."""
        self.state = state
        self.xcoms[KEY] = {"generation": generation, "holder": holder}

    async def asked(self, times: int) -> None:
        """Wait until the state was asked for so often."""
        while self.questions < times:  # noqa: ASYNC110 - asked in a thread
            await asyncio.sleep(0.01)

    def _stored_state(self, instance: Any) -> tuple[bool, str | None]:
        self.questions += 1
        if self.silent:
            raise ConnectionError("the API server is away")
        return self.exists, self.state if self.exists else None
