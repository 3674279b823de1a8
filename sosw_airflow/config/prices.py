"""The table of list prices: `prices.json` beside this module, or a file of the user's."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.cost import Prices, Usage
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_documents import read_object

__all__ = ["list_prices", "prices_from"]

_TABLE = Path(__file__).with_name("prices.json")
_NAMES = tuple(each.name for each in fields(Usage))
_KNOWN = ("as_of", "region", "currency", "per_million", "sources")


@lru_cache(maxsize=1)
def list_prices() -> Prices:
    """AWS's list prices on demand in us-east-1, of the day that the table names."""
    return _prices(read_object(_TABLE.read_text(), InvalidConfiguration), {})


def prices_from(text: str) -> Prices:
    """A table of the user's: JSON like ``prices.json``. What it leaves out is as there.

    :raises InvalidConfiguration: it is no such table; every fault is named.
    """
    document = read_object(text, InvalidConfiguration)
    return _prices(document, read_object(_TABLE.read_text(), InvalidConfiguration))


def _prices(document: dict[str, Any], default: dict[str, Any]) -> Prices:
    given = document.get("per_million", {})
    faults = [Fault(name, f"is not known; these are: {', '.join(_KNOWN)}") for name in document if name not in _KNOWN]
    if not isinstance(given, dict):
        faults.append(Fault("per_million", f"must be an object, not {excerpt(given)}"))
        given = {}
    for name, price in given.items():
        if name not in _NAMES:
            faults.append(Fault(f"per_million.{name}", f"is not known; these are: {', '.join(_NAMES)}"))
        elif isinstance(price, bool) or not isinstance(price, (int, float)) or not isfinite(price) or price < 0:
            faults.append(Fault(f"per_million.{name}", f"must be a price, 0 or more, not {excerpt(price)}"))
    merged = {**default, **document}
    texts = {name: merged.get(name) for name in ("currency", "region", "as_of")}
    faults += [
        Fault(name, f"must be a text, not {excerpt(value)}") for name, value in texts.items() if not _is_text(value)
    ]
    if _is_text(texts["as_of"]) and not _is_date(str(texts["as_of"])):
        faults.append(Fault("as_of", f"must be a date (YYYY-MM-DD), not {excerpt(texts['as_of'])}"))
    if faults:
        raise InvalidConfiguration(faults)
    per_million = {**default.get("per_million", {}), **given}
    return Prices({name: float(per_million[name]) for name in _NAMES}, **{name: str(texts[name]) for name in texts})


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
