"""Reads items by their keys, in batches, as long as the table gives any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sosw_airflow.exceptions import AwsFault, SoswError
from sosw_airflow.stores.aws_errors import member
from sosw_airflow.stores.backoff import Backoff

__all__ = ["BATCH_KEYS", "ask_batch", "read_batch"]

#: Keys of one BatchGetItem, by DynamoDB's rule.
BATCH_KEYS = 100

Key = dict[str, dict[str, str]]


def read_batch(
    dynamodb: Any,
    table: str,
    keys: Sequence[Key],
    *,
    setting: str,
    consistent: bool = False,
    backoff: Callable[[], Backoff] = Backoff,
) -> list[dict[str, Any]]:
    """The items of these keys, in no order; those that do not exist are left out.

    :param keys: 100 at most.
    :param setting: the extra of the Connection that names the table.
    :raises AwsFault: the table has given no item for minutes.
    """
    waiting, found, left = backoff(), [], keys
    while left:
        items, unanswered = waiting.call(
            partial(ask_batch, dynamodb, table, left, consistent=consistent),
            action="dynamodb:BatchGetItem",
            resource=table,
            setting=setting,
        )
        found += items
        if len(unanswered) < len(left):
            waiting.answered()
        if unanswered and not waiting.wait():
            raise _too_slow(table)
        left = unanswered
    return found


def ask_batch(
    dynamodb: Any, table: str, keys: Sequence[Key], *, consistent: bool
) -> tuple[list[dict[str, Any]], list[Key]]:
    """The items that one request gives, and the keys that it leaves unanswered."""
    request = {table: {"Keys": list(keys), "ConsistentRead": consistent}}
    reply = dynamodb.batch_get_item(RequestItems=request)
    answers = member(reply, "Responses", action="dynamodb:BatchGetItem").get(table, [])
    return answers, reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])


def _too_slow(table: str) -> SoswError:
    fault = AwsFault(f"{table} has given no row for minutes. Fix: raise its read capacity, or retry later.")
    fault.retryable = True
    return fault
