"""What OpenLineage records of a job: the labourer's queue as an output, and the job with its counts as a run facet.

Imported only if OpenLineage's provider is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FACET", "NAMESPACE", "dataset_of", "facets_of"]

NAMESPACE = "sosw"

#: Name of the run facet.
FACET = "sosw_job"

#: Keys of the facet, as OpenLineage spells names, and of the summary of a job.
_FACET_KEYS = {
    "jobId": "job_id",
    "labourer": "labourer",
    "referenceDate": "reference_date",
    "state": "state",
    "tasks": "tasks",
    "completed": "completed",
    "failed": "failed",
    "parentJobId": "repairs",
}


def facets_of(summary: Mapping[str, Any] | None) -> Any:
    """The facets of a job's summary; none if nothing was scheduled (None). Counts follow once they are known."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.facet_v2 import RunFacet

    if not summary:
        return OperatorLineage()
    facet = {key: summary[name] for key, name in _FACET_KEYS.items() if summary.get(name) is not None}
    # The job is no part of the dataset's name: a dataset outlives the jobs.
    return OperatorLineage(
        outputs=[dataset_of(str(summary["labourer"]))],
        run_facets={FACET: RunFacet().with_additional_properties(**facet)},
    )


def dataset_of(labourer: str) -> Any:
    """The queue of a labourer, the same as the asset ``sosw://<labourer>``."""
    from openlineage.client.event_v2 import Dataset

    return Dataset(namespace=NAMESPACE, name=labourer)
