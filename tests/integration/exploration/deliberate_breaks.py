"""Deliberate breaks of the protocol, made in the requests themselves, such as a condition that is left out.

Each names a scenario in which the search must find it: they show that the scenarios would notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.doctor.left_files import _remove
from sosw_airflow.jobs.transitions import UNWRITTEN

__all__ = ["BREAKS", "Break"]

Arguments = dict[str, Any]
Rewrite = Callable[[str, Arguments], Arguments]


@dataclass(frozen=True)
class Break:
    """A break of the protocol.

    :ivar scenario: in which it is found.  :ivar rewrite: the arguments of each request to DynamoDB, by its operation.
    :ivar settings: values that replace those of modules, by their dotted names.
    """

    name: str
    scenario: str
    rewrite: Rewrite = lambda operation, arguments: arguments
    settings: Mapping[str, object] = field(default_factory=dict)


def _unconditional(arguments: Arguments) -> Arguments:
    """The request without its condition, and without the values that only that one uses."""
    kept = {name: value for name, value in arguments.items() if name != "ConditionExpression"}
    words = kept.get("UpdateExpression", "").replace(",", " ").split()
    for member in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        used = {name: value for name, value in kept.pop(member, {}).items() if name in words}
        if used:
            kept[member] = used
    return kept


def _where(applies: Callable[[str, Arguments], bool], change: Callable[[Arguments], Arguments]) -> Rewrite:
    return lambda operation, arguments: change(arguments) if applies(operation, arguments) else arguments


def _page(change: Callable[[list[Arguments]], list[Arguments]]) -> Rewrite:
    """Change the actions of a page: its marker, then its rows."""
    return _where(
        lambda operation, arguments: operation == "TransactWriteItems",
        lambda arguments: {**arguments, "TransactItems": change(arguments["TransactItems"])},
    )


def _with(action: Arguments, **attributes: Any) -> Arguments:
    """A put with other attributes in its item."""
    put = action["Put"]
    return {"Put": {**put, "Item": {**put["Item"], **attributes}}}


def _puts_header(operation: str, arguments: Arguments) -> bool:
    return operation == "PutItem" and arguments["Item"].get("record") == {"S": "header"}


def _puts_cancelled_marker(operation: str, arguments: Arguments) -> bool:
    return operation == "PutItem" and "cancelled" in arguments["Item"]


def _removes_row(operation: str, arguments: Arguments) -> bool:
    return operation == "DeleteItem" and "ConditionExpression" in arguments


def _one_page_only(arguments: Arguments) -> Arguments:
    return {**arguments, "Item": {**arguments["Item"], "pages": {"N": "1"}}}


def _changes_state_to(state: str) -> Callable[[str, Arguments], bool]:
    return lambda operation, arguments: (
        operation == "UpdateItem" and arguments.get("ExpressionAttributeValues", {}).get(":to") == {"S": state}
    )


def _puts_claim(operation: str, arguments: Arguments) -> bool:
    return operation == "PutItem" and arguments["Item"].get("record") == {"S": "claim"}


def _any_number(arguments: Arguments) -> Arguments:
    """The change without its condition on the number of the attempt."""
    without = arguments["ConditionExpression"].partition(" AND ")[0]
    values = dict(arguments["ExpressionAttributeValues"])
    if ":attempt" not in arguments["UpdateExpression"]:
        values.pop(":attempt", None)
    return {**arguments, "ConditionExpression": without, "ExpressionAttributeValues": values}


def _number_one(arguments: Arguments) -> Arguments:
    """The change with the number of the first attempt, so that all copies have one name."""
    if ":next" not in arguments["ExpressionAttributeValues"]:
        return arguments
    return {**arguments, "ExpressionAttributeValues": {**arguments["ExpressionAttributeValues"], ":next": {"N": "1"}}}


def _claims_task(operation: str, arguments: Arguments) -> bool:
    return operation == "UpdateItem" and "queued_as = :greenfield" in arguments.get("UpdateExpression", "")


def _completes(operation: str, arguments: Arguments) -> bool:
    return operation == "UpdateItem" and "attribute_exists(labourer_id)" in arguments.get("ConditionExpression", "")


def _any_row(arguments: Arguments) -> Arguments:
    """The report of a worker without its condition, as upstream's assistant makes it."""
    values = {name: value for name, value in arguments["ExpressionAttributeValues"].items() if name != ":attempt"}
    kept = {name: value for name, value in arguments.items() if name != "ConditionExpression"}
    return {**kept, "ExpressionAttributeValues": values}


def _elsewhere(arguments: Arguments) -> Arguments:
    """The same change of an item that does not matter."""
    if "Item" in arguments:
        return {**arguments, "Item": {**arguments["Item"], "record": {"S": "elsewhere"}}}
    return {**_unconditional(arguments), "Key": {**arguments["Key"], "record": {"S": "elsewhere"}}}


def _begins_cancelling(operation: str, arguments: Arguments) -> bool:
    return operation == "UpdateItem" and "cancelled_from" in arguments.get("UpdateExpression", "")


def _ended_at_once(arguments: Arguments) -> Arguments:
    """The change to cancelled also notes that the cancelling has ended."""
    return {**arguments, "UpdateExpression": f"{arguments['UpdateExpression']}, cancel_ended = :now"}


BREAKS = [
    Break("header without its condition", "schedule-edited-job", _where(_puts_header, _unconditional)),
    Break(
        "marker of a page without its condition",
        "schedule-twice",
        _page(lambda actions: [{"Put": _unconditional(actions[0]["Put"])}, *actions[1:]]),
    ),
    Break("page without its marker", "schedule-twice", _page(lambda actions: actions[1:])),
    Break(
        "page without any condition",
        "schedule-twice",
        _page(lambda actions: [{"Put": _unconditional(each["Put"])} for each in actions]),
    ),
    Break("header with one page only", "schedule-with-faults", _where(_puts_header, _one_page_only)),
    Break("page without its last row", "schedule-with-faults", _page(lambda actions: actions[:-1])),
    Break(
        "payload of the first row in all rows of a page",
        "schedule-with-faults",
        _page(
            lambda actions: [
                actions[0],
                *(_with(each, payload=actions[1]["Put"]["Item"]["payload"]) for each in actions[1:]),
            ]
        ),
    ),
    Break(
        "rows that count as invoked",
        "cancel-while-writing",
        _page(lambda actions: [actions[0], *(_with(each, attempts={"N": "1"}) for each in actions[1:])]),
    ),
    Break("no marker of a cancelled page", "cancel-while-writing", _where(_puts_cancelled_marker, _elsewhere)),
    Break("removal of a row without its condition", "cancel-written", _where(_removes_row, _unconditional)),
    Break(
        "change to written without its condition",
        "cancel-while-writing",
        _where(_changes_state_to("written"), _unconditional),
    ),
    Break(
        "change to cancelled that is not kept",
        "cancel-while-writing",
        _where(_changes_state_to("cancelled"), _elsewhere),
    ),
    Break(
        "change to delivering without its condition",
        "deliver-twice",
        _where(_changes_state_to("delivering"), _unconditional),
    ),
    Break("claim of a file without its condition", "drain-twice", _where(_puts_claim, _unconditional)),
    Break(
        "change to writing without its condition",
        "schedule-and-deliver",
        _where(_changes_state_to("writing"), _unconditional),
    ),
    Break(
        "change to invoking without its condition",
        "deliver-and-invoke-twice",
        _where(_changes_state_to("invoking"), _unconditional),
    ),
    Break(
        "change to delivered without its condition",
        "cancel-while-delivering",
        _where(_changes_state_to("delivered"), _unconditional),
    ),
    Break(
        "change to invoking of any number",
        "deliver-and-invoke-twice",
        _where(_changes_state_to("invoking"), _any_number),
    ),
    Break("one number for all deliveries", "deliver-and-invoke", _where(_changes_state_to("delivering"), _number_one)),
    Break(
        "plan of a living delivery removed by the loser of the record",
        "deliver-twice",
        settings={"sosw_airflow.scheduling.scheduler.NEEDING_PLAN": UNWRITTEN},
    ),
    Break("claim of a task without its condition", "orchestrate-beside-upstream", _where(_claims_task, _unconditional)),
    Break("completion of a task without its condition", "orchestrate-late-reports", _where(_completes, _any_row)),
    Break(
        "claim of a row that was given back, whatever became of its job",
        "orchestrate-refused-and-cancel",
        settings={"sosw_airflow.orchestration.task_rows.TaskRow.was_claimed": False},
    ),
    Break(
        "clean-up that misses late copies",
        "deliver-late-copy",
        settings={"sosw_airflow.doctor.left_files.copies_prefix": lambda prefix: f"{prefix}/copies"},
    ),
    Break(
        "clean-up that removes the copy of a delivered job",
        "deliver-twice",
        settings={"sosw_airflow.doctor.left_files.IN_DELIVERY": frozenset()},
    ),
    Break(
        "cancelling that has ended before it began", "cancel-beside-zombie", _where(_begins_cancelling, _ended_at_once)
    ),
    Break(
        "clean-up that takes every claimed file for drained",
        "drain-dies",
        settings={"sosw_airflow.doctor.left_files._unlock": _remove},
    ),
    Break(
        "cancelled repair that also refuses an Airflow task that was cleared",
        "kill-repair",
        settings={"sosw_airflow.scheduling.repair.is_asked_by": lambda *asked, **more: True},
    ),
    Break(
        "clear that stays in its generation",
        "cancel-while-writing",
        settings={"tests.support.explorer.scenario.clears": lambda: 0},
    ),
    Break(
        "clean-up that does not see the claims of drains",
        "drain-dies",
        settings={"sosw_airflow.doctor.orphans._is_old_claim": lambda item, now: False},
    ),
]
