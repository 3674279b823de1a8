"""The CloudFormation template of the tables and the queue bucket, made from the same definitions as everything else.

`docs/cloudformation/sosw_airflow.yaml` is this template, with comments, for people who deploy from a file; a test keeps
the two equal. By default it creates only what an existing sosw stack lacks: `sosw_jobs` and a bucket for the queue
files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sosw_airflow.stores.tables import (
    SOSW_NAMES,
    SOSW_THROUGHPUT,
    TableDefinition,
    TableNames,
    Throughput,
    table_definitions,
)

__all__ = ["cloudformation_template"]

_DESCRIPTION = "Tables and queue bucket of sosw_airflow, to be deployed beside an existing sosw stack or on their own"
_DEFAULT_META_TABLE = "sosw_tasks_meta"
_NO_VALUE = {"Ref": "AWS::NoValue"}

# Field of TableNames -> logical name of the resource and the condition under which it is created (None: always),
# in the order of `table_definitions`.
_RESOURCES: dict[str, tuple[str, str | None]] = {
    "tasks_table": ("TasksTable", "CreateSoswTables"),
    "closed_tasks_table": ("ClosedTasksTable", "CreateSoswTables"),
    "retry_tasks_table": ("RetryTasksTable", "CreateSoswTables"),
    "jobs_table": ("JobsTable", None),
    "meta_table": ("MetaTable", "CreateMetaTable"),
}


def cloudformation_template(names: TableNames = SOSW_NAMES, throughput: Throughput = SOSW_THROUGHPUT) -> dict[str, Any]:
    """The template as a JSON-ready dict; `names` and `throughput` become the defaults of its parameters."""
    with_meta = replace(names, meta_table=names.meta_table or _DEFAULT_META_TABLE)
    resources: dict[str, Any] = {}
    for definition, (logical_id, condition) in zip(table_definitions(with_meta), _RESOURCES.values(), strict=True):
        resources[logical_id] = _table(definition, condition, {"Ref": f"{logical_id}Name"})
    resources["QueueBucket"] = _queue_bucket()
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _DESCRIPTION,
        "Parameters": _parameters(with_meta, throughput, create_meta=names.meta_table is not None),
        "Conditions": {
            "CreateSoswTables": {"Fn::Equals": [{"Ref": "CreateSoswTables"}, "true"]},
            "CreateMetaTable": {"Fn::Equals": [{"Ref": "CreateMetaTable"}, "true"]},
            "CreateQueueBucket": {"Fn::Equals": [{"Ref": "CreateQueueBucket"}, "true"]},
            "NameQueueBucket": {"Fn::Not": [{"Fn::Equals": [{"Ref": "QueueBucketName"}, ""]}]},
            "OnDemand": {"Fn::Equals": [{"Ref": "BillingMode"}, "PAY_PER_REQUEST"]},
        },
        "Resources": resources,
        "Outputs": {
            "JobsTable": {"Description": "jobs_table of the Airflow connection", "Value": {"Ref": "JobsTable"}},
            "QueueBucket": {
                "Description": "queue_bucket of the Airflow connection",
                "Condition": "CreateQueueBucket",
                "Value": {"Ref": "QueueBucket"},
            },
        },
    }


def _parameters(names: TableNames, throughput: Throughput, *, create_meta: bool) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "CreateSoswTables": _switch("Create sosw's own tables too; leave false beside an existing sosw stack", False),
        "CreateMetaTable": _switch("Create sosw's optional audit table", create_meta),
        "CreateQueueBucket": _switch("Create a bucket for the queue files", True),
        "QueueBucketName": {
            "Type": "String",
            "Default": "",
            "Description": "Name of the bucket to create; empty lets CloudFormation choose one",
        },
        "BillingMode": {
            "Type": "String",
            "Default": "PAY_PER_REQUEST",
            "AllowedValues": ["PAY_PER_REQUEST", "PROVISIONED"],
            "Description": "On demand, or provisioned with the units below",
        },
    }
    units = throughput.as_argument()
    for name, what in (("ReadCapacityUnits", "Read"), ("WriteCapacityUnits", "Write")):
        parameters[name] = {
            "Type": "Number",
            "Default": units[name],
            "MinValue": 1,
            "Description": f"{what} units of each provisioned table and index",
        }
    for field, (logical_id, _) in _RESOURCES.items():
        parameters[f"{logical_id}Name"] = {"Type": "String", "Default": getattr(names, field)}
    return parameters


def _switch(description: str, default: bool) -> dict[str, Any]:
    return {
        "Type": "String",
        "Default": "true" if default else "false",
        "AllowedValues": ["true", "false"],
        "Description": description,
    }


def _table(definition: TableDefinition, condition: str | None, name: dict[str, str]) -> dict[str, Any]:
    units = {"ReadCapacityUnits": {"Ref": "ReadCapacityUnits"}, "WriteCapacityUnits": {"Ref": "WriteCapacityUnits"}}
    provisioned = {"Fn::If": ["OnDemand", _NO_VALUE, units]}
    schema = definition.schema()
    for index in schema.get("GlobalSecondaryIndexes", []):
        index["ProvisionedThroughput"] = provisioned
    properties = {
        **schema,
        "TableName": name,
        "BillingMode": {"Ref": "BillingMode"},
        "ProvisionedThroughput": provisioned,
    }
    if definition.ttl_attribute:
        properties["TimeToLiveSpecification"] = {"AttributeName": definition.ttl_attribute, "Enabled": True}
    return _retained("AWS::DynamoDB::Table", condition, properties)


def _queue_bucket() -> dict[str, Any]:
    return _retained(
        "AWS::S3::Bucket",
        "CreateQueueBucket",
        {
            "BucketName": {"Fn::If": ["NameQueueBucket", {"Ref": "QueueBucketName"}, _NO_VALUE]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            # Queue files are streamed up in parts: what a killed process leaves behind is invisible, but costs money.
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "Id": "unfinished-uploads",
                        "Status": "Enabled",
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                    }
                ]
            },
        },
    )


def _retained(kind: str, condition: str | None, properties: dict[str, Any]) -> dict[str, Any]:
    """A resource whose data outlives the stack."""
    resource: dict[str, Any] = {"Type": kind}
    if condition:
        resource["Condition"] = condition
    return {**resource, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": properties}
