"""A thousand to a billion tasks a day: what each part of AWS and of Airflow has to give, and which limit comes first.

Arithmetic over figures that are counted or measured elsewhere, and a simulation of the one partition of DynamoDB that a
labourer's queue is: `benchmarks.provider_scale` writes into it with the writer's own pace, while an orchestrator claims
and closes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from math import ceil

from benchmarks.provider_scale import PARTITION, UNITS_TO_CLAIM, UNITS_TO_CLOSE, UNITS_TO_WRITE, simulate
from benchmarks.report import Report
from sosw_airflow.config.prices import list_prices
from sosw_airflow.jobs.cost import JobShape, Labour, Prices, Usage, invoking, orchestrating, polling, writing
from sosw_airflow.jobs.pages import MAX_PAGE_ROWS

__all__ = ["ABOUT", "Day", "add_arguments", "day_of", "run"]

ABOUT = "10^3 to 10^9 tasks a day: labourers, cost, orchestrators, the limit that comes first (seconds)"

_SECONDS = 86_400

#: Bytes of a row, and of a line of the queue file.
_ROW_BYTES, _LINE_BYTES = 230, 151

#: Units of the queue's index in the life of a task.
UNITS_OF_A_TASK = UNITS_TO_WRITE + UNITS_TO_CLAIM + UNITS_TO_CLOSE

#: Write units a second that DynamoDB lets a table on demand take, by default, in most regions.
_TABLE = 40_000

#: Units of the table of tasks in the life of a task: page (2), claim, report, removal.
_UNITS_OF_THE_TABLE = 5

#: Invocations at the same time that an account has by default.
_CONCURRENCY = 1_000

#: Tasks of a job that `[sosw] max_tasks` allows by default.
_MOST_TASKS = 1_000_000


@dataclass(frozen=True)
class Day:
    """A day of so many tasks, each of ``task_seconds``, spread evenly.

    :ivar rate: tasks a second.
    :ivar labourers: that their queues' partitions need.
    :ivar concurrency: invocations at the same time.
    :ivar orchestrators: processes that claim and close, at one core each.
    :ivar jobs: of the most tasks that a job has by default.
    :ivar dollars: list prices of a day, of DynamoDB, S3 and Lambda.
    :ivar first: what comes to its limit first, beyond the defaults.
    """

    tasks: int
    rate: float
    labourers: int
    concurrency: float
    orchestrators: int
    jobs: int
    dollars: dict[str, float]
    first: str

    @property
    def total(self) -> float:
        """Dollars a day."""
        return sum(self.dollars.values())


def day_of(tasks: int, *, sustained: float, task_seconds: float, memory: int, own_ms: float, prices: Prices) -> Day:
    """Calculate a day.

    :param sustained: tasks a second that one labourer's partition carries from the page to the removal.
    :param own_ms: processor time of an orchestrator for a task.
    """
    rate = tasks / _SECONDS
    pages = ceil(tasks / MAX_PAGE_ROWS)
    shape = JobShape({_ROW_BYTES: tasks}, pages, tasks * _LINE_BYTES)
    concurrency = rate * task_seconds
    labour = Labour(seconds=task_seconds, memory=memory, limit=max(1, ceil(concurrency)))
    used = writing(shape) + invoking(shape, labour) + orchestrating(shape, labour) + polling(shape, labour)
    orchestrators = max(1, ceil(rate * own_ms / 1000))
    limits = {
        "Lambda's concurrency": concurrency / _CONCURRENCY,
        "a labourer's partition": rate / sustained,
        "an orchestrator's core": rate * own_ms / 1000,
        "`max_tasks` of a job": tasks / _MOST_TASKS,
        "the table's write units": rate * _UNITS_OF_THE_TABLE / _TABLE,
    }
    passed = [f"{name} ({part:.1f} x)" for name, part in sorted(limits.items(), key=lambda each: -each[1]) if part > 1]
    return Day(
        tasks,
        rate,
        max(1, ceil(rate / sustained)),
        concurrency,
        orchestrators,
        ceil(tasks / _MOST_TASKS),
        _by_service(used, prices),
        "; ".join(passed) or "none",
    )


def _by_service(used: Usage, prices: Prices) -> dict[str, float]:
    parts = {
        "DynamoDB": Usage(write_units=used.write_units, read_units=used.read_units),
        "S3": Usage(s3_writes=used.s3_writes, s3_reads=used.s3_reads),
        "Lambda": Usage(lambda_requests=used.lambda_requests, gb_seconds=used.gb_seconds),
    }
    return {name: prices.of(each) for name, each in parts.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a task is like."""
    parser.add_argument("--tasks", type=int, nargs="+", default=[10**n for n in range(3, 10)], help="a day")
    parser.add_argument("--task-seconds", type=float, default=1.0, help="of the function (default: 1)")
    parser.add_argument("--memory", type=int, default=128, help="of the function, in MB (default: 128)")
    parser.add_argument("--own-ms", type=float, default=1.6, help="of an orchestrator for a task (default: 1.6)")
    parser.add_argument("--seconds", type=float, default=900, help="simulated, beside the first 300 (default: 900)")


def run(arguments: argparse.Namespace) -> Report:
    """Simulate the partition, and calculate each day."""
    most = PARTITION / UNITS_OF_A_TASK
    together = simulate(arguments.seconds, claimers=16)
    sustained = simulate(arguments.seconds, claimers=16, most_per_second=0.975 * most).done
    alone = simulate(arguments.seconds)
    prices = list_prices()
    days = [
        day_of(
            tasks,
            sustained=sustained,
            task_seconds=arguments.task_seconds,
            memory=arguments.memory,
            own_ms=arguments.own_ms,
            prices=prices,
        )
        for tasks in arguments.tasks
    ]
    return Report(
        name="scale",
        title=f"A day of tasks of {arguments.task_seconds:g} s and {arguments.memory} MB, spread evenly",
        columns=[
            ("tasks a day", "tasks"),
            ("a second", "rate"),
            ("labourers", "labourers"),
            ("invocations at once", "concurrency"),
            ("orchestrators' cores", "orchestrators"),
            ("jobs of a million", "jobs"),
            ("DynamoDB $", "dynamodb"),
            ("S3 $", "s3"),
            ("Lambda $", "aws_lambda"),
            ("$ a day", "total"),
            ("beyond which limit, and how far", "first"),
        ],
        rows=[
            {
                **vars(day),
                "total": day.total,
                **{name.lower().replace("lambda", "aws_lambda"): price for name, price in day.dollars.items()},
            }
            for day in days
        ],
        notes=(
            (
                f"One partition, simulated: {alone.rate:,.0f} tasks/s written and nothing else; {sustained:,.0f} "
                f"tasks/s written and done for as long as you like, {sustained * _SECONDS / 1e6:.1f} million a day."
            ),
            (
                f"A job written as fast as possible into a queue that is processed: {together.rate:,.0f} tasks/s "
                f"written, {together.done:,.0f} done, {100 * together.throttled:.0f} % of the pages throttled first."
            ),
            (
                f"A task takes {UNITS_OF_A_TASK} units of the queue's index: {UNITS_TO_WRITE} when it is written, "
                f"{UNITS_TO_CLAIM} claimed, {UNITS_TO_CLOSE} reported and removed."
            ),
            (
                f"Cores: {arguments.own_ms:g} ms of an orchestrator a task. List prices of {prices.as_of}, "
                f"{prices.region}, without free tiers; tables on demand, rows of {_ROW_BYTES} bytes."
            ),
            (
                f"Limits: {_CONCURRENCY:,} invocations at once in an account, {_TABLE:,} units of a table, a million "
                "tasks a job, which can be raised; one core of a process and the partition, which cannot."
            ),
        ),
    )
