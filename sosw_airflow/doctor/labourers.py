"""Checks a labourer whose tasks Airflow invokes: expiry, reports, concurrency, the permission to invoke."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.doctor.findings import Finding, error, ok, reported, warning
from sosw_airflow.exceptions import AwsFault
from sosw_airflow.orchestration.expiry import FunctionFacts, expiry_seconds
from sosw_airflow.orchestration.labourer_pause import LabourerPause, resume_command
from sosw_airflow.orchestration.policy import Invocation, LabourerPolicy
from sosw_airflow.orchestration.readings import event_invoke_config, facts_of, function_configuration
from sosw_airflow.provision.assistant import ASSISTANT, AssistantState, assistant_state
from sosw_airflow.provision.destinations import destinations_of, names_function
from sosw_airflow.stores.aws_errors import error_code, explain, explain_faults, member
from sosw_airflow.stores.tables import TableNames

__all__ = ["check_assistant", "check_labourer", "check_pause", "orchestrated"]

#: Settings that only an orchestrator of Airflow reads.
_OURS = frozenset({"expiry", "invocation", "max_invocations_per_minute", "retry_delay", "scavenger"})

#: Seconds after which a lost task should be known: a labourer with a longer expiry gets a warning.
_SOON = 3600


def orchestrated(lease: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether Airflow invokes the labourer's tasks: it did so before, or a setting of it says so.

    :param lease: the item of the labourer's lease, empty if no orchestrator ever held it.
    """
    return not _OURS.isdisjoint(settings) or bool(lease)


def check_labourer(aws_lambda: Any, dynamodb: Any, tables: TableNames, policy: LabourerPolicy) -> Iterator[Finding]:
    """The findings of one labourer. A function that cannot be read is reported by another check."""
    subject = f"labourer {policy.labourer_id}"
    try:
        configuration = function_configuration(aws_lambda, policy.function)
    except AwsFault:
        return
    if configuration is None:
        return
    timeout = int(configuration["Timeout"])
    for check, examine in (
        ("events", partial(_check_events, aws_lambda, dynamodb, tables, policy, timeout)),
        ("concurrency", partial(_check_concurrency, aws_lambda, policy)),
        ("invoke", partial(_try_invoking, aws_lambda, policy)),
    ):
        yield from reported(check, subject, examine)


def check_pause(lease: Mapping[str, Any], labourer_id: str) -> Iterator[Finding]:
    """Whether a person has paused the labourer, as the item of its lease says."""
    pause = LabourerPause.of_lease(lease)
    if pause is not None:
        command = resume_command(labourer_id)
        yield warning("paused", f"labourer {labourer_id}", str(pause), f"Run: {command}", command)


def check_assistant(aws_lambda: Any, tables: TableNames) -> Iterator[Finding]:
    """Whether the function to which labourers report is deployed, and is ours."""
    state, command = assistant_state(aws_lambda, tables), "sosw-airflow init --apply --assistant"
    if state is AssistantState.CURRENT:
        yield ok("assistant", ASSISTANT, "is deployed.")
    elif state is AssistantState.MISSING:
        yield error("assistant", ASSISTANT, "does not exist: no task is ever marked.", f"Run: {command}", command)
    elif state is AssistantState.OLD:
        text = "is of an older version, or marks rows of other tables than the Connection names."
        yield warning("assistant", ASSISTANT, text, f"Run: {command}", command)
    else:
        text = "is not sosw_airflow's: sosw's own loses reports that come late."
        command = f"{command} --replace"
        yield warning("assistant", ASSISTANT, text, f"Once sosw's Scavenger is off, run: {command}", command)


def _check_events(
    aws_lambda: Any, dynamodb: Any, tables: TableNames, policy: LabourerPolicy, timeout: int
) -> Iterator[Finding]:
    config = event_invoke_config(aws_lambda, policy.function) if policy.invocation is Invocation.EVENT else {}
    yield _expiry(policy, facts_of(timeout, config))
    if policy.invocation is Invocation.EVENT:
        yield _reports(dynamodb, tables, policy, destinations_of(config))


def _expiry(policy: LabourerPolicy, facts: FunctionFacts) -> Finding:
    subject, command = f"labourer {policy.labourer_id}", _connect_command(policy)
    safe = expiry_seconds(facts, asynchronous=policy.invocation is Invocation.EVENT)
    if policy.expiry is not None and policy.expiry < safe:
        text = (
            f"its expiry of {policy.expiry:,.0f} s is below {safe:,.0f} s: a task can be invoked while it still runs."
        )
        return warning("expiry", subject, text, "Raise 'expiry', or shorten the time-out or the age of the events.")
    expiry = safe if policy.expiry is None else policy.expiry
    if expiry > _SOON:
        text = f"a task that is lost is known after {expiry / 3600:,.1f} hours, since Lambda keeps its event that long."
        return warning("expiry", subject, text, f"Run: {command}", command)
    return ok("expiry", subject, f"a task that is lost is known after {expiry:,.0f} s.")


def _reports(dynamodb: Any, tables: TableNames, policy: LabourerPolicy, found: Mapping[str, str]) -> Finding:
    """How the assistant hears of a task's end: by destinations, or from the function's own code."""
    subject, command = f"labourer {policy.labourer_id}", _connect_command(policy)
    others = sorted({arn for arn in found.values() if not names_function(arn, ASSISTANT)})
    if others:
        text = f"its results go to {', '.join(others)}."
        return warning("reports", subject, text, f"See that {ASSISTANT} gets them, too.")
    if len(found) == 2:
        return ok("reports", subject, f"reports to {ASSISTANT}.")
    closed_at = _last_completed(dynamodb, tables, policy.labourer_id)
    if closed_at is not None:
        when = datetime.fromtimestamp(closed_at, tz=timezone.utc)
        known = "failures have a destination" if "OnFailure" in found else "a failure is known at expiry only"
        return ok("reports", subject, f"its code reports, the last time {when:%Y-%m-%d %H:%M} UTC; {known}.")
    text = "has no destination, and no task of it was completed yet: without a report each task expires."
    fix = f"Unless its code uses sosw's Worker, run: {command}; or set 'invocation' to \"request\"."
    return warning("reports", subject, text, fix, command)


def _last_completed(dynamodb: Any, tables: TableNames, labourer_id: str) -> float | None:
    """When a task was closed as completed the last time, in seconds since 1970."""
    index = f"{tables.closed_tasks_table}/index/{tables.closed_tasks_index}"
    with explain_faults(action="dynamodb:Query", resource=index):
        reply = dynamodb.query(
            TableName=tables.closed_tasks_table,
            IndexName=tables.closed_tasks_index,
            KeyConditionExpression="labourer_id_task_status = :completed",
            ExpressionAttributeValues={":completed": {"S": f"{labourer_id}_1"}},
            ScanIndexForward=False,
            Limit=1,
        )
    items = member(reply, "Items", action="dynamodb:Query")
    return float(items[0]["closed_at"]["N"]) if items else None


def _check_concurrency(aws_lambda: Any, policy: LabourerPolicy) -> Iterator[Finding]:
    subject = f"labourer {policy.labourer_id}"
    with explain_faults(action="lambda:GetFunctionConcurrency", resource=policy.function):
        reply = aws_lambda.get_function_concurrency(FunctionName=policy.function)
    reserved = reply.get("ReservedConcurrentExecutions")
    if reserved == 0:
        text = "its function is switched off: its reserved concurrency is 0."
        yield error("concurrency", subject, text, "Raise the reserved concurrency, or remove it.")
    elif reserved is not None and reserved < policy.limit:
        text = f"max_simultaneous_invocations is {policy.limit:,}, the function's reserved concurrency {reserved:,}."
        yield warning(
            "concurrency", subject, text, "Lower the setting, or raise the concurrency: Lambda refuses the rest."
        )
    else:
        yield ok("concurrency", subject, f"invokes {policy.limit:,} tasks at once.")


def _try_invoking(aws_lambda: Any, policy: LabourerPolicy) -> Iterator[Finding]:
    """A dry run, which executes nothing."""
    subject = f"labourer {policy.labourer_id}"
    try:
        aws_lambda.invoke(FunctionName=policy.function, InvocationType="DryRun")
    except (ClientError, BotoCoreError) as failed:
        if error_code(failed) not in ("AccessDeniedException", "AccessDenied"):
            raise explain(failed, action="lambda:InvokeFunction", resource=policy.function) from failed
        fix = "Allow lambda:InvokeFunction to the identity of aws_conn_id: docs/permissions.md has the policy."
        yield error("invoke", subject, f"its function {policy.function} may not be invoked.", fix)
    else:
        yield ok("invoke", subject, "its function may be invoked.")


def _connect_command(policy: LabourerPolicy) -> str:
    return f"sosw-airflow init --apply --assistant --connect {shlex.quote(policy.labourer_id)}"
