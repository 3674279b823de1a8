"""Assets of the scheme ``sosw``: ``sosw://<labourer>`` is the queue of a labourer.

An operator that names one as an outlet lets Airflow start other DAGs when a job was scheduled, or, if the operator
waits, when the job is over. The event carries the job: `triggering_jobs` reads it in the DAG that was started.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult

__all__ = ["create_asset", "sanitize_uri", "to_openlineage", "triggering_jobs"]


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check and normalise ``sosw://<labourer>``. Airflow calls this for every asset of the scheme.

    :raises ValueError: the URI has no labourer, or more than a labourer.
    """
    if not uri.netloc or uri.path.strip("/") or uri.query:
        raise ValueError(f"An asset of sosw is sosw://<labourer>, not {uri.geturl()}")
    return uri._replace(path="", fragment="")


def create_asset(*, labourer: str, extra: dict[str, Any] | None = None) -> Any:
    """The asset of a labourer's queue: an `Asset`, on Airflow 2 a `Dataset`."""
    from sosw_airflow._compat import asset_class

    return asset_class()(uri=f"sosw://{labourer}", extra=extra)


def triggering_jobs(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The jobs whose events have started this DAG run, each once, in the order of the events.

    :param context: of the Airflow task, as ``get_current_context()`` gives it.

    Returns of each job ``job_id``, ``labourer``, ``reference_date``, ``state`` and ``tasks``. If the operator waited,
    also ``completed`` and ``failed``; with ``results`` also ``results``, the addresses of the files; of a repair also
    ``repairs``. An event of another kind of Airflow task is left out.
    """
    from sosw_airflow._compat.asset_events import triggering_extras

    jobs: dict[str, dict[str, Any]] = {}
    for extra in triggering_extras(context):
        for job in extra.get("jobs") or [extra]:
            if "job_id" in job:
                jobs.setdefault(str(job["job_id"]), dict(job))
    return list(jobs.values())


def to_openlineage(asset: Any, lineage_context: Any) -> Any:  # noqa: ARG001 - Airflow's signature
    """The dataset for OpenLineage, the same that the operators report."""
    from urllib.parse import urlsplit

    from sosw_airflow.operators.lineage import dataset_of

    return dataset_of(urlsplit(asset.uri).netloc)
