"""The trigger that waits for several jobs in Airflow's triggerer, with one event for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from sosw_airflow._compat import BaseTrigger, TriggerEvent
from sosw_airflow.triggers.sosw import CANNOT_POLL, SoswJobTrigger
from sosw_airflow.triggers.stored import count_of, moment_of, seconds_of, text_of

__all__ = ["SoswJobsTrigger"]


class SoswJobsTrigger(BaseTrigger):
    """Polls several jobs until all of them are over, or until the deadline.

    The event has ``status`` (``over``, or ``timed_out`` if one job is) and ``jobs``, the events of `SoswJobTrigger` in
    the order of ``job_ids``. Or it is that of the job that cannot be polled: ``status`` is `CANNOT_POLL`.

    Airflow stores triggers while Airflow tasks are deferred. So the path of this class and the names of its arguments
    stay. Each argument has a default, also for a stored value that is none.

    :param job_ids: ids of the jobs.
    :param poll_interval: seconds between two polls of a job.
    :param deadline: seconds since 1970, None for no limit.
    :param hops: how many triggers in a row could not poll before this one.
    """

    def __init__(
        self,
        *,
        sosw_conn_id: str = "sosw_default",
        job_ids: list[str] | None = None,
        poll_interval: float = 60.0,
        deadline: float | None = None,
        hops: int = 0,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sosw_conn_id = text_of(sosw_conn_id, "sosw_default")
        self.job_ids = [text_of(job_id, "") for job_id in job_ids] if isinstance(job_ids, list) else []
        self.poll_interval = seconds_of(poll_interval, 60.0)
        self.deadline = moment_of(deadline)
        self.hops = count_of(hops, 0)
        self.unknown = unknown

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class's path and its arguments."""
        return "sosw_airflow.triggers.several_jobs.SoswJobsTrigger", {
            "sosw_conn_id": self.sosw_conn_id,
            "job_ids": self.job_ids,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "hops": self.hops,
        }

    async def run(self) -> AsyncIterator[Any]:
        """Run a `SoswJobTrigger` for each job, and fire once."""
        waits = [asyncio.ensure_future(self._event_of(job_id)) for job_id in self.job_ids]
        pending = set(waits)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                stopped = next((each.result() for each in done if each.result()["status"] == CANNOT_POLL), None)
                if stopped is not None:
                    yield TriggerEvent(stopped)  # type: ignore[no-untyped-call]
                    return
        finally:
            for each in pending:
                each.cancel()
        events = [each.result() for each in waits]
        late = any(event["status"] == "timed_out" for event in events)
        yield TriggerEvent({"status": "timed_out" if late else "over", "jobs": events})  # type: ignore[no-untyped-call]

    async def _event_of(self, job_id: str) -> dict[str, Any]:
        trigger = SoswJobTrigger(
            sosw_conn_id=self.sosw_conn_id,
            job_id=job_id,
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            must_exist=False,
            hops=self.hops,
        )
        async with aclosing(trigger.run()) as events:  # type: ignore[type-var]
            async for event in events:
                return dict(event.payload)
        raise AssertionError("a trigger fires before it ends")
