"""Where the pages in Airflow's UI are. Standard library alone: every process of Airflow loads it with the plugin."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["JOB_KEY", "PAGES", "page_path"]

#: The XCom that names the job of an Airflow task, and its Connection, for the pages.
JOB_KEY = "sosw_job"

#: Where the pages are, behind Airflow's own address.
PAGES = "/sosw"


def page_path(*parts: object) -> str:
    """The path of a page behind `PAGES`. Each part is quoted twice: servers decode a path once, slashes included.

    >>> page_path("c", "sosw/other", "labourers", "worker")
    '/c/sosw%252Fother/labourers/worker'
    """
    # Half of a surrogate pair has no address.
    return "".join(f"/{quote(quote(str(part), safe='', errors='replace'), safe='')}" for part in parts)
