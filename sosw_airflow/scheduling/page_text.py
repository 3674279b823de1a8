"""The transactions of pages as JSON text: what does not change from row to row is serialised once a page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any

from sosw_airflow.jobs.greenfield import Placement
from sosw_airflow.jobs.identity import task_ids
from sosw_airflow.jobs.pages import Page
from sosw_airflow.jobs.rows import LineCodec, Row, row_item
from sosw_airflow.stores.job_record import Header, JobRecords
from sosw_airflow.stores.ready_actions import ReadyActions

__all__ = ["MetaTable", "PageText"]

_dumps = json.JSONEncoder().encode
_quoted = encode_basestring_ascii

#: Stand for what changes from row to row. No name of a table or of a labourer has a control character.
_ID, _GREENFIELD, _PAYLOAD = "\0id", "\0greenfield", "\0payload"


@dataclass(frozen=True)
class MetaTable:
    """The table in which upstream's tools find the history of a task, and our names in it (sosw rule 10)."""

    name: str
    invocation_id: str
    log_stream_name: str
    author: str = "airflow"

    def put(self, row: Row) -> dict[str, Any]:
        """The put of a task's "created" row."""
        item = {
            "task_id": {"S": row.task_id},
            "created_at": {"N": f"{row.created_at:.6f}"},
            "action": {"S": "created"},
            "labourer": {"S": row.labourer_id},
            "author": {"S": self.author},
            "invocation_id": {"S": self.invocation_id},
            "log_stream_name": {"S": self.log_stream_name},
        }
        return {"TableName": self.name, "Item": item}


@dataclass(frozen=True)
class PageText:
    """Makes the transactions of one job's pages: the marker, then the rows, each with its row in the meta table."""

    header: Header
    codec: LineCodec
    tasks_table: str
    records: JobRecords
    meta: MetaTable | None = None

    def actions(self, page: Page, created_at: float) -> ReadyActions:
        """The transaction of a page.

        :param created_at: of its tasks, in seconds since 1970.
        """
        header = self.header
        tasks = range(page.first, page.first + len(page.lines))
        marker = {"Put": self.records.marker(header, page.number, tasks=tasks)}
        to_id, to_greenfield, to_payload, rest = self._around(created_at)
        if self.meta is not None:
            to_meta_id, meta_rest = self._around_meta(created_at)
        rows = zip(
            task_ids(header.job_id, tasks),
            Placement(header.greenfield_base, header.greenfield_step).of_all(tasks),
            map(_quoted, self.codec.payloads(page.lines)),
            strict=True,
        )
        texts = [_dumps(marker)]
        if self.meta is None:
            texts += [
                f"{to_id}{task}{to_greenfield}{place}{to_payload}{payload}{rest}" for task, place, payload in rows
            ]
        else:
            texts += [
                f"{to_id}{task}{to_greenfield}{place}{to_payload}{payload}{rest}, {to_meta_id}{task}{meta_rest}"
                for task, place, payload in rows
            ]
        tables = [self.records.table, self.tasks_table, *([self.meta.name] if self.meta else [])]
        return ReadyActions(f"[{', '.join(texts)}]", tables)

    def _around(self, created_at: float) -> tuple[str, str, str, str]:
        """The text of a row's action around its id, its greenfield and its payload with the quotes."""
        item = row_item(Row(_ID, self.header.labourer_id, _PAYLOAD, created_at, 0))
        item["greenfield"] = {"N": _GREENFIELD}
        put = {"TableName": self.tasks_table, "Item": item, "ConditionExpression": "attribute_not_exists(task_id)"}
        text = _dumps({"Put": put})
        to_id, text = text.split(_quoted(_ID)[1:-1])
        to_greenfield, text = text.split(_quoted(_GREENFIELD)[1:-1])
        to_payload, rest = text.split(_quoted(_PAYLOAD))
        return to_id, to_greenfield, to_payload, rest

    def _around_meta(self, created_at: float) -> tuple[str, str]:
        """The text of the action of a row in the meta table, around the id."""
        assert self.meta is not None  # noqa: S101 - the caller knows
        row = Row(_ID, self.header.labourer_id, "", created_at, 0)
        to_id, rest = _dumps({"Put": self.meta.put(row)}).split(_quoted(_ID)[1:-1])
        return to_id, rest
