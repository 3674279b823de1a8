"""What OpenLineage learns: the labourer's queue as what was produced, with the job in it.

Imported only where OpenLineage asks, that is, where its provider is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NAMESPACE", "facets_of"]

NAMESPACE = "sosw"


def facets_of(summary: Mapping[str, Any] | None) -> Any:
    """The facets of a job's summary; of None, where nothing was scheduled, no datasets."""
    from airflow.providers.openlineage.extractors import OperatorLineage  # type: ignore[import-not-found]
    from openlineage.client.event_v2 import Dataset  # type: ignore[import-not-found]

    if not summary:
        return OperatorLineage()
    # The same name as the asset sosw://<labourer>. The job is no part of it: a dataset outlives the jobs.
    return OperatorLineage(outputs=[Dataset(namespace=NAMESPACE, name=str(summary["labourer"]))])
