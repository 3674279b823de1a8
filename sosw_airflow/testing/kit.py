"""An installation of sosw in memory, with methods that act as its Orchestrator, workers and Scavenger."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any
from unittest.mock import patch

from sosw_airflow.config.registry import LABOURERS_VARIABLE, SCHEMAS_VARIABLE
from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.stores.tables import TableNames, create_missing_tables
from sosw_airflow.testing.memory_aws import REGION, memory_aws
from sosw_airflow.testing.runs import run_operator

__all__ = ["Sosw", "sosw_in_memory"]

#: Attempts after which sosw gives a task up.
_ATTEMPTS = 3

Payload = dict[str, Any]


@contextmanager
def sosw_in_memory(*, conn_id: str = "sosw_default", queue_bucket: str = "sosw-queue") -> Iterator[Sosw]:
    """Tables, bucket, Connection and Variables; inside, no client of boto3 reaches a real AWS.

    :param conn_id: id of the Connection that your operators use.
    """
    import boto3

    with memory_aws():
        session = boto3.Session(region_name=REGION)
        dynamodb, s3 = session.client("dynamodb"), session.client("s3")
        names = TableNames()
        create_missing_tables(dynamodb, names=names)
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # your own test has made it
            s3.create_bucket(Bucket=queue_bucket)
        extra = {"queue_bucket": queue_bucket, "region_name": REGION, "aws_conn_id": ""}
        connection = {"conn_type": "sosw", "extra": extra}
        with patch.dict(os.environ, {f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(connection)}):
            installation = Sosw(dynamodb, s3, names, queue_bucket)
            installation.add_schema()
            yield installation


@dataclass
class Sosw:
    """An installation of sosw in memory.

    :ivar dynamodb: and ``s3``: boto3 clients, for your own checks.
    :ivar tables: names of the tables.
    """

    dynamodb: Any
    s3: Any
    tables: TableNames
    queue_bucket: str
    _labourers: dict[str, Any] = field(default_factory=dict)
    _schemas: dict[str, Any] = field(default_factory=dict)

    # -- what is configured --------------------------------------------------------------------------------------------

    def add_labourer(self, labourer_id: str, **settings: Any) -> None:
        """Register a labourer, in the Variable ``sosw_labourers``."""
        self._labourers[labourer_id] = settings
        self._set_variable(LABOURERS_VARIABLE, self._labourers)

    def add_schema(self, *chunkable_attrs: str, name: str = "default", **settings: Any) -> None:
        """Set a job schema, in the Variable ``sosw_job_schemas``. The default one has no attributes until you do."""
        self._schemas[name] = {"chunkable_attrs": list(chunkable_attrs), **settings}
        self._set_variable(SCHEMAS_VARIABLE, self._schemas)

    @staticmethod
    def _set_variable(name: str, document: Mapping[str, Any]) -> None:
        # Undone at the end: `memory_aws` restores the whole environment.
        os.environ[f"AIRFLOW_VAR_{name.upper()}"] = json.dumps(document)

    # -- what Airflow does ---------------------------------------------------------------------------------------------

    def run(self, operator: Any, day: date | datetime, *, try_number: int = 1, max_tries: int = 0) -> Any:
        """Render and execute an operator as in the scheduled run that ends on this day; gives what it returns.

        An operator or sensor that waits for the workers gives a `Deferred`: finish or fail the tasks, then call its
        ``resume()``. Needs no metadata database. Arguments that are results of other Airflow tasks need
        ``dag.test()`` instead.

        :param try_number: 2 for the first automatic retry.
        :param max_tries: another one for each clear.
        """
        return run_operator(operator, day, try_number=try_number, max_tries=max_tries)

    # -- what is in sosw -----------------------------------------------------------------------------------------------

    def tasks(self, labourer_id: str | None = None) -> list[Payload]:
        """The payloads that wait in the queue, in the order in which sosw will take them."""
        return [json.loads(row["payload"]["S"]) for row in self._queued(labourer_id)]

    def running(self, labourer_id: str | None = None) -> list[Payload]:
        """The payloads of the tasks that have been invoked and are not closed."""
        rows = self._rows(self.tables.tasks_table, labourer_id)
        return [json.loads(row["payload"]["S"]) for row in rows if not _waits(row)]

    def closed(self, labourer_id: str | None = None) -> dict[str, int]:
        """How many tasks are in the archive: ``completed`` and ``failed``."""
        rows = self._rows(self.tables.closed_tasks_table, labourer_id)
        completed = sum(row["labourer_id_task_status"]["S"].endswith("_1") for row in rows)
        return {"completed": completed, "failed": len(rows) - completed}

    # -- what sosw does ------------------------------------------------------------------------------------------------

    def start(
        self,
        labourer_id: str | None = None,
        *,
        only: Callable[[Payload], bool] | None = None,
        limit: int | None = None,
    ) -> int:
        """Invoke waiting tasks, as the Orchestrator does. Gives their number.

        :param only: those whose payload it says yes to.
        :param limit: so many of them at the most, the first ones.
        """
        rows = [row for row in self._queued(labourer_id) if _chosen(row, only)][:limit]
        for row in rows:
            self.dynamodb.put_item(TableName=self.tables.tasks_table, Item=_invoked(row, attempts=1))
        return len(rows)

    def finish(
        self,
        labourer_id: str | None = None,
        *,
        only: Callable[[Payload], bool] | None = None,
        limit: int | None = None,
        result: Any = None,
    ) -> int:
        """Complete tasks, waiting or running, as the workers and the Scavenger do. Gives their number.

        They move from ``sosw_tasks`` to ``sosw_closed_tasks``. Parameters as of `start`.

        :param result: what the worker returns for each task: a value of JSON, or a function of the payload.
        """
        return self._close(labourer_id, only, limit, completed=True, attributes=partial(_result, result))

    def fail(
        self,
        labourer_id: str | None = None,
        *,
        only: Callable[[Payload], bool] | None = None,
        limit: int | None = None,
        error: str = "",
    ) -> int:
        """Let tasks run out of time three times, so that the Scavenger gives them up. Gives their number.

        They move from ``sosw_tasks`` to ``sosw_closed_tasks``. Parameters as of `start`.

        :param error: of the last attempt, ``type: message``.
        """
        return self._close(labourer_id, only, limit, completed=False, attributes=lambda _: _error(error))

    def _close(
        self,
        labourer_id: str | None,
        only: Callable[[Payload], bool] | None,
        limit: int | None,
        *,
        completed: bool,
        attributes: Callable[[Payload], dict[str, Any]],
    ) -> int:
        rows = sorted(self._rows(self.tables.tasks_table, labourer_id), key=_place)
        chosen, now = [row for row in rows if _chosen(row, only)][:limit], int(time.time())
        for row in chosen:
            item = {**_closed(row, completed=completed, now=now), **attributes(json.loads(row["payload"]["S"]))}
            self.dynamodb.put_item(TableName=self.tables.closed_tasks_table, Item=item)
            self.dynamodb.delete_item(TableName=self.tables.tasks_table, Key={"task_id": row["task_id"]})
        return len(chosen)

    def _queued(self, labourer_id: str | None) -> list[dict[str, Any]]:
        return sorted(filter(_waits, self._rows(self.tables.tasks_table, labourer_id)), key=_place)

    def _rows(self, table: str, labourer_id: str | None) -> list[dict[str, Any]]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table)
        items = (item for page in pages for item in page["Items"])
        return [item for item in items if labourer_id in (None, item["labourer_id"]["S"])]


def _place(row: dict[str, Any]) -> tuple[int, str]:
    return int(row["greenfield"]["N"]), row["task_id"]["S"]


def _waits(row: dict[str, Any]) -> bool:
    return int(row["greenfield"]["N"]) < time.time()


def _chosen(row: dict[str, Any], only: Callable[[Payload], bool] | None) -> bool:
    return only is None or only(json.loads(row["payload"]["S"]))


def _invoked(row: dict[str, Any], *, attempts: int) -> dict[str, Any]:
    """The row of an invoked task, as the Orchestrator leaves it."""
    greenfield = int(time.time()) + INVOCATION_DELTA
    return {**row, "greenfield": {"N": str(greenfield)}, "attempts": {"N": str(attempts)}}


def _result(result: Any, payload: Payload) -> dict[str, Any]:
    """What the assistant stores of a function's answer."""
    answer = result(payload) if callable(result) else result
    return {} if answer is None else {"result": {"S": json.dumps(answer)}}


def _error(error: str) -> dict[str, Any]:
    kind, _, message = error.partition(": ")
    return {"error_type": {"S": kind}, "error_message": {"S": message}} if error else {}


def _closed(row: dict[str, Any], *, completed: bool, now: int) -> dict[str, Any]:
    """The row in the archive. sosw keeps the payload there as Python shows it, not as JSON."""
    if completed:
        row = {**(_invoked(row, attempts=1) if _waits(row) else row), "completed_at": {"N": str(now)}}
    else:
        row = _invoked(row, attempts=_ATTEMPTS)
    return {
        **row,
        "payload": {"S": str(json.loads(row["payload"]["S"]))},
        "closed_at": {"N": str(now)},
        "labourer_id_task_status": {"S": f"{row['labourer_id']['S']}_{int(completed)}"},
    }
