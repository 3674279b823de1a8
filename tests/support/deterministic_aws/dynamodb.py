"""DynamoDB's operations on the tables in memory, one at a time, each as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.support.deterministic_aws.answers import AwsError
from tests.support.deterministic_aws.capacity import Capacity
from tests.support.deterministic_aws.expressions import (
    ExpressionError,
    Item,
    Scope,
    condition,
    placeholders,
    project,
    update,
)
from tests.support.deterministic_aws.tables import Key, KeySchema, Table

#: Called after each change with table, key, former item and new item; None for an item that is not there.
OnChange = Callable[[str, Key, "Item | None", "Item | None"], None]

_MOST_ACTIONS = 100
_MOST_BATCH_KEYS = 100
_MOST_BATCH_WRITES = 25
_UNPROCESSED = {"BatchWriteItem": "UnprocessedItems", "BatchGetItem": "UnprocessedKeys"}


class DynamoDb:
    """Tables and the operations that sosw and the provider use.

    :param now: seconds since 1970, for the capacity.
    :ivar lags: the next reads of global indexes, and reads that do not ask for consistency, show the past.
    """

    def __init__(self, on_change: OnChange, now: Callable[[], float]) -> None:
        self.tables: dict[str, Table] = {}
        self.capacity = Capacity(now)
        self.lags = False
        self._on_change = on_change
        self._tokens: dict[str, Any] = {}

    def freeze_lagging_view(self) -> None:
        """From now on the past that lagging reads show is the present state."""
        for table in self.tables.values():
            table.lagging = dict(table.items)

    def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer one request.

        :raises AwsError: DynamoDB would refuse it.
        """
        if operation not in _OPERATIONS:
            raise NotImplementedError(f"DynamoDB's {operation} is not simulated")
        arguments, left = self.capacity.admit(operation, arguments, self.tables)
        try:
            reply = getattr(self, _OPERATIONS[operation])(arguments)
        except ExpressionError as error:
            raise AwsError("ValidationException", str(error)) from None
        return {**reply, _UNPROCESSED[operation]: left} if left else reply

    def expire(self, table: str, keys: Iterable[Key]) -> None:
        """Remove items as the time to live does."""
        for key in keys:
            if key in self.tables[table].items:
                self._store(self.tables[table], key, None)

    # -- tables --------------------------------------------------------------------------------------------------------

    def _create_table(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["TableName"] in self.tables:
            raise AwsError("ResourceInUseException", f"Table already exists: {arguments['TableName']}")
        table = self.tables[arguments["TableName"]] = Table.of(arguments)
        return {"TableDescription": table.description()}

    def _describe_table(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"Table": self._table(arguments).description()}

    def _update_time_to_live(self, arguments: dict[str, Any]) -> dict[str, Any]:
        specification = arguments["TimeToLiveSpecification"]
        self._table(arguments).ttl_attribute = specification["AttributeName"] if specification["Enabled"] else ""
        return {"TimeToLiveSpecification": specification}

    # -- items ---------------------------------------------------------------------------------------------------------

    def _get_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        table, scope = self._table(arguments), scope_of(arguments, "ProjectionExpression")
        items = table.lagging if self.lags and not arguments.get("ConsistentRead") else table.items
        item = items.get(table.key_of(arguments["Key"]))
        if item is None:
            return {}
        return {"Item": project(item, arguments.get("ProjectionExpression"), scope)}

    def _put_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        table, key, former, new = self._planned_put(arguments)
        self._store(table, key, new)
        return _returned(arguments, former, new)

    def _update_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        table, key, former, new = self._planned_update(arguments)
        self._store(table, key, new)
        return _returned(arguments, former, new)

    def _delete_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        table, key, former, _ = self._planned_delete(arguments)
        if former is not None:
            self._store(table, key, None)
        return _returned(arguments, former, None)

    def _batch_get_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if sum(len(request["Keys"]) for request in arguments["RequestItems"].values()) > _MOST_BATCH_KEYS:
            raise AwsError("ValidationException", "Too many items requested for the BatchGetItem call")
        responses: dict[str, list[Item]] = {}
        for name, request in arguments["RequestItems"].items():
            table, scope = self._table({"TableName": name}), scope_of(request, "ProjectionExpression")
            keys = [table.key_of(key) for key in request["Keys"]]
            if len(set(keys)) < len(keys):
                raise AwsError("ValidationException", "Provided list of item keys contains duplicates")
            items = table.lagging if self.lags and not request.get("ConsistentRead") else table.items
            projection = request.get("ProjectionExpression")
            responses[name] = [project(items[key], projection, scope) for key in keys if key in items]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def _batch_write_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        requests = [
            (self._table({"TableName": name}), *next(iter(request.items())))
            for name, each in arguments["RequestItems"].items()
            for request in each
        ]
        if not 0 < len(requests) <= _MOST_BATCH_WRITES:
            raise AwsError("ValidationException", "Too many items requested for the BatchWriteItem call")
        planned: list[tuple[Table, Key, Item | None]] = []
        for table, kind, request in requests:
            if kind == "PutRequest":
                table.check(request["Item"])
                planned.append((table, table.schema.key(request["Item"]), request["Item"]))
            else:
                planned.append((table, table.key_of(request["Key"]), None))
        if len({(table.name, key) for table, key, _ in planned}) < len(planned):
            raise AwsError("ValidationException", "Provided list of item keys contains duplicates")
        for table, key, item in planned:
            if item is not None or key in table.items:
                self._store(table, key, item)
        return {"UnprocessedItems": {}}

    def _transact_write_items(self, arguments: dict[str, Any]) -> dict[str, Any]:
        actions, token = arguments["TransactItems"], arguments.get("ClientRequestToken")
        if token in self._tokens:
            if self._tokens[token] != actions:
                raise AwsError("IdempotentParameterMismatchException", "The parameters differ for this token")
            return {}
        if not 0 < len(actions) <= _MOST_ACTIONS:
            raise AwsError("ValidationException", "Member must have length less than or equal to 100")
        self._refuse_repeated_items(actions)
        planned, reasons = [], []
        for action in actions:
            ((kind, request),) = action.items()
            try:
                planned.append(_PLANNED[kind](self, request))
                reasons.append({"Code": "None"})
            except _ItemRefused as error:
                reasons.append({"Code": "ValidationError", "Message": error.message})
            except AwsError as error:
                if error.code != "ConditionalCheckFailedException":
                    raise
                reasons.append({"Code": "ConditionalCheckFailed", "Message": error.message, **error.members})
        if any(reason["Code"] != "None" for reason in reasons):
            codes = ", ".join(reason["Code"] for reason in reasons)
            raise AwsError(
                "TransactionCanceledException",
                f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
                CancellationReasons=reasons,
            )
        for table, key, former, new in planned:
            if former is not new:
                self._store(table, key, new)
        if token is not None:
            self._tokens[token] = actions
        return {}

    # -- reading many --------------------------------------------------------------------------------------------------

    def _query(self, arguments: dict[str, Any]) -> dict[str, Any]:
        table, index = self._table(arguments), arguments.get("IndexName")
        scope = scope_of(arguments, "KeyConditionExpression", "FilterExpression", "ProjectionExpression")
        is_global = index in table.indexes and table.indexes[index].is_global
        if is_global and arguments.get("ConsistentRead"):
            raise AwsError("ValidationException", "Consistent reads are not supported on global secondary indexes")
        wanted = condition(arguments["KeyConditionExpression"])
        schema, rows = table.rows(index, lagging=self.lags and not arguments.get("ConsistentRead"))
        found = [item for item in rows if wanted(item, scope)]
        order = KeySchema((*schema.attributes, *(a for a in table.schema.attributes if a not in schema.attributes)))
        found.sort(key=order.key, reverse=not arguments.get("ScanIndexForward", True))
        return page_of(arguments, found, order, scope)

    def _scan(self, arguments: dict[str, Any]) -> dict[str, Any]:
        table = self._table(arguments)
        scope = scope_of(arguments, "FilterExpression", "ProjectionExpression")
        schema, rows = table.rows(arguments.get("IndexName"), lagging=False)
        order = KeySchema((*schema.attributes, *(a for a in table.schema.attributes if a not in schema.attributes)))
        return page_of(arguments, sorted(rows, key=order.key), order, scope)

    # -- what the above share ------------------------------------------------------------------------------------------

    def _table(self, arguments: dict[str, Any]) -> Table:
        table = self.tables.get(arguments["TableName"])
        if table is None:
            raise AwsError("ResourceNotFoundException", "Requested resource not found")
        return table

    def _refuse_repeated_items(self, actions: list[dict[str, Any]]) -> None:
        touched = set()
        for action in actions:
            ((_, request),) = action.items()
            table = self._table(request)
            touched.add((table.name, table.schema.key(request.get("Key") or request["Item"])))
        if len(touched) < len(actions):
            raise AwsError("ValidationException", "Transaction request cannot include multiple operations on one item")

    def _planned_put(self, arguments: dict[str, Any]) -> _Planned:
        table, scope = self._table(arguments), scope_of(arguments, "ConditionExpression")
        item = arguments["Item"]
        table.check(item)
        key = table.schema.key(item)
        former = table.items.get(key)
        _require(arguments, former, scope)
        return table, key, former, item

    def _planned_update(self, arguments: dict[str, Any]) -> _Planned:
        table, scope = self._table(arguments), scope_of(arguments, "ConditionExpression", "UpdateExpression")
        key = table.key_of(arguments["Key"])
        former = table.items.get(key)
        _require(arguments, former, scope)
        new = dict(arguments["Key"]) if former is None else former
        if "UpdateExpression" in arguments:
            expression = update(arguments["UpdateExpression"])
            try:
                new = expression.apply(new, scope)
            except ExpressionError as error:
                raise _ItemRefused("ValidationException", str(error)) from None
            if table.schema.key(new) != key:
                raise AwsError("ValidationException", "One or more parameter values were invalid: Cannot update a key")
        table.check(new)
        return table, key, former, new

    def _planned_delete(self, arguments: dict[str, Any]) -> _Planned:
        table, scope = self._table(arguments), scope_of(arguments, "ConditionExpression")
        key = table.key_of(arguments["Key"])
        former = table.items.get(key)
        _require(arguments, former, scope)
        return table, key, former, None

    def _planned_check(self, arguments: dict[str, Any]) -> _Planned:
        table, key, former, _ = self._planned_delete(arguments)
        return table, key, former, former

    def _store(self, table: Table, key: Key, item: Item | None) -> None:
        former = table.items.get(key)
        if item is None:
            table.items.pop(key, None)
        else:
            table.items[key] = item
        self._on_change(table.name, key, former, item)


class _ItemRefused(AwsError):
    """The item does not allow the update. In a transaction that is the reason of one action."""


_Planned = tuple[Table, Key, "Item | None", "Item | None"]


def scope_of(arguments: dict[str, Any], *expressions: str) -> Scope:
    """What the placeholders of a request stand for; each of them has to be used in one of these expressions."""
    names = arguments.get("ExpressionAttributeNames", {})
    values = arguments.get("ExpressionAttributeValues", {})
    used = placeholders(*(arguments.get(each) for each in expressions))
    unused = {*names, *values} - used
    if unused:
        raise AwsError("ValidationException", f"Value provided in expression attributes is unused: {unused}")
    return Scope(names, values)


def _require(arguments: dict[str, Any], item: Item | None, scope: Scope) -> None:
    text = arguments.get("ConditionExpression")
    if text is None or condition(text)(item or {}, scope):
        return
    wanted = arguments.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and item is not None
    members = {"Item": item} if wanted else {}
    raise AwsError("ConditionalCheckFailedException", "The conditional request failed", **members)


def _returned(arguments: dict[str, Any], former: Item | None, new: Item | None) -> dict[str, Any]:
    wanted = arguments.get("ReturnValues", "NONE")
    if wanted == "NONE":
        return {}
    before, after = former or {}, new or {}
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    attributes = {
        "ALL_OLD": before,
        "ALL_NEW": after,
        "UPDATED_OLD": {name: before[name] for name in changed if name in before},
        "UPDATED_NEW": {name: after[name] for name in changed if name in after},
    }[wanted]
    return {"Attributes": attributes} if attributes else {}


def page_of(arguments: dict[str, Any], rows: list[Item], order: KeySchema, scope: Scope) -> dict[str, Any]:
    """The answer to a query or scan whose condition these rows fulfil, in their order."""
    start = arguments.get("ExclusiveStartKey")
    if start is not None:
        backwards = not arguments.get("ScanIndexForward", True)
        after = order.key(start)
        rows = [row for row in rows if (order.key(row) < after if backwards else order.key(row) > after)]
    limit = arguments.get("Limit")
    read = rows if limit is None else rows[:limit]
    text = arguments.get("FilterExpression")
    kept = [row for row in read if text is None or condition(text)(row, scope)]
    answer: dict[str, Any] = {"Count": len(kept), "ScannedCount": len(read)}
    if arguments.get("Select") != "COUNT":
        answer["Items"] = [project(row, arguments.get("ProjectionExpression"), scope) for row in kept]
    if limit is not None and len(read) == limit and len(rows) >= limit:
        answer["LastEvaluatedKey"] = order.of_item(read[-1])
    return answer


#: Operation -> name of its method.
_OPERATIONS = {
    "CreateTable": "_create_table",
    "DescribeTable": "_describe_table",
    "UpdateTimeToLive": "_update_time_to_live",
    "GetItem": "_get_item",
    "PutItem": "_put_item",
    "UpdateItem": "_update_item",
    "DeleteItem": "_delete_item",
    "BatchGetItem": "_batch_get_item",
    "BatchWriteItem": "_batch_write_item",
    "TransactWriteItems": "_transact_write_items",
    "Query": "_query",
    "Scan": "_scan",
}
_PLANNED: dict[str, Callable[[DynamoDb, dict[str, Any]], _Planned]] = {
    "Put": DynamoDb._planned_put,
    "Update": DynamoDb._planned_update,
    "Delete": DynamoDb._planned_delete,
    "ConditionCheck": DynamoDb._planned_check,
}
