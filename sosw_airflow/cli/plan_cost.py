"""What `sosw-airflow plan` says about the costs: one row for each piece of work, and their sum."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sosw_airflow.cli.job_arguments import positive_int, positive_number
from sosw_airflow.cli.terminal import Column
from sosw_airflow.cli.usage import UsageError

if TYPE_CHECKING:
    from sosw_airflow.jobs.cost import JobShape, Prices, Usage

__all__ = ["COLUMNS", "PlanCost", "add_cost_arguments", "cost_of"]

COLUMNS = tuple(
    Column(header, right=bool(number))
    for number, header in enumerate(
        ("cost", "write units", "read units", "S3 requests", "Lambda requests", "GB-seconds", "price")
    )
)


@dataclass(frozen=True)
class PlanCost:
    """The costs of a job.

    :ivar parts: each piece of work, in the order in which it is done, and what AWS charges for it.
    """

    parts: dict[str, Usage]
    prices: Prices

    @property
    def total(self) -> Usage:
        """Of all parts."""
        return reduce(add, self.parts.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        prices = self.prices
        parts = {**self.parts, "total": self.total}
        return {
            "currency": prices.currency,
            "region": prices.region,
            "prices_as_of": prices.as_of,
            **{name: {**usage.as_dict(), "price": round(prices.of(usage), 6)} for name, usage in parts.items()},
        }

    def rows(self) -> Iterator[tuple[str, ...]]:
        """For the table."""
        parts = self.parts if len(self.parts) == 1 else {**self.parts, "total": self.total}
        for name, usage in parts.items():
            requests = usage.s3_writes + usage.s3_reads
            whole = [usage.write_units, usage.read_units, requests, usage.lambda_requests]
            price = f"{self.prices.of(usage):,.6f}"
            yield (name, *(f"{round(each):,}" for each in whole), f"{usage.gb_seconds:,.1f}", price)

    @property
    def remark(self) -> str:
        """Whose prices these are."""
        prices = self.prices
        return f"prices in {prices.currency}, on demand in {prices.region}, as of {prices.as_of}"


def add_cost_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments about costs."""
    cost = parser.add_argument_group("what it costs")
    cost.add_argument("--orchestrate", action="store_true", help="also what Airflow's orchestrator takes, and the wait")
    cost.add_argument("--wait", action="store_true", help="also the polls of a wait")
    cost.add_argument("--results", action="store_true", help="also the files of the results")
    cost.add_argument("--seconds", type=positive_number, metavar="S", help="that a task takes, for the GB-seconds")
    cost.add_argument(
        "--memory", type=positive_int, default=128, metavar="MB", help="of the function (default: %(default)s)"
    )
    cost.add_argument(
        "--limit", type=positive_int, default=10, metavar="N", help="invocations at once (default: %(default)s)"
    )
    cost.add_argument("--prices", metavar="FILE", help="JSON with prices of your own (default: AWS's list prices)")


def cost_of(shape: JobShape, arguments: argparse.Namespace) -> PlanCost:
    """The costs that the command line asks for.

    :raises UsageError: the file of the prices cannot be read.
    :raises InvalidConfiguration: it is no table of prices.
    """
    from sosw_airflow.jobs import cost

    labour = cost.Labour(arguments.seconds, arguments.memory, arguments.limit)
    parts = {"schedule": cost.writing(shape), "invoke": cost.invoking(shape, labour)}
    if arguments.orchestrate:
        parts["orchestrate"] = cost.orchestrating(shape, labour)
    if arguments.orchestrate or arguments.wait:
        parts["wait"] = cost.polling(shape, labour)
    if arguments.results:
        parts["results"] = cost.reading_results(shape, labour)
    return PlanCost(parts, _prices(arguments.prices))


def _prices(file: str | None) -> Prices:
    from sosw_airflow.config.prices import list_prices, prices_from

    if file is None:
        return list_prices()
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        message = f"--prices: {file} cannot be read: {error}"
        raise UsageError(message) from error
    return prices_from(text)
