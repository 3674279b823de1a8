"""From what was read to HTML: jinja2 templates, with every value escaped. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sosw_airflow import __version__
from sosw_airflow.jobs.redaction import redacted
from sosw_airflow.jobs.source_records import source_records, source_text
from sosw_airflow.links.pages import PAGES, page_path
from sosw_airflow.ui import drawings, texts
from sosw_airflow.ui.requests import PageRequest, PageResponse

__all__ = ["STATIC", "job_parts", "page", "static"]

_HERE = Path(__file__).parent

#: Files that the pages load, with their types.
STATIC = {
    "sosw.css": "text/css; charset=utf-8",
    "sosw.js": "text/javascript; charset=utf-8",
}

#: Seconds for which a browser keeps them.
_STATIC_SECONDS = 3600


@lru_cache(maxsize=1)
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(texts.FILTERS)
    environment.globals.update(
        shares=drawings.shares,
        columns=drawings.columns,
        job_shares=_job_shares,
        zip=zip,
        share=texts.share,
        job_parts=job_parts,
        mask=_mask,
        source_records=source_records,
        source_text=source_text,
    )
    return environment


def job_parts(conn_id: str, header: Any) -> tuple[str, ...]:
    """The parts of the address of a job's page.

    The job of a command has the DAG id ``cli``: a role that may read certain DAGs only does not see it.
    """
    return ("c", conn_id, "dags", header.dag_id, "jobs", header.job_id)


#: Colours of jobs; the next one begins again.
_JOB_COLOURS = 6


def _job_shares(jobs: Sequence[tuple[Any, str, int]], others: int) -> list[tuple[str, int]]:
    """The parts of a queue's bar: a colour and the tasks of each job, then all others."""
    named = [(f"job{number % _JOB_COLOURS}", tasks) for number, (_, _, tasks) in enumerate(jobs)]
    return [*named, ("open", others)]


def _mask(text: str) -> str:
    """A text of a row or an error, without what Airflow masks."""
    return str(redacted({"text": text})["text"])


def page(request: PageRequest, template: str, *, status: int = 200, **values: Any) -> PageResponse:
    """The answer that a template makes of these values."""

    def link(*parts: object, **query: object) -> str:
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{request.root}{page_path(*parts)}" + (f"?{urlencode(given)}" if given else "")

    home = f"{request.root.removesuffix(PAGES)}/"
    text = (
        _templates()
        .get_template(template)
        .render(request=request, link=link, airflow_home=home, version=__version__, **values)
    )
    # A payload may hold half of a surrogate pair, which UTF-8 cannot.
    return PageResponse(text.encode("utf-8", "replace"), status)


@lru_cache(maxsize=len(STATIC))
def _static_file(name: str) -> bytes:
    return (_HERE / "static" / name).read_bytes()


def static(name: str) -> PageResponse | None:
    """A file that the pages load, or None."""
    if name not in STATIC:
        return None
    return PageResponse(_static_file(name), content_type=STATIC[name], max_age=_STATIC_SECONDS)
