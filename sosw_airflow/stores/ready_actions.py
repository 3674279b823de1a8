"""Transactions whose JSON text exists already: botocore sends it without checking and serialising each action again.

For a page of 99 rows that is most of the processor time of its request. Everything else is botocore's as ever:
endpoint, signature, retries, hooks, proxies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["ReadyActions", "send_ready_actions"]

#: The key of the text in the context of a request.
_CONTEXT = "sosw_ready_actions"

_OPERATION = "dynamodb.TransactWriteItems"


class ReadyActions(list[dict[str, Any]]):
    """The argument ``TransactItems`` of a transaction, as JSON text.

    It is a list, so that every client and every hook can read it: reading it parses the text. A client of
    `send_ready_actions` does not read it.

    :param text: JSON text of the list of actions. It is ASCII.
    :param tables: that the actions are about: botocore's choice of an endpoint may depend on them.
    """

    def __init__(self, text: str, tables: Sequence[str]) -> None:
        super().__init__()
        self.text = text
        self.tables = tables

    def outline(self) -> list[dict[str, Any]]:
        """A list that botocore accepts in place of this one: an action without an item for each table."""
        return [{"Put": {"TableName": table, "Item": {}}} for table in self.tables]

    def _parsed(self) -> ReadyActions:
        if not super().__len__():
            super().extend(json.loads(self.text))
        return self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return list.__iter__(self._parsed())

    def __len__(self) -> int:
        return list.__len__(self._parsed())

    def __getitem__(self, index: Any) -> Any:
        return list.__getitem__(self._parsed(), index)

    def __repr__(self) -> str:
        return list.__repr__(self._parsed())


def send_ready_actions(dynamodb: Any) -> None:
    """Let the client send `ReadyActions` as they are."""
    dynamodb.meta.events.register(f"before-parameter-build.{_OPERATION}", _outline, unique_id=f"{_CONTEXT}-outline")
    # Last, so that hooks which read the request see what botocore has made.
    dynamodb.meta.events.register_last(f"before-call.{_OPERATION}", _put_in, unique_id=f"{_CONTEXT}-text")


def _outline(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    """Replace the actions in the arguments of one call. Of several hooks that *return* arguments one would be heard."""
    actions = params.get("TransactItems")
    if isinstance(actions, ReadyActions) and model.metadata.get("protocol") == "json":
        context[_CONTEXT] = actions.text
        params["TransactItems"] = actions.outline()


def _put_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Replace the outline in the request's body; what else is in the body, such as the client's token, stays."""
    text = context.get(_CONTEXT)
    if text is None:
        return
    others = json.loads(params["body"])
    del others["TransactItems"]
    params["body"] = f'{{"TransactItems": {text}, {json.dumps(others)[1:]}'.encode("ascii")
