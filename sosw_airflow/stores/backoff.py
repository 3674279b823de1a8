"""Pauses between requests that AWS throttles, or answers in part.

A request is sent again as long as AWS answers anything of it within the patience. So a small table makes the work slow,
and does not end it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.stores.aws_errors import Verdict, explain, judge

__all__ = ["Backoff", "pauses"]

_T = TypeVar("_T")

#: Seconds of the first and of the longest pause.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 10.0


def pauses(uniform: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """Seconds between one attempt and the next: each twice the former, up to the longest, shortened at random."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * uniform(0.5, 1.0)
        pause = min(2 * pause, _LONGEST_PAUSE)


class Backoff:
    """Waits between the attempts at one piece of work.

    :param sleep: waits so many seconds; what it raises ends the work. None for `time.sleep`.
    :param patience: seconds without an answer after which the work is given up.
    """

    def __init__(self, *, sleep: Callable[[float], None] | None = None, patience: float = 300.0) -> None:
        self._sleep = sleep or time.sleep
        self._patience = patience
        self._pauses = pauses()
        self._answered_at = time.monotonic()

    def answered(self) -> None:
        """AWS has answered a part. The pauses still grow: they end with the whole."""
        self._answered_at = time.monotonic()

    def wait(self) -> bool:
        """Wait before the next attempt. False: there was no answer for too long."""
        if time.monotonic() - self._answered_at > self._patience:
            return False
        self._sleep(next(self._pauses))
        return True

    def call(self, request: Callable[[], _T], *, action: str, resource: str, setting: str = "") -> _T:
        """Send the request until AWS answers it.

        :raises SoswError: AWS refuses it, or there was no answer for too long.
        """
        while True:
            try:
                return request()
            except (ClientError, BotoCoreError) as error:  # noqa: PERF203 - a request costs a thousand times as much
                passing = judge(error) in (Verdict.THROTTLED, Verdict.TRANSIENT)
                if not passing or not self.wait():
                    raise explain(error, action=action, resource=resource, setting=setting) from error
