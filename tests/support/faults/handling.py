"""What happens to one request: its faults, the emulator, its entry in the journal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.support.faults.faults import Drop, Fault
from tests.support.faults.journal import Entry, Journal, Outcome
from tests.support.faults.upstream import EmulatorGoneError, Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.faults.capacity import Capacity
    from tests.support.faults.request import Request, Response
    from tests.support.faults.rules import Rule


@dataclass
class Result:
    """What the client gets: `response`, or with `drop` the end of its connection (maybe after a part of it)."""

    response: Response | None
    drop: Drop | None = None
    outcome: Outcome = Outcome.PASSED
    status: int = 0
    error: str = ""


# A fault with the random numbers of its rule.
_Acting = tuple[Fault, Random]


async def handle(
    request: Request, upstream: Upstream, *, rules: Sequence[Rule], capacity: Capacity, journal: Journal, epoch: float
) -> Result:
    """Do a request with whatever strikes it. `epoch` is the monotonic time from which the journal counts."""
    started = time.monotonic()
    # Every rule counts the request, also when an earlier one ends it.
    acting: list[_Acting] = [(rule.fault, rule.random) for rule in rules if rule.selects(request)]
    tables = request.tables
    result = await _before(request, acting, capacity)
    # After that, because only a part of a batch may pass.
    units = capacity.meter.request_units(request)
    if result is None:
        result = await _exchange(request, acting, capacity, upstream)
    journal.add(
        Entry(
            number=request.number,
            started=started - epoch,
            seconds=time.monotonic() - started,
            service=request.service,
            operation=request.operation,
            tables=tables,
            key=request.key,
            units=units,
            outcome=result.outcome,
            faults=tuple(label for fault, _ in acting if (label := fault.label(request))),
            status=result.status,
            error=result.error,
        )
    )
    return result


async def _before(request: Request, acting: list[_Acting], capacity: Capacity) -> Result | None:
    for fault, random in acting:
        verdict = await fault.before(request, random)
        if isinstance(verdict, Drop):
            return Result(None, verdict, Outcome.LOST_REQUEST)
        if verdict is not None:
            return Result(verdict, None, Outcome.REFUSED)
    # The capacity comes last: what a fault keeps from DynamoDB costs nothing there.
    refusal = capacity.admit(request)
    return None if refusal is None else Result(refusal, None, Outcome.REFUSED)


async def _exchange(request: Request, acting: list[_Acting], capacity: Capacity, upstream: Upstream) -> Result:
    try:
        response = await upstream.exchange(request)
    except EmulatorGoneError:
        return Result(None, Drop(), Outcome.EMULATOR_GONE)
    result = Result(response, status=response.status, error=response.error_code())
    # What DynamoDB itself would have answered, then what becomes of that on its way.
    result.response = response = capacity.answer(request, response)
    for fault, random in acting:
        verdict = await fault.after(request, response, random)
        if isinstance(verdict, Drop):
            result.drop, result.outcome = verdict, Outcome.LOST_RESPONSE
            break
        if verdict is not None:
            result.response = response = verdict
            result.outcome = Outcome.CHANGED_RESPONSE
    return result
