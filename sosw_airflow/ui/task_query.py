"""Which tasks of a job a viewer wants to see: a state and a page, one task, or a text. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sosw_airflow.jobs.identity import job_of, task_index

__all__ = ["STATES", "TaskQuery"]

#: States by which tasks can be chosen.
STATES = ("completed", "failed", "open")

#: Characters of what is searched.
_LONGEST = 100

#: Pages of the largest job.
_LAST_PAGE = 10**8


@dataclass(frozen=True)
class TaskQuery:
    """What the parameters of a job's page ask for.

    :ivar state: one of `STATES`; empty for all.
    :ivar cause: key of the cause by which failed tasks are chosen; empty for all.
    :ivar page: from 1.
    :ivar search: as it was typed.
    :ivar index: of the one task that is searched; None for all.
    :ivar text: that payloads are searched for; empty for none.
    :ivar start: index of the task from which on they are searched.
    :ivar problem: why the search cannot find anything; empty if it can.
    """

    state: str = ""
    page: int = 1
    cause: str = ""
    search: str = ""
    index: int | None = None
    problem: str = ""
    text: str = ""
    start: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str], job_id: str) -> TaskQuery:
        """From the parameters of a request, whatever they are.

        >>> TaskQuery.of({"state": "failed", "page": "3"}, "a" * 20)
        TaskQuery(state='failed', page=3, cause='', search='', index=None, problem='', text='', start=0)
        >>> TaskQuery.of({"search": " 1,234 "}, "a" * 20).index
        1234
        >>> TaskQuery.of({"text": " Mazda ", "start": "200"}, "a" * 20).start
        200
        """
        state = query.get("state", "")
        page = query.get("page", "")
        number = min(int(page), _LAST_PAGE) if re.fullmatch(r"[1-9][0-9]{0,17}", page) else 1
        search = query.get("search", "").strip()[:_LONGEST]
        index, problem = _index(search, job_id) if search else (None, "")
        text = "" if search else query.get("text", "").strip()[:_LONGEST]
        start = int(query["start"]) if text and re.fullmatch(r"[0-9]{1,12}", query.get("start", "")) else 0
        cause = query.get("cause", "") if re.fullmatch(r"[0-9a-f]{12}", query.get("cause", "")) else ""
        state = "failed" if cause else state if state in STATES else ""
        return cls(state, number, cause, search, index, problem, text, start)


def _index(search: str, job_id: str) -> tuple[int | None, str]:
    digits = search.replace(",", "")
    if re.fullmatch(r"[0-9]{1,12}", digits):
        return int(digits), ""
    if re.fullmatch(r"[0-9a-f]{32}", search):
        if job_of(search) != job_id:
            return None, f"This is a task of the job {job_of(search)}."
        return task_index(search), ""
    return None, "Search for the id of a task (32 characters), or for its number in the job."
