"""Deferrals without a running Airflow: an operator defers, its trigger runs, the operator resumes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from sosw_airflow.operators.sosw import SoswDrainQueueOperator, SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.triggers.sosw import SoswJobTrigger

__all__ = ["Deferred", "deferrals", "events", "finish"]


class Deferred(Exception):
    """What an operator hands to Airflow when it defers."""

    def __init__(self, trigger: Any, method_name: str, kwargs: dict[str, Any]) -> None:
        super().__init__(method_name)
        # As Airflow stores it, and another process makes it again.
        path, arguments = trigger.serialize()
        assert path == "sosw_airflow.triggers.sosw.SoswJobTrigger"
        self.trigger = SoswJobTrigger(**json.loads(json.dumps(arguments)))
        self.method_name = method_name
        self.kwargs = json.loads(json.dumps(kwargs))


@pytest.fixture
def deferrals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators raise `Deferred`: Airflow's own exception has another name in each version."""

    def defer(self: Any, *, trigger: Any, method_name: str, kwargs: dict[str, Any]) -> None:
        raise Deferred(trigger, method_name, kwargs)

    for each in (SoswScheduleOperator, SoswRepairOperator, SoswDrainQueueOperator, SoswJobSensor):
        monkeypatch.setattr(each, "defer", defer)


def events(trigger: SoswJobTrigger) -> list[dict[str, Any]]:
    """What a trigger fires until it ends."""

    async def run() -> list[dict[str, Any]]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(run())


def finish(operator: Any, context: Any, *, deferrable: bool, meanwhile: Callable[[str], None]) -> Any:
    """Execute an operator that waits; `meanwhile` gets the job's id once it does."""
    if not deferrable:
        _at_the_first_wait(operator, meanwhile)
        return operator.execute(context)
    with pytest.raises(Deferred) as deferred:
        operator.execute(context)
    meanwhile(deferred.value.trigger.job_id)
    (event,) = events(deferred.value.trigger)
    resumed = getattr(operator, deferred.value.method_name)
    return resumed(context, json.loads(json.dumps(event)), **deferred.value.kwargs)


def _at_the_first_wait(operator: Any, meanwhile: Callable[[str], None]) -> None:
    from sosw_airflow.waiting.poller import JobPoller

    poll = JobPoller.poll
    patch = pytest.MonkeyPatch()

    def poll_and_act(self: JobPoller) -> Any:
        result = poll(self)
        patch.undo()
        meanwhile(self.reader.job_id)
        return result

    patch.setattr(JobPoller, "poll", poll_and_act)
