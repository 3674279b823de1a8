"""How many failed tasks a job may have and still count as done."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sosw_airflow.exceptions import Fault, InvalidConfiguration

__all__ = ["Tolerance"]

_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")


@dataclass(frozen=True)
class Tolerance:
    """A number of tasks, or a share of the job's tasks.

    :ivar tasks: or None, where it is a share.
    :ivar percent: from 0 to 100.
    """

    tasks: int | None = 0
    percent: float = 0.0

    @classmethod
    def of(cls, given: object, *, name: str = "tolerated_failures") -> Tolerance:
        """From ``7``, ``"7"`` or ``"2.5%"``.

        :param name: of the argument, for the message.
        :raises InvalidConfiguration: it is none of these.
        """
        if isinstance(given, str):
            share = _SHARE.fullmatch(given)
            if share and float(share[1]) <= 100:
                return cls(None, float(share[1]))
            if given.strip().isdecimal():
                return cls(int(given))
        elif isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            return cls(given)
        raise InvalidConfiguration(
            [Fault(name, f"must be a number of tasks (0 or more) or a share such as '5%', not {given!r}")]
        )

    def allows(self, failed: int, total: int) -> bool:
        """Whether a job of so many tasks may have so many failed ones."""
        if self.tasks is not None:
            return failed <= self.tasks
        return failed * 100 <= self.percent * total

    def __str__(self) -> str:
        return f"{self.percent:g} %" if self.tasks is None else f"{self.tasks:,}"
