"""The items of a Query or Scan of DynamoDB that needs several requests.

A page that is throttled is asked for again, so a small table only makes the reading slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from typing import Any

from sosw_airflow.stores.aws_errors import member
from sosw_airflow.stores.backoff import Backoff

__all__ = ["items_of"]


def items_of(
    call: Callable[..., dict[str, Any]],
    request: Mapping[str, Any],
    *,
    action: str,
    setting: str,
    most_pages: int | None = None,
    backoff: Callable[[], Backoff] = Backoff,
) -> Iterator[dict[str, Any]]:
    """The items of each page.

    :param call: ``query`` or ``scan`` of a boto3 DynamoDB client.
    :param setting: the extra of the sosw Connection that names the table.
    :param most_pages: after which the reading ends.
    :param backoff: makes what waits for a page.
    :raises SoswError: AWS refuses, or has given no page for longer than that.
    """
    place: dict[str, Any] = {}
    for _ in count() if most_pages is None else range(most_pages):
        send = partial(call, **request, **place)
        reply = backoff().call(send, action=action, resource=request["TableName"], setting=setting)
        yield from member(reply, "Items", action=action)
        if "LastEvaluatedKey" not in reply:
            return
        place = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}
