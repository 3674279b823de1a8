"""DynamoDB and Lambda on the wire for a whole job: tables with DynamoDB's conditions, and functions that end at once.

The tables are those of `tests.support.deterministic_aws`, with their indexes in order, so that a query among a million
rows takes no longer than among ten. The package's assistant reports what a function answers, in the same process.
Run as a program it prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

from sortedcontainers import SortedKeyList

from benchmarks.labourer_stub import serve_until_the_end
from benchmarks.stub_process import stub_process
from sosw_airflow.orchestration import assistant
from sosw_airflow.stores.tables import TableNames, table_definitions
from tests.support.deterministic_aws.answers import AwsError
from tests.support.deterministic_aws.dynamodb import DynamoDb, page_of, scope_of
from tests.support.deterministic_aws.expressions import Item, Scope, comparable, condition
from tests.support.deterministic_aws.tables import Key, KeySchema, Table, item_bytes

__all__ = ["figures_of", "whole_job_stub"]

#: Bytes of one page of a query, by DynamoDB's rule.
_PAGE_BYTES = 2**20

_KEY_TEST = re.compile(r"(\w+) *(=|<=|>=|<|>|BETWEEN) *(:\w+)(?: +AND +(:\w+))?")


def whole_job_stub(*, failing: int) -> AbstractContextManager[str]:
    """The URL of a stub in a process of its own, with all tables.

    :param failing: every so many tasks fail whenever they are run.
    """
    return stub_process(__name__, failing)


def figures_of(url: str) -> dict[str, Any]:
    """Requests by operation since the last call; and how many attempts were invoked twice."""
    with urlopen(f"{url}/figures") as reply:  # noqa: S310 - the stub
        found: dict[str, Any] = json.load(reply)
        return found


class _OrderedDynamoDb(DynamoDb):
    """The tables, with the items of each partition of each index in their order."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._partitions: dict[tuple[str, str | None, Any], SortedKeyList] = {}

    def _store(self, table: Table, key: Key, item: Item | None) -> None:
        former = table.items.get(key)
        super()._store(table, key, item)
        self._tokens.clear()  # of transactions: nobody repeats one here
        for index in (None, *table.indexes):
            schema = table.schema if index is None else table.indexes[index].schema
            if len(schema.attributes) == 1:
                continue  # each partition is one item
            for kept, act in ((former, SortedKeyList.remove), (item, SortedKeyList.add)):
                if kept is not None and schema.covers(kept):
                    act(self._partition(table, index, comparable(kept[schema.attributes[0]])), kept)

    def _partition(self, table: Table, index: str | None, hash_key: Any) -> SortedKeyList:
        place = (table.name, index, hash_key)
        if place not in self._partitions:
            self._partitions[place] = SortedKeyList(key=_order(table, index).key)
        return self._partitions[place]

    def _query(self, arguments: dict[str, Any]) -> dict[str, Any]:
        table, index = self._table(arguments), arguments.get("IndexName")
        table.rows(index)  # refuses an index that is not there
        scope = scope_of(arguments, "KeyConditionExpression", "FilterExpression", "ProjectionExpression")
        order, whole = _order(table, index), condition(arguments["KeyConditionExpression"])
        found, size = [], 0
        for item in self._from_its_place(arguments, table, index, scope):
            if not whole(item, scope):
                if found:
                    break
                continue
            found.append(item)
            size += item_bytes(item)
            if len(found) > arguments.get("Limit", 10**9) or size > _PAGE_BYTES:
                break
        limit = min(arguments.get("Limit", 10**9), max(1, len(found) - 1)) if size > _PAGE_BYTES else None
        if index is not None and (carried := table.indexes[index].carries) is not None:
            found = [{name: item[name] for name in item if name in carried} for item in found]
        return page_of({**arguments, **({"Limit": limit} if limit else {})}, found, order, scope)

    def _from_its_place(
        self, arguments: dict[str, Any], table: Table, index: str | None, scope: Scope
    ) -> Iterator[Item]:
        """The items of the partition in their order, from the first that the condition can hold for."""
        schema = table.schema if index is None else table.indexes[index].schema
        tests = {scope.name(found[1]): found for found in _KEY_TEST.finditer(arguments["KeyConditionExpression"])}
        items = self._partition(table, index, comparable(scope.value(tests[schema.attributes[0]][3])))
        low = high = None
        if len(schema.attributes) > 1 and (test := tests.get(schema.attributes[1])):
            hash_key, value = items.key(items[0])[0] if items else None, comparable(scope.value(test[3]))
            if test[2] in (">", ">=", "=", "BETWEEN"):
                low = (hash_key, value)
            if test[2] in ("<", "<=", "=", "BETWEEN"):
                last = comparable(scope.value(test[4])) if test[2] == "BETWEEN" else value
                high = (hash_key, last, ("\x7f",))
        backwards = not arguments.get("ScanIndexForward", True)
        if start := arguments.get("ExclusiveStartKey"):
            place = _order(table, index).key(start)
            low, high = (low, place) if backwards else (place, high)
        yield from items.irange_key(low, high, reverse=backwards)


def _order(table: Table, index: str | None) -> KeySchema:
    schema = table.schema if index is None else table.indexes[index].schema
    return KeySchema((*schema.attributes, *(each for each in table.schema.attributes if each not in schema.attributes)))


class _Stub:
    """Answers requests to DynamoDB and Lambda, and counts them."""

    def __init__(self, failing: int) -> None:
        self._failing = failing
        self._requests: Counter[str] = Counter()
        self._invoked: Counter[tuple[str, int]] = Counter()
        self._dynamodb = _OrderedDynamoDb(lambda *_: None, time.time)
        for definition in table_definitions(TableNames()):
            self._dynamodb.call("CreateTable", definition.create_arguments())
        exceptions = {"ConditionalCheckFailedException": _Refused, "ClientError": _ClientError}
        self._client = SimpleNamespace(update_item=self._update_item, exceptions=SimpleNamespace(**exceptions))

    async def answer(self, target: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """The answer to one request."""
        if path == "/figures":
            return 200, self._figures()
        operation = target.rpartition(".")[2] or ("Invoke" if path.endswith("/invocations") else "Function")
        self._requests[operation] += 1
        if operation == "Function":
            return 200, {"Timeout": 30, "MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
        document = json.loads(body)
        if operation == "Invoke":
            self._invoked[document["task_id"], document["attempts"]] += 1
            asyncio.get_running_loop().call_soon(self._run, document)
            return 202, {}
        try:
            return 200, self._dynamodb.call(operation, document)
        except AwsError as error:
            kind = f"com.amazonaws.dynamodb.v20120810#{error.code}"
            return error.status, {"__type": kind, "message": error.message, **error.members}

    def _figures(self) -> dict[str, Any]:
        requests, self._requests = dict(self._requests), Counter()
        return {
            "requests": requests,
            "twice": self._invoked.total() - len(self._invoked),
        }

    def _run(self, event: dict[str, Any]) -> None:
        """The function runs, and Lambda sends its report to the assistant."""
        number = event["words"][0]
        fails = number % self._failing == 0
        response = {"errorType": "KeyError", "errorMessage": f"no word {number}"} if fails else {"rows": number}
        condition = "RetriesExhausted" if fails else "Success"
        context = {"condition": condition}
        answer = {"functionError": "Unhandled"} if fails else {}
        envelope = {"requestContext": context, "responseContext": answer, "requestPayload": event}
        report = assistant.report_of({**envelope, "responsePayload": response})
        names = TableNames()
        tables = {"tasks_table": names.tasks_table, "retry_tasks_table": names.retry_tasks_table}
        if report is None or not assistant.mark(self._client, report, now=int(time.time()), **tables):
            raise AssertionError(event)

    def _update_item(self, **arguments: Any) -> None:
        try:
            self._dynamodb.call("UpdateItem", arguments)
        except AwsError as error:
            raise (_Refused if error.code == "ConditionalCheckFailedException" else AssertionError)(error) from error


class _ClientError(Exception):
    """As botocore's, for the assistant."""


class _Refused(_ClientError):
    """A condition does not hold."""


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("failing", type=int)
    arguments = parser.parse_args()
    gc.disable()  # millions of rows, none of which goes in circles
    serve_until_the_end(_Stub(arguments.failing))


if __name__ == "__main__":
    _main()
