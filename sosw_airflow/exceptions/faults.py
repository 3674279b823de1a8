"""What is wrong in a document, and how a message lists and counts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SHOWN", "Fault", "counted", "known_names", "lines_of", "new_job", "quoted", "tasks_are"]

#: How many faults or examples a message spells out before it only counts the rest.
SHOWN = 20


@dataclass(frozen=True)
class Fault:
    """One wrong thing at a path in a document (``sections.section_a.stores``; empty: the document), and the rule."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


def lines_of(items: Sequence[object], total: int | None = None, *, most: int = SHOWN) -> str:
    """A line for each of the first items, and one that counts the others."""
    shown = "".join(f"\n  - {item}" for item in items[:most])
    more = (total or len(items)) - min(len(items), most)
    return f"{shown}\n  - and {more:,} more" if more > 0 else shown


def known_names(what: str, names: Sequence[str], where: str) -> str:
    """The names that exist there, for a message about one that does not."""
    if not names:
        return f"{where[0].upper()}{where[1:]} is empty."
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what} in {where}: {', '.join(quoted(name)[1:-1] for name in names[:SHOWN])}{more}."


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, and its verb if need be: ``1 task is``, ``2,000 tasks are``.

    :param many: the words for every number but 1 (default: ``one`` with an s).
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def tasks_are(number: int) -> str:
    """The beginning of a sentence about so many tasks."""
    return counted(number, "task is", "tasks are")


def quoted(name: object) -> str:
    """A name from outside in quotes, 80 characters at most."""
    return repr(text if len(text := str(name)) <= 80 else f"{text[:77]}...")


def new_job(job_id: str, *, repairs: str) -> str:
    """What schedules a damaged job as a new one: the end of a fix.

    :param repairs: of the job's record. Every attempt to repair a job resumes its unfinished repair, also one of a
        cleared Airflow task, so that repair is cancelled first.
    """
    give_up = f"cancel this repair with `sosw-airflow cancel {job_id}`, then " if repairs else ""
    return f"{give_up}clear the Airflow task to schedule the job as a new one"
