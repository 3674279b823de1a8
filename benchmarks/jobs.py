"""The jobs that the benchmarks expand."""

from __future__ import annotations

from datetime import date
from typing import Any

__all__ = ["JOBS", "LABOURER", "REFERENCE_DATE", "SCHEMA"]

LABOURER = "worker"
REFERENCE_DATE = date(2026, 11, 23)
SCHEMA = ("section", "store", "product")


def days(tasks: int) -> dict[str, Any]:
    """Ten days of sections, each of ten stores, each of ten products: the usual job."""
    return {**day(tasks // 10), "period": "last_10_days"}


def day(tasks: int) -> dict[str, Any]:
    """The same for one day."""
    return {
        "period": "last_1_days",
        "isolate_days": True,
        "isolate_products": True,
        "sections": _shops(max(tasks // 100, 1), 10, 10),
    }


def nested(tasks: int) -> dict[str, Any]:
    """Three levels, as wide as each other; each product of each store a task."""
    side = max(round(tasks ** (1 / 3)), 1)
    return {"isolate_products": True, "sections": _shops(side, side, side)}


def flat(tasks: int) -> dict[str, Any]:
    """One long list of numbers, each a task."""
    return {"isolate_sections": True, "sections": list(range(tasks))}


def words(tasks: int) -> dict[str, Any]:
    """One long list of words, each a task."""
    return {"isolate_sections": True, "sections": _words(tasks)}


def batches(tasks: int) -> dict[str, Any]:
    """One long list of numbers, a hundred of them a task: as many numbers as the other jobs have tasks."""
    return {"max_sections_per_batch": 100, "sections": list(range(tasks))}


def word_batches(tasks: int) -> dict[str, Any]:
    """One long list of words, a hundred of them a task."""
    return {"max_sections_per_batch": 100, "sections": _words(tasks)}


JOBS = {
    "days": days,
    "day": day,
    "nested": nested,
    "flat": flat,
    "words": words,
    "batches": batches,
    "word_batches": word_batches,
}


def _shops(sections: int, stores: int, products: int) -> dict[str, Any]:
    return {
        f"section_{section}": {
            "stores": {f"store_{store}": {"products": list(range(products))} for store in range(stores)}
        }
        for section in range(sections)
    }


def _words(number: int) -> list[str]:
    return [f"word_{each}" for each in range(number)]
