"""Events of assets in every version: what an Airflow task adds to its own, and those that have started a DAG run.

| symbol              | Airflow 2.10, 2.11          | Airflow 3                                                |
| ------------------- | --------------------------- | -------------------------------------------------------- |
| `outlet_events`     | `Dataset`                   | `Asset`, and `Asset.ref`                                 |
| `add_partition`     | nothing                     | since 3.3, of a DAG that is `PartitionedAtRuntime`       |
| `triggering_extras` | `triggering_dataset_events` | `triggering_asset_events`                                |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sosw_airflow._compat import asset_class

__all__ = ["add_partition", "outlet_events", "triggering_extras"]


def outlet_events(context: Mapping[str, Any], outlets: Iterable[Any]) -> Iterator[Any]:
    """The events that this Airflow task will leave at its assets once it succeeds, each with a dict ``extra``.

    An alias has none, since it stands for assets that the Airflow task itself names.
    """
    events = context["outlet_events"] if "outlet_events" in context else None  # noqa: SIM401 - Airflow 2's Context
    kinds = (asset_class(), *_references())
    for outlet in outlets:
        if events is not None and isinstance(outlet, kinds):
            yield events[outlet]


def _references() -> tuple[type, ...]:
    try:
        from airflow.sdk.definitions.asset import AssetRef
    except ImportError:
        return ()
    return (AssetRef,)


def add_partition(context: Mapping[str, Any], event: Any, key: str) -> None:
    """Give the event a partition, if it is for the Airflow task to name one.

    The events of a run that has a partition key carry that one. Those of any other run have none: an event with a key
    starts only DAGs that are scheduled by partitions, and none that is scheduled by the asset as a whole.
    """
    at_runtime = getattr(getattr(context["dag"], "timetable", None), "partitioned_at_runtime", False)
    has_key = "partition_key" in context and context["partition_key"] is not None
    if at_runtime and not has_key and hasattr(event, "add_partitions") and not event.partition_keys:
        event.add_partitions(key)


def triggering_extras(context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The ``extra`` of each event that has started this DAG run. An event comes again for each alias of its asset."""
    for name in ("triggering_asset_events", "triggering_dataset_events"):
        if name in context:
            for events in context[name].values():
                for event in events:
                    yield dict(event.extra or {})
            return
