"""Searches the payloads of a job's tasks for a text, as much as one view may read."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sosw_airflow.jobs.redaction import redacted
from sosw_airflow.ui.shown_tasks import ShownTask

if TYPE_CHECKING:
    from sosw_airflow.waiting.results import ResultReader

__all__ = ["MOST_FOUND", "MOST_SEARCHED", "PayloadSearch", "search_payloads"]

#: Tasks that one view reads: up to 300 read units for rows of up to 4 KB; tasks that it shows.
MOST_SEARCHED, MOST_FOUND = 200, 25

#: Tasks of one read, and characters of payloads after which no further read follows.
_AT_ONCE, _CHARACTERS = 50, 1_000_000


@dataclass(frozen=True)
class PayloadSearch:
    """What one view has found.

    :ivar first: index of the first task that was searched, and ``following`` that of the first one that was not.
    :ivar total: tasks of the job.
    """

    results: list[ShownTask]
    first: int
    following: int
    total: int

    @property
    def searched(self) -> int:
        """Tasks that this view has searched."""
        return self.following - self.first

    @property
    def more(self) -> bool:
        """Whether tasks follow that were not searched."""
        return self.following < self.total


def search_payloads(
    reader: ResultReader, text: str, first: int, total: int, log_of: Callable[[Any], str]
) -> PayloadSearch:
    """The tasks with this text in their payload, whatever its case, from the index ``first`` on.

    What is searched is what the page would show: the JSON text, without what Airflow masks.

    :raises SoswError: AWS refuses.
    """
    first = following = min(first, total)
    wanted, found, characters = text.casefold(), [], 0
    while following < min(first + MOST_SEARCHED, total) and characters < _CHARACTERS:
        indexes = range(following, min(following + _AT_ONCE, first + MOST_SEARCHED, total))
        with closing(reader.read(indexes)) as results:
            for result in results:
                shown = _shown(result.payload)
                characters += len(shown)
                following += 1
                if wanted in shown.casefold():
                    found.append(ShownTask.of(result, log_of(result)))
                if len(found) == MOST_FOUND:
                    return PayloadSearch(found, first, following, total)
    return PayloadSearch(found, first, following, total)


def _shown(payload: Any) -> str:
    if payload is None:
        return ""  # its row is gone, or was not written yet
    masked = redacted(payload)
    return masked if isinstance(masked, str) else json.dumps(masked, indent=2, ensure_ascii=False)
