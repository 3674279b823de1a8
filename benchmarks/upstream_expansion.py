"""The expansion of the real sosw (0.7.51), for comparison: its own code on its own class, without AWS."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

__all__ = ["upstream_lines", "upstream_scheduler", "upstream_tasks"]


def upstream_scheduler(chunkable_attrs: Sequence[str], today: dt.date) -> Any:
    """Sosw's Scheduler with this job schema, for which it is ``today``. Its log is switched off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has regular expressions with invalid escapes
        module = importlib.import_module("sosw.scheduler")
    logging.getLogger().setLevel(logging.CRITICAL)
    module.datetime = SimpleNamespace(date=SimpleNamespace(today=lambda: today), timedelta=dt.timedelta)
    scheduler = module.Scheduler.__new__(module.Scheduler)
    scheduler.config = {
        **module.Scheduler.DEFAULT_CONFIG,
        "job_schema": {"chunkable_attrs": [(name, {}) for name in chunkable_attrs]},
    }
    scheduler.initialize_from_job_schema()
    return scheduler


def upstream_tasks(scheduler: Any, job: Mapping[str, Any], labourer_id: str) -> list[dict[str, Any]]:
    """All tasks of a job that asks for chunking, as rows of the queue file."""
    tasks: list[dict[str, Any]] = scheduler.construct_job_data(job, skeleton={"labourer_id": labourer_id})
    return tasks


def upstream_lines(tasks: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of the queue file, made as sosw makes them."""
    for row in tasks:
        yield json.dumps(row)
