"""A BatchWriteItem that is done in part: what DynamoDB does when a batch is too much for a table."""

# ruff: noqa: D102 - `Fault` describes its methods.

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.faults import replies
from tests.support.faults.faults import Fault, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.support.faults.request import Request, Response


@dataclass
class LeaveUnprocessed(Fault):
    """Do only a part of a BatchWriteItem and report the rest as unprocessed; `share` of the items stays undone."""

    share: float = 0.5

    async def before(self, request: Request, random: Random) -> Verdict:
        undone = [random.random() < self.share for _ in request.writes]
        return leave_out(request, undone)

    async def after(self, request: Request, response: Response, random: Random) -> Verdict:
        return add_unprocessed(request, response)


def leave_out(request: Request, undone: Sequence[bool]) -> Response | None:
    """Take items out of a BatchWriteItem that goes to the emulator; an answer, if none is left for it."""
    if request.operation != "BatchWriteItem" or not any(undone):
        return None
    flags = iter(undone)
    kept: dict[str, list[object]] = {}
    left = request.unprocessed
    for table, entries in request.document["RequestItems"].items():
        for entry in entries:
            (left if next(flags) else kept).setdefault(table, []).append(entry)
    if not kept:
        return replies.dynamodb_response({"UnprocessedItems": left})
    request.replace_document({**request.document, "RequestItems": kept})
    return None


def add_unprocessed(request: Request, response: Response) -> Response | None:
    """Report what `leave_out` has taken out."""
    if not request.unprocessed or response.status != 200:
        return None
    return replies.dynamodb_response({**response.document(), "UnprocessedItems": request.unprocessed})
