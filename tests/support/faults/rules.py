"""Which requests a fault strikes: matchers (what kind of request) and occasions (which of them)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.support.faults.request import DYNAMODB, S3

if TYPE_CHECKING:
    from tests.support.faults.faults import Fault
    from tests.support.faults.request import Request

# (the how-manieth matching request this is, counted from 1; the rule's own random numbers) -> whether it is struck
Occasion = Callable[[int, Random], bool]

READ_OPERATIONS = frozenset({"BatchGetItem", "DescribeTable", "GetItem", "Query", "Scan", "TransactGetItems"})


@dataclass(frozen=True)
class Match:
    """A test of a request. Combine them with `&`, `|` and `~`."""

    test: Callable[[Request], bool]

    def __call__(self, request: Request) -> bool:
        """Say whether the request is of this kind."""
        return self.test(request)

    def __and__(self, other: Match) -> Match:
        return Match(lambda request: self(request) and other(request))

    def __or__(self, other: Match) -> Match:
        return Match(lambda request: self(request) or other(request))

    def __invert__(self) -> Match:
        return Match(lambda request: not self(request))


def anything() -> Match:
    """Match every request."""
    return Match(lambda request: True)


def on(*operations: str, table: str | None = None, key: str | None = None) -> Match:
    """Match requests of these operations (all, if none is named), of this table, of S3 keys that contain `key`."""

    def test(request: Request) -> bool:
        return (
            (not operations or request.operation in operations)
            and (table is None or table in request.tables)
            and (key is None or key in request.key)
        )

    return Match(test)


def dynamodb() -> Match:
    """Match every request of DynamoDB."""
    return Match(lambda request: request.service == DYNAMODB)


def s3() -> Match:
    """Match every request of S3."""
    return Match(lambda request: request.service == S3)


def writes() -> Match:
    """Match what changes something: DynamoDB writes, S3 requests other than GET and HEAD."""
    return Match(
        lambda request: (
            request.method not in {"GET", "HEAD"}
            if request.service == S3
            else request.service == DYNAMODB and request.operation not in READ_OPERATIONS
        )
    )


def always(count: int, random: Random) -> bool:
    """Strike every matching request."""
    return True


def nth(*numbers: int) -> Occasion:
    """Strike exactly these of the matching requests, the first one being 1."""
    return lambda count, random: count in numbers


def first(number: int) -> Occasion:
    """Strike the first `number` matching requests."""
    return lambda count, random: count <= number


def after(number: int) -> Occasion:
    """Strike all matching requests but the first `number`."""
    return lambda count, random: count > number


def every(step: int) -> Occasion:
    """Strike each `step`-th matching request."""
    return lambda count, random: count % step == 0


def chance(probability: float) -> Occasion:
    """Strike each matching request with this probability. The same seed strikes the same ones."""
    return lambda count, random: random.random() < probability


@dataclass
class Rule:
    """A fault, the requests it is meant for, and which of those it strikes.

    All rules see every request and count it, whether or not an earlier rule strikes it: "the third TransactWriteItems"
    is the third to arrive at the proxy. Made by `FaultProxy.add`.
    """

    match: Match
    fault: Fault
    when: Occasion = always
    random: Random = field(default_factory=lambda: Random(0))
    seen: int = 0
    struck: int = 0

    def selects(self, request: Request) -> bool:
        """Count the request, and say whether the fault strikes it."""
        if not self.match(request):
            return False
        self.seen += 1
        hit = self.when(self.seen, self.random)
        self.struck += hit
        return hit
