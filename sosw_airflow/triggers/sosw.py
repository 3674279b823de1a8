"""The trigger that waits for the workers in Airflow's triggerer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from sosw_airflow._compat import BaseTrigger, TriggerEvent
from sosw_airflow.triggers.polling import AsyncJobPoller, cancel

__all__ = ["SoswJobTrigger"]

log = logging.getLogger(__name__)

#: Seconds over which the first looks of triggers that start at once are spread.
_SPREAD = 10.0


#: Polls without a record of the job after which the Airflow task decides, if the trigger does not know.
_POLLS_WITHOUT_RECORD = 10


class SoswJobTrigger(BaseTrigger):
    """Looks at a job until it is over, or until it is too late.

    The event has ``status``: ``over`` or ``timed_out``, with ``job_id``, ``state``, ``total``, ``completed``,
    ``failed`` and ``failed_tasks`` (ids, ten at the most); or ``look``, with ``job_id``: something is wrong that the
    Airflow task itself shall meet and raise.

    Triggers are kept serialized while Airflow tasks are deferred. So the path of this class and the names of its
    arguments stay; an argument that is added has a default, one that goes is still accepted.

    :param poll_interval: seconds between two looks.
    :param deadline: seconds since 1970, None for no limit.
    :param cancel_on_kill: cancel the job when the deferred Airflow task is cleared or marked as failed or successful
        (Airflow 3.3 and later tell of it).
    :param must_exist: the job was scheduled, so that a record that does not exist was removed. False: wait for one.
        None: the Airflow task was deferred before there was this argument.
    """

    def __init__(
        self,
        *,
        sosw_conn_id: str,
        job_id: str,
        poll_interval: float = 60.0,
        deadline: float | None = None,
        cancel_on_kill: bool = False,
        must_exist: bool | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if unknown:
            log.warning("Arguments of another version are ignored: %s.", ", ".join(sorted(unknown)))
        self.sosw_conn_id = sosw_conn_id
        self.job_id = job_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.cancel_on_kill = cancel_on_kill
        self.must_exist = must_exist

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class's path and its arguments."""
        return "sosw_airflow.triggers.sosw.SoswJobTrigger", {
            "sosw_conn_id": self.sosw_conn_id,
            "job_id": self.job_id,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "cancel_on_kill": self.cancel_on_kill,
            **({} if self.must_exist is None else {"must_exist": self.must_exist}),
        }

    async def run(self) -> AsyncIterator[Any]:
        """Look, sleep, look."""
        # The Airflow task has looked a moment ago. Each job has its own place in the interval, so that a thousand
        # triggers which start together do not look together.
        spread = int(self.job_id[:4] or "0", 16) / 0xFFFF
        await asyncio.sleep(min(self.poll_interval, _SPREAD) * spread)
        poller = AsyncJobPoller(self.sosw_conn_id, self.job_id, self.deadline, must_exist=bool(self.must_exist))
        for number in count(1):
            try:
                result = await poller.poll()
            except Exception as error:  # noqa: BLE001
                # Raised here it would reach the user as "Trigger failure", and not as what it is.
                log.warning("The job %s cannot be looked at any more: %s", self.job_id, error)
                yield _event({"status": "look", "job_id": self.job_id})
                return
            if result is not None:
                yield _event(result.event())
                return
            if self.must_exist is None and not poller.has_record and number >= _POLLS_WITHOUT_RECORD:
                # Deferred by a version that did not say whether the job was scheduled; the Airflow task knows.
                yield _event({"status": "look", "job_id": self.job_id})
                return
            await asyncio.sleep(self.poll_interval)

    async def on_kill(self) -> None:
        """Cancel the job if that is wanted: somebody acted on the deferred Airflow task (Airflow 3.3 and later)."""
        if not self.cancel_on_kill:
            return
        await cancel(self.sosw_conn_id, self.job_id)


def _event(payload: dict[str, Any]) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
