"""How many failed tasks a job may have and still count as done."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt

__all__ = ["Tolerance"]

_SHARE = re.compile(r"\s*(\d{1,3}(?:\.\d{1,20})?)\s*%\s*", re.ASCII)
_NUMBER = re.compile(r"\s*\d{1,18}\s*", re.ASCII)


@dataclass(frozen=True)
class Tolerance:
    """A number of tasks, or a share of the job's tasks.

    :ivar tasks: the number; None if it is a share.
    :ivar percent: the share, from 0 to 100.
    """

    tasks: int | None = 0
    percent: Decimal = Decimal(0)

    @classmethod
    def of(cls, given: object, *, name: str = "tolerated_failures") -> Tolerance:
        """From ``7``, ``"7"`` or ``"2.5%"``.

        :param name: of the argument, for the message.
        :raises InvalidConfiguration: it is none of these.
        """
        if isinstance(given, str):
            share = _SHARE.fullmatch(given)
            if share and Decimal(share[1]) <= 100:
                return cls(None, Decimal(share[1]))
            if _NUMBER.fullmatch(given):
                return cls(int(given))
        elif isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            return cls(given)
        raise InvalidConfiguration(
            [Fault(name, f"must be a number of tasks (0 or more) or a share such as '5%', not {excerpt(given)}")]
        )

    @property
    def as_given(self) -> int | str:
        """What `of` makes it of, in JSON's types."""
        return f"{self.percent}%" if self.tasks is None else self.tasks

    def most(self, total: int) -> int:
        """The most tasks that may fail of so many.

        A share is rounded down, exactly: 5 % of 39 tasks is 1.95, so 1 may fail; 32.3 % of 1,000 tasks is 323.
        """
        if self.tasks is not None:
            return self.tasks
        return int(Fraction(self.percent) * total / 100)

    def allows(self, failed: int, total: int) -> bool:
        """Whether a job of so many tasks may have so many failed ones."""
        return failed <= self.most(total)

    def __str__(self) -> str:
        return f"{self.percent} %" if self.tasks is None else f"{self.tasks:,}"
