"""The actions of a transaction whose JSON text exists already. A client of `use_ready_wire` sends the text as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["ReadyActions"]


class ReadyActions(list[dict[str, Any]]):
    """The argument ``TransactItems`` of a transaction, as JSON text.

    It is a list, so that every client and every hook can read it: reading it parses the text.

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
