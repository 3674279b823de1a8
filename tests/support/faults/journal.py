"""What passed through the proxy: one entry for each request, and sums that are cheap to ask for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.faults.units import Units


class Outcome(str, Enum):
    """What became of a request."""

    PASSED = "passed"
    """The emulator's answer went to the client (whatever it says)."""
    REFUSED = "refused"
    """The proxy answered; the emulator never saw it."""
    LOST_REQUEST = "lost request"
    """The connection ended before the request was applied."""
    LOST_RESPONSE = "lost response"
    """The emulator has answered, the connection ended before the client had the answer."""
    CHANGED_RESPONSE = "changed response"
    """The emulator has answered, the client got another answer from the proxy."""
    EMULATOR_GONE = "emulator gone"
    """The emulator ended the connection without an answer: whether the request was applied is unknown."""

    @property
    def reached_emulator(self) -> bool:
        """Whether the emulator has seen the request."""
        return self not in (Outcome.REFUSED, Outcome.LOST_REQUEST)


@dataclass(frozen=True, slots=True)
class Entry:
    """One request.

    number: its place in the order of arrival, from 1. started: seconds since the proxy's start. seconds: until its end.
    tables: table -> items named. units: write units by table, and by `table/index`, whether or not they were admitted.
    faults: the labels of the faults that struck. status, error: what the emulator answered, 0 and "" if it did not.
    """

    number: int
    started: float
    seconds: float
    service: str
    operation: str
    tables: dict[str, int]
    key: str
    units: Units
    outcome: Outcome
    faults: tuple[str, ...]
    status: int
    error: str

    @property
    def applied(self) -> bool:
        """Whether the emulator has done it."""
        return self.outcome.reached_emulator and 200 <= self.status < 300


class Journal:
    """All requests since the start or the last `clear`, in the order of their ends."""

    def __init__(self, keep_entries: bool = True) -> None:
        self.keep_entries = keep_entries
        self.entries: list[Entry] = []
        self._requests: Counter[tuple[str, Outcome]] = Counter()
        self._applied_units: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Note a request that has ended."""
        if self.keep_entries:
            self.entries.append(entry)
        self._requests[entry.operation, entry.outcome] += 1
        if entry.applied:
            self._applied_units.update(entry.units)

    def clear(self) -> None:
        """Forget all entries and sums."""
        self.entries = []
        self._requests = Counter()
        self._applied_units = Counter()

    def count(self, operation: str | None = None, outcome: Outcome | None = None) -> int:
        """Count the requests, of one operation or of all, with one outcome or with any."""
        return sum(
            number
            for (name, result), number in list(self._requests.items())
            if operation in (None, name) and outcome in (None, result)
        )

    def operations(self) -> dict[str, int]:
        """Count the requests by operation."""
        counts: Counter[str] = Counter()
        for (operation, _), number in list(self._requests.items()):
            counts[operation] += number
        return dict(counts)

    def units(self) -> dict[str, int]:
        """Sum up the write units of all requests that were applied, by table and by `table/index`."""
        return dict(self._applied_units)

    def of(self, operation: str, table: str | None = None) -> Iterator[Entry]:
        """Give the entries of one operation (and of one table) in the order of arrival."""
        found = [entry for entry in list(self.entries) if entry.operation == operation]
        return iter(
            sorted((entry for entry in found if table is None or table in entry.tables), key=lambda e: e.number)
        )

    def summary(self) -> dict[str, Any]:
        """Sum up everything, as JSON."""
        return {
            "requests": self.count(),
            "operations": self.operations(),
            "outcomes": {outcome.value: self.count(outcome=outcome) for outcome in Outcome},
            "units": self.units(),
        }
