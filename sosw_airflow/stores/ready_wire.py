"""What a client does itself in place of botocore, in a fraction of the processor time (``[sosw] wire = ready``).

- Requests of DynamoDB: the JSON text of the arguments, neither checked nor serialised member by member.
- Answers of DynamoDB with items: the parsed JSON, not copied member by member.
- The header ``User-Agent``: composed once, not twice for each request.

Everything else is botocore's as ever: endpoint, signature, retries, errors, hooks, proxies. What is not plain
JSON, such as a binary attribute, is left to botocore.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["use_ready_wire"]

#: The key of a request's own text in its context.
_CONTEXT = "sosw_ready"

#: A member that may be a binary attribute, which botocore decodes from base64. It may also be a name: that costs time.
_BINARY_TEXT, _BINARY_BYTES = re.compile(r'"BS?"\s*:'), re.compile(rb'"BS?"\s*:')


def use_ready_wire(client: Any) -> None:
    """Let a boto3 client do this itself. A client of another service than DynamoDB only keeps its ``User-Agent``."""
    _keep_user_agent(client)
    events, service = client.meta.events, client.meta.service_model
    if service.service_name != "dynamodb" or _protocol_of(service) != "json":
        return
    # Last, and without an operation: handlers of an operation come before those of all. So a hook that changes the
    # arguments is heard, and one that reads the request sees what botocore has made.
    for event, handler in (
        ("before-parameter-build", _take_arguments),
        ("before-call", _put_in),
        ("before-parse", _parse),
    ):
        events.register_last(event, handler, unique_id=f"{_CONTEXT}-{event}")


def _protocol_of(service: Any) -> str:
    # Older releases of botocore know one protocol for each service.
    return str(getattr(service, "resolved_protocol", None) or service.metadata.get("protocol"))


# -- requests ----------------------------------------------------------------------------------------------------------


def _of_key(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"TableName": arguments["TableName"], "Key": {}}


def _of_query(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"TableName": arguments["TableName"]}


def _of_reads(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"RequestItems": {table: {"Keys": [{}]} for table in arguments["RequestItems"].keys()}}  # noqa: SIM118


def _of_writes(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"RequestItems": {table: [{}] for table in arguments["RequestItems"].keys()}}  # noqa: SIM118


def _of_transaction(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"TransactItems": arguments["TransactItems"].outline()}


#: Operation -> arguments that botocore accepts in place of the real ones, and that lead to the same endpoint.
_OUTLINES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "GetItem": _of_key,
    "UpdateItem": _of_key,
    "Query": _of_query,
    "BatchGetItem": _of_reads,
    "BatchWriteItem": _of_writes,
    "TransactWriteItems": _of_transaction,
}


def _take_arguments(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    """Take the arguments of one call out, and leave an outline to botocore."""
    try:
        outline = _OUTLINES[model.name](params)
    except (KeyError, AttributeError):
        return  # another operation, plain actions of a transaction, or arguments that botocore refuses
    text = _text_of(params)
    if text is None:
        return
    context[_CONTEXT] = text, params, dict(params)
    # In place: of what the handlers of an event return, botocore takes one, and a deployment may have one of its own.
    params.clear()
    params.update(outline)


def _text_of(arguments: dict[str, Any]) -> str | None:
    """The JSON text of the arguments; None if botocore has to write it."""
    actions = arguments.get("TransactItems")
    others = {name: value for name, value in arguments.items() if value is not actions}
    try:
        text = json.dumps(others)
    except (TypeError, ValueError, RecursionError):
        return None
    if _BINARY_TEXT.search(text):
        return None
    if actions is None:
        return text
    return f'{{"TransactItems": {actions.text}{", " if others else ""}{text[1:]}'


def _put_in(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Replace the outline in the request's body, and give the arguments back to those who read them afterwards."""
    text, arguments, real = context.pop(_CONTEXT, (None, {}, {}))
    if text is not None:
        params["body"] = text.encode("ascii")
        arguments.clear()
        arguments.update(real)


# -- answers -----------------------------------------------------------------------------------------------------------

#: Operations whose answers have items.
_READINGS = frozenset({"GetItem", "Query", "BatchGetItem"})


def _parse(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Parse the body, and leave an empty one to botocore, which adds what the headers say."""
    body = response_dict["body"]
    if operation_model.name not in _READINGS:
        return
    if response_dict["status_code"] != 200 or _BINARY_BYTES.search(body):
        return
    try:
        document = json.loads(body)
    except ValueError:
        return  # botocore says so
    if not isinstance(document, dict):
        return
    for name in operation_model.output_shape.members:
        if document.get(name) is not None:
            customized_response_dict.setdefault(name, document[name])
    response_dict["body"] = b"{}"


# -- user agent --------------------------------------------------------------------------------------------------------


def _keep_user_agent(client: Any) -> None:
    """Keep the text for each set of features that botocore has noted for a request; it depends on nothing else."""
    creator: Any = getattr(client, "_user_agent_creator", None)  # botocore has no public way to it
    compose = getattr(creator, "to_string", None)
    if compose is None:
        return
    known: dict[frozenset[str], str] = {}

    def kept() -> str:
        features = _features()
        if features not in known:
            known[features] = compose()
        return known[features]

    creator.to_string = kept


def _features() -> frozenset[str]:
    try:
        from botocore.context import get_context
    except ImportError:  # botocore before 1.37
        return frozenset()
    context = get_context()
    return frozenset() if context is None else frozenset(context.features)
