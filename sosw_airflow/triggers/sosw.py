"""The trigger that polls a job in Airflow's triggerer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from itertools import count
from typing import Any
from zlib import crc32

from sosw_airflow._compat import BaseTrigger, TriggerEvent, redact
from sosw_airflow.triggers.attempt import Attempt, Mark
from sosw_airflow.triggers.polling import AsyncJobPoller, Orchestration, cancel_if_killed
from sosw_airflow.triggers.stored import count_of, moment_of, seconds_of, text_of, tolerance_of

__all__ = ["CANNOT_POLL", "SoswJobTrigger"]

log = logging.getLogger(__name__)

#: Status of the event of a trigger that cannot poll. It is stored, so its spelling stays.
CANNOT_POLL = "look"

#: Seconds over which the first polls of triggers that start at once are spread.
_SPREAD = 10.0

#: Characters of an error that an event carries to the Airflow task.
_LONGEST_REASON = 2000


#: Polls without a record of the job after which the Airflow task decides, if the trigger does not know.
_POLLS_WITHOUT_RECORD = 10


class SoswJobTrigger(BaseTrigger):
    """Polls a job until it is over, or until the deadline.

    The event has ``status`` (``over``, ``timed_out`` or ``exceeded``), ``job_id``, ``state``, ``total``,
    ``completed``, ``failed`` and ``failed_tasks`` (ten ids at most). If the trigger cannot poll, ``status`` is
    `CANNOT_POLL`, with ``job_id``, ``reason`` and ``hops``: the Airflow task polls then, and raises. ``usage`` has what
    its requests have used, in the names of `sosw_airflow.jobs.cost.Usage`; what is 0 is left out.

    Triggers are stored serialized while Airflow tasks are deferred. So the path of this class and the names of its
    arguments stay. Each argument has a default, also for a stored value that is none; an abandoned one is accepted.

    :param poll_interval: seconds between two polls.
    :param deadline: seconds since 1970, None for no limit.
    :param cancel_on_kill: cancel the job when you clear the deferred Airflow task, or mark it as failed or successful
        (Airflow 3.3 and later report that to the trigger).
    :param must_exist: the job was scheduled, so that a record that does not exist was removed. False: wait for one.
        None: the Airflow task was deferred before this argument was added.
    :param mark: of this deferral, see `sosw_airflow.triggers.attempt.Mark`.
    :param clear_kills: a clear abandons the job. False if the next attempt continues the same job.
    :param hops: how many triggers in a row could not poll before this one.
    :param tolerated_failures: the wait ends as soon as more tasks failed; None: when the job is over.
    :param orchestrate: the labourer whose tasks are invoked meanwhile, None for none.
    """

    def __init__(
        self,
        *,
        sosw_conn_id: str = "sosw_default",
        job_id: str = "",
        poll_interval: float = 60.0,
        deadline: float | None = None,
        cancel_on_kill: bool = False,
        must_exist: bool | None = None,
        mark: dict[str, Any] | None = None,
        clear_kills: bool = True,
        hops: int = 0,
        orchestrate: str | None = None,
        tolerated_failures: int | str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if unknown:
            log.warning("Arguments of another version are ignored: %s.", ", ".join(sorted(unknown)))
        self.sosw_conn_id = text_of(sosw_conn_id, "sosw_default")
        self.job_id = text_of(job_id, "")
        self.poll_interval = seconds_of(poll_interval, 60.0)
        self.deadline = moment_of(deadline)
        self.cancel_on_kill = cancel_on_kill is True
        self.must_exist = must_exist if isinstance(must_exist, bool) else None
        self.mark = mark
        self.clear_kills = clear_kills is True
        self.hops = count_of(hops, 0)
        self.tolerance = tolerance_of(tolerated_failures)
        self.orchestrate = None if orchestrate is None else text_of(orchestrate, "")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class's path and its arguments."""
        return "sosw_airflow.triggers.sosw.SoswJobTrigger", {
            "sosw_conn_id": self.sosw_conn_id,
            "job_id": self.job_id,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "cancel_on_kill": self.cancel_on_kill,
            **({} if self.must_exist is None else {"must_exist": self.must_exist}),
            "mark": self.mark,
            "clear_kills": self.clear_kills,
            "hops": self.hops,
            **({} if self.orchestrate is None else {"orchestrate": self.orchestrate}),
            **({} if self.tolerance is None else {"tolerated_failures": self.tolerance.as_given}),
        }

    async def run(self) -> AsyncIterator[Any]:
        """Poll and sleep, in turn; meanwhile orchestrate the labourer, if one is named."""
        orchestration = Orchestration(
            self.sosw_conn_id,
            self.orchestrate,
            failures=self.tolerance is not None,
            task_instance=getattr(self, "task_instance", None),
        )
        poller = AsyncJobPoller(
            self.sosw_conn_id,
            self.job_id,
            self.deadline,
            must_exist=bool(self.must_exist),
            tolerance=self.tolerance,
            poll_interval=self.poll_interval,
            on_news=orchestration.waker(),
        )
        try:
            if not self.hops:
                await orchestration.begin()
            await orchestration.sleep(self._first_pause())
            await orchestration.begin()
            yield _event(await self._poll(poller, orchestration), poller, orchestration)
        except Exception as error:  # noqa: BLE001
            # Raised here it would reach the user as "Trigger failure", without its reason.
            log.warning("The job %s cannot be polled any more: %s", self.job_id, error)
            yield _event(self._failure(error, has_polled=poller.has_polled), poller, orchestration)
        finally:
            poller.end()
            orchestration.end()

    async def _poll(self, poller: AsyncJobPoller, orchestration: Orchestration) -> dict[str, Any]:
        """The payload of the event, once the job is over."""
        for number in count(1):
            result = await poller.poll(orchestration.news_at)
            if result is not None:
                return result.event()
            if self.must_exist is None and not poller.has_record and number >= _POLLS_WITHOUT_RECORD:
                break
            await orchestration.sleep(self.poll_interval)
        # Deferred by a version that did not say whether the job was scheduled; the Airflow task knows.
        return {"status": CANNOT_POLL, "job_id": self.job_id, "hops": 0}

    async def on_kill(self) -> None:
        """Cancel the job if you want that and Airflow confirms the kill (called by Airflow 3.3 and later)."""
        if self.cancel_on_kill:
            attempt = Attempt(self.task_instance, Mark.of(self.mark), self.clear_kills)
            await cancel_if_killed(self.sosw_conn_id, self.job_id, attempt)

    def _first_pause(self) -> float:
        # The Airflow task has polled a moment ago. After a trigger that could not poll, a whole interval passes.
        if self.hops:
            return self.poll_interval
        # Each job has its own place in the interval, so that a thousand triggers do not poll at once.
        return min(self.poll_interval, _SPREAD) * crc32(self.job_id.encode()) / 0xFFFFFFFF

    def _failure(self, error: Exception, *, has_polled: bool) -> dict[str, Any]:
        reason = redact(f"{type(error).__name__}: {error}")[:_LONGEST_REASON]
        hops = 1 if has_polled else self.hops + 1
        return {"status": CANNOT_POLL, "job_id": self.job_id, "reason": reason, "hops": hops}


def _event(payload: dict[str, Any], poller: AsyncJobPoller, orchestration: Orchestration) -> TriggerEvent:
    used = [each for each in (poller.usage, orchestration.usage) if each is not None]
    usage = sum(used[1:], used[0]).stored() if used else {}
    return TriggerEvent({**payload, **({"usage": usage} if usage else {})})  # type: ignore[no-untyped-call]
