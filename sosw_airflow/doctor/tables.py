"""Checks of the tables, the indexes and the bucket that a Connection names: existence, keys, projections."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.doctor.findings import Finding, Level, error, ok, warning
from sosw_airflow.exceptions import AccessDenied, MissingBucket, MissingTable, SoswError
from sosw_airflow.stores.aws_errors import explain, explain_faults
from sosw_airflow.stores.job_record import JobRecords
from sosw_airflow.stores.tables import Index, TableDefinition, table_definitions
from sosw_airflow.stores.task_queue import TaskQueue

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["compare_table", "examine"]


def compare_table(definition: TableDefinition, settings: tuple[str, str], table: dict[str, Any]) -> Iterator[Finding]:
    """One finding where the table is right, or one for each fault.

    :param settings: the extras of the Connection that name the table and its index.
    :param table: as DescribeTable gives it.
    """
    types = {each["AttributeName"]: each["AttributeType"] for each in table.get("AttributeDefinitions", ())}
    wanted = _keys(definition.schema(), {**types, **_types(definition.schema())})
    found = _keys(table, types)
    faults = []
    if wanted != found:
        fix = f"Keys cannot be changed: create the table again, or another one and name it in {settings[0]!r}."
        faults.append(error("key", definition.name, f"has the key {found}, but must have {wanted}.", fix))
    if table.get("TableStatus", "ACTIVE") != "ACTIVE":
        faults.append(warning("table", definition.name, f"is {table['TableStatus']}.", "Wait until it is ACTIVE."))
    there = {
        each["IndexName"]: each
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        for each in table.get(kind, ())
    }
    described = []
    for index in definition.indexes:
        problems = list(_compare_index(definition, index, settings[1], there.get(index.name), types))
        faults += problems
        if not problems:
            kept = "all attributes" if index.attributes is None else ", ".join(index.attributes)
            described.append(f"index {index.name} ({index.hash_key[0]}, {index.range_key[0]}; {kept})")
    yield from faults
    if not faults:
        units = table.get("ProvisionedThroughput", {}).get("WriteCapacityUnits")
        billing = f"{units} write units" if units else "on demand"
        yield ok("table", definition.name, f"is right: key {found}; {'; '.join([*described, billing])}.")


def _compare_index(
    definition: TableDefinition, index: Index, setting: str, found: dict[str, Any] | None, types: dict[str, str]
) -> Iterator[Finding]:
    subject = f"{definition.name}/{index.name}"
    wanted = f"{index.hash_key[0]} ({index.hash_key[1]}), {index.range_key[0]} ({index.range_key[1]})"
    kept = "all attributes" if index.attributes is None else f"the attributes {', '.join(index.attributes)}"
    if index.is_global:
        create = f"with the key {wanted} and {kept}"
    else:
        create = "A local index cannot be added: create the table again"
    naming = f", or correct {setting!r} in the extras of the sosw Connection" if setting else ""
    if found is None:
        fix = f"Add a global index {create}{naming}." if index.is_global else f"{create}."
        yield error("index", subject, "does not exist.", fix)
        return
    again = f"Delete the index and create it again {create}{naming}." if index.is_global else f"{create}."
    keys = _keys(found, types)
    if keys != wanted:
        yield error("index", subject, f"has the key {keys}, but must have {wanted}.", again)
    projection = found.get("Projection", {})
    if projection.get("ProjectionType") != "ALL":
        lacking = (
            ["all others than it has"]
            if index.attributes is None
            else [name for name in index.attributes if name not in projection.get("NonKeyAttributes", ())]
        )
        if lacking:
            yield error("projection", subject, f"lacks attributes: {', '.join(lacking)}.", again)
    if found.get("IndexStatus", "ACTIVE") != "ACTIVE":
        yield warning("index", subject, f"is {found['IndexStatus']}.", "Wait until it is ACTIVE.")


def _types(schema: dict[str, Any]) -> dict[str, str]:
    return {each["AttributeName"]: each["AttributeType"] for each in schema["AttributeDefinitions"]}


def _keys(described: dict[str, Any], types: dict[str, str]) -> str:
    """The key in words, the hash key first: ``labourer_id (S), greenfield (N)``."""
    ordered = sorted(described.get("KeySchema", ()), key=lambda each: str(each["KeyType"]))
    return ", ".join(f"{each['AttributeName']} ({types.get(each['AttributeName'], '?')})" for each in ordered)


#: Creates what is missing, of the default Connection.
_INIT = "sosw-airflow init --apply"

#: A labourer, or a job, of which there is nothing.
_NOBODY = "-"

#: The extra of the Connection that names each table, in the order of `table_definitions`, and that of its index.
_SETTINGS = (
    ("tasks_table", "index_greenfield"),
    ("closed_tasks_table", "closed_tasks_index"),
    ("retry_tasks_table", ""),
    ("jobs_table", ""),
    ("meta_table", ""),
)

#: Seconds that this machine's clock may differ from AWS's. AWS refuses requests from 5 minutes on (S3: 15).
_SKEW = 30
_WORST_SKEW = 240


def examine(deployment: Deployment) -> Iterator[Finding]:
    """Every table, index and the bucket, one after the other; one finding alone where AWS cannot be reached at all."""
    descriptions = []
    for definition, settings in zip(table_definitions(deployment.tables), _SETTINGS, strict=False):
        reply = _describe(deployment, definition, settings[0])
        if isinstance(reply, Finding):
            yield reply
            if reply.check in ("endpoint", "credentials"):
                return
        else:
            yield from compare_table(definition, settings, reply["Table"])
            if definition.ttl_attribute:
                yield from _time_to_live(deployment, definition)
        descriptions.append(reply)
    if all(isinstance(each, Finding) and each.check == "missing" for each in descriptions):
        yield _wrong_region(deployment)
    yield from _clock(deployment, [each for each in descriptions if not isinstance(each, Finding)])
    yield from _bucket(deployment)


def _describe(deployment: Deployment, definition: TableDefinition, setting: str) -> dict[str, Any] | Finding:
    """The table as DynamoDB describes it, or why it cannot be described."""
    try:
        with explain_faults(action="dynamodb:DescribeTable", resource=definition.name, setting=setting):
            return dict(deployment.dynamodb.describe_table(TableName=definition.name))
    except MissingTable:
        return _missing_table(deployment, definition, setting)
    except AccessDenied as denied:
        unreadable = _without_description(deployment, setting)
        fix = "Allow it, so that the pace can follow the table's capacity, or leave it."
        return unreadable or warning("table", definition.name, f"cannot be described. {denied}", fix)
    except SoswError as failed:
        if _is_unreachable(failed):
            return _unreachable(deployment, failed)
        return error("table", definition.name, str(failed), "")


# -- tables ------------------------------------------------------------------------------------------------------------


def _missing_table(deployment: Deployment, definition: TableDefinition, setting: str) -> Finding:
    level = Level.WARNING if setting == "retry_tasks_table" else Level.ERROR  # only sosw itself uses that one
    fix = (
        f"Create it with `{_INIT}` (docs/guides/tables.md), or correct {setting!r} or 'region_name' in the extras of "
        f"the sosw Connection."
    )
    return Finding(level, "missing", definition.name, f"does not exist in {_region(deployment)}.", fix, _INIT)


def _without_description(deployment: Deployment, setting: str) -> Finding | None:
    """Shows whether a table exists that may not be described, by what the scheduling itself reads."""
    tables = deployment.tables
    try:
        if setting == "tasks_table":
            TaskQueue(
                deployment.dynamodb, tables.tasks_table, tables.index_greenfield, _NOBODY, now=deployment.now
            ).newest()
        elif setting == "jobs_table":
            JobRecords(deployment.dynamodb, tables.jobs_table, now=deployment.now).header(_NOBODY)
    except AccessDenied as denied:
        # Neither describing nor reading: most likely nothing is allowed at all, or the credentials are wrong.
        return error("credentials", "credentials", str(denied), "Check aws_conn_id, its keys or role, and its policy.")
    except SoswError as failed:
        return error("table", getattr(tables, setting), str(failed), "")
    return None


def _time_to_live(deployment: Deployment, definition: TableDefinition) -> Iterator[Finding]:
    try:
        with explain_faults(action="dynamodb:DescribeTimeToLive", resource=definition.name):
            reply = deployment.dynamodb.describe_time_to_live(TableName=definition.name)
    except SoswError:
        return  # nothing depends on it but the size of the table
    expiry = reply.get("TimeToLiveDescription", {})
    if expiry.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") and (
        expiry.get("AttributeName", definition.ttl_attribute) == definition.ttl_attribute
    ):
        yield ok("ttl", definition.name, f"removes old records by itself ({definition.ttl_attribute}).")
        return
    command = (
        f"aws dynamodb update-time-to-live --table-name {definition.name} "
        f"--time-to-live-specification Enabled=true,AttributeName={definition.ttl_attribute}"
    )
    yield warning(
        "ttl", definition.name, "has no time to live, so that old records stay for ever.", f"Run: {command}", command
    )


# -- everything else ---------------------------------------------------------------------------------------------------


def _region(deployment: Deployment) -> str:
    return str(deployment.dynamodb.meta.region_name)


def _is_unreachable(failed: SoswError) -> bool:
    cause = failed.__cause__
    return isinstance(cause, BotoCoreError) and not isinstance(cause, ClientError)


def _unreachable(deployment: Deployment, failed: SoswError) -> Finding:
    address = deployment.dynamodb.meta.endpoint_url
    fix = "Correct 'endpoint_url' or 'region_name' in the extras of the sosw Connection, or let this machine reach it."
    return error("endpoint", str(address), f"cannot be reached: {failed.__cause__}.", fix)


def _wrong_region(deployment: Deployment) -> Finding:
    fix = "Correct 'region_name' in the extras of the sosw Connection, or check the account of aws_conn_id."
    return error("region", _region(deployment), "has none of the tables: it is the wrong region or account.", fix)


def _clock(deployment: Deployment, replies: list[dict[str, Any]]) -> Iterator[Finding]:
    dates = [each.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date") for each in replies]
    if not dates or not dates[-1]:
        return
    try:
        theirs = parsedate_to_datetime(dates[-1]).astimezone(timezone.utc).timestamp()
    except (TypeError, ValueError):
        return
    skew = deployment.now() - theirs
    if abs(skew) <= _SKEW:
        yield ok("clock", "clock", "agrees with AWS's.")
        return
    text = f"is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} AWS's."
    fix = "Synchronise this machine's clock (NTP): AWS refuses requests from 5 minutes on."
    yield Finding(Level.ERROR if abs(skew) > _WORST_SKEW else Level.WARNING, "clock", "clock", text, fix)


def _bucket(deployment: Deployment) -> Iterator[Finding]:
    bucket = deployment.queue_bucket
    try:
        deployment.s3.head_bucket(Bucket=bucket)
    except (ClientError, BotoCoreError) as failed:
        what = explain(failed, action="s3:ListBucket", resource=bucket, setting="queue_bucket", bucket=True)
        if isinstance(what, MissingBucket):
            fix = f"Create it with `{_INIT}`, or correct 'queue_bucket' in the extras of the sosw Connection."
            yield error("bucket", bucket, "does not exist.", fix, _INIT)
        elif isinstance(what, AccessDenied):
            fix = "Allow s3:ListBucket to have it checked, or correct 'queue_bucket': it may belong to another account."
            yield warning("bucket", bucket, "may not be read.", fix)
        else:
            yield error("bucket", bucket, str(what), "Correct 'queue_bucket' or 'region_name'.")
    else:
        yield ok("bucket", bucket, "exists.")
