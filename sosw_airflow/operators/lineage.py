"""The dataset that OpenLineage records for a job: the labourer's queue, as an output.

Imported only if OpenLineage's provider is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NAMESPACE", "dataset_of", "facets_of"]

NAMESPACE = "sosw"


def facets_of(summary: Mapping[str, Any] | None) -> Any:
    """The facets of a job's summary; without datasets if nothing was scheduled (None)."""
    from airflow.providers.openlineage.extractors import OperatorLineage

    if not summary:
        return OperatorLineage()
    # The job is no part of the dataset's name: a dataset outlives the jobs.
    return OperatorLineage(outputs=[dataset_of(str(summary["labourer"]))])


def dataset_of(labourer: str) -> Any:
    """The queue of a labourer, the same as the asset ``sosw://<labourer>``."""
    from openlineage.client.event_v2 import Dataset

    return Dataset(namespace=NAMESPACE, name=labourer)
