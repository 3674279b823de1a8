"""What sosw's Scheduler would write into its queue file: its own code, without AWS and without files."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from tests.support.upstream import quiet  # noqa: F401 - before anything of sosw

# isort: split
from sosw import scheduler as module
from sosw.labourer import Labourer

LABOURER = "worker"

#: `single_or_plural` of sosw gives its two or three spellings in the order of a set, thus of the hash seed.
Spellings = Callable[[str], list[str]]


def plural_first(attr: str) -> list[str]:
    """One of the orders that sosw's spellings may have."""
    return sorted({attr, attr.rstrip("s"), f"{attr}s"}, reverse=True)


def singular_first(attr: str) -> list[str]:
    """Another of the orders that sosw's spellings may have."""
    return sorted({attr, attr.rstrip("s"), f"{attr}s"})


def upstream_lines(
    job: Any,
    schema: Mapping[str, Any],
    today: dt.date,
    *,
    spellings: Spellings | None = None,
) -> list[str]:
    """The lines of the queue file for this job, by sosw's own `extract_job_from_payload` and `parse_job_to_file`.

    `schema` is `{"chunkable_attrs": [names]}`; the labourer is "worker" unless the job says otherwise. `spellings`
    fixes the order of singular and plural. Whatever sosw raises, this raises.
    """
    scheduler = module.Scheduler.__new__(module.Scheduler)
    attrs = [(name, {}) for name in schema["chunkable_attrs"]]
    scheduler.config = {**module.Scheduler.DEFAULT_CONFIG, "job_schema": {"chunkable_attrs": attrs}}
    scheduler.initialize_from_job_schema()
    scheduler._queue_file_name = "never_written.txt"
    scheduler.task_client = SimpleNamespace(get_labourer=lambda labourer_id: Labourer(id=labourer_id))
    event = deepcopy(job)
    if isinstance(event, dict) and "job" not in event:
        event.setdefault("lambda_name", LABOURER)
    with _in_memory(today, spellings) as written:
        scheduler.parse_job_to_file(scheduler.extract_job_from_payload(event))
        return written.getvalue().splitlines()


def upstream_rows(
    job: Any, schema: Mapping[str, Any], today: dt.date, *, spellings: Spellings | None = None
) -> list[dict[str, Any]]:
    """The rows of `upstream_lines`: payload attributes and `labourer_id`, in sosw's order."""
    return [json.loads(line) for line in upstream_lines(job, schema, today, spellings=spellings)]


@contextlib.contextmanager
def _in_memory(today: dt.date, spellings: Spellings | None) -> Iterator[io.StringIO]:
    """The Scheduler's module with a fixed today, and with a queue file in memory instead of /tmp."""
    written = io.StringIO()
    names = {
        "datetime": SimpleNamespace(date=SimpleNamespace(today=lambda: today), timedelta=dt.timedelta),
        "open": lambda *_: contextlib.nullcontext(written),
        "single_or_plural": spellings or module.single_or_plural,
    }
    before = {name: vars(module)[name] for name in names if name in vars(module)}
    vars(module).update(names)
    try:
        yield written
    finally:
        del module.open
        vars(module).update(before)
