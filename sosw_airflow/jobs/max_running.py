"""The rule for ``max_running``, the tasks of a job that are invoked at once at most."""

from __future__ import annotations

from sosw_airflow.jobs.excerpts import excerpt

__all__ = ["MOST_RUNNING", "max_running_problem"]

#: The highest limit. A record with a higher one could not be read any more.
MOST_RUNNING = 1_000_000_000


def max_running_problem(limit: object) -> str:
    """What is wrong with a limit; empty if nothing is.

    >>> max_running_problem(3), max_running_problem(0)
    ('', 'must be a whole number from 1 to 1,000,000,000, not 0')
    """
    if type(limit) is int and 1 <= limit <= MOST_RUNNING:
        return ""
    return f"must be a whole number from 1 to {MOST_RUNNING:,}, not {excerpt(limit)}"
