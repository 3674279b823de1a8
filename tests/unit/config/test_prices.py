"""The table of list prices, and one of the user's."""

from __future__ import annotations

import json

import pytest

from sosw_airflow.config.prices import list_prices, prices_from
from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.jobs.cost import Usage


def test_the_table_prices_every_amount() -> None:
    """A million of each, on demand in us-east-1."""
    prices = list_prices()
    assert (prices.region, prices.currency) == ("us-east-1", "USD")
    assert prices.of(Usage(1e6, 1e6, 1e6, 1e6, 1e6, 1e6)) == pytest.approx(0.625 + 0.125 + 5 + 0.4 + 0.2 + 16.6667)


def test_a_table_of_the_users() -> None:
    """What it leaves out is as in the list prices."""
    prices = prices_from(json.dumps({"region": "eu-central-1", "per_million": {"write_units": 1}}))
    assert (prices.region, prices.currency) == ("eu-central-1", "USD")
    assert prices.per_million == {**list_prices().per_million, "write_units": 1.0}


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({"per_million": {"writes": 1}}, ["per_million.writes: is not known"]),
        ({"per_million": {"write_units": "1"}}, ["per_million.write_units: must be a price, 0 or more, not '1'"]),
        ({"per_million": {"write_units": -1}}, ["must be a price"]),
        ({"per_million": {"write_units": True}}, ["must be a price"]),
        ({"per_million": []}, ["per_million: must be an object"]),
        ({"prices": {}}, ["prices: is not known; these are: as_of, region"]),
        ({"region": 1, "as_of": "July"}, ["region: must be a text", "as_of: must be a date"]),
        ([], ["must be an object"]),
    ],
)
def test_faults(document: object, faults: list[str]) -> None:
    """All of them at once."""
    with pytest.raises(InvalidConfiguration) as refused:
        prices_from(json.dumps(document))
    assert [fault for fault in faults if fault not in str(refused.value)] == []
