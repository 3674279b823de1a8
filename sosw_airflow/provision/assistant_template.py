"""The CloudFormation template of the assistant: its function with its role, and labourers that report to it.

`docs/cloudformation/sosw_assistant.yaml` is this template, with comments; a test keeps the two equal. It is a template
of its own, since a stack with a role needs `CAPABILITY_IAM`, and one with a list `CAPABILITY_AUTO_EXPAND`.
"""

from __future__ import annotations

from typing import Any

from sosw_airflow.provision.assistant import (
    ASSISTANT,
    RUNTIME,
    TIMEOUT,
    TRUST,
    assistant_environment,
    assistant_source,
)
from sosw_airflow.provision.destinations import EVENT_AGE, RETRIES, labourer_policy
from sosw_airflow.stores.tables import SOSW_NAMES, TableNames

__all__ = ["assistant_template"]

_DESCRIPTION = "The Lambda function to which labourers of sosw_airflow report, and the labourers that do"
_ARN = {"Fn::GetAtt": ["Assistant", "Arn"]}


def assistant_template(names: TableNames = SOSW_NAMES) -> dict[str, Any]:
    """The template as a JSON-ready dict; `names` become the defaults of its parameters."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _DESCRIPTION,
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {
            "AssistantName": {
                "Type": "String",
                "Default": ASSISTANT,
                "Description": "Name of the function; sosw's Worker calls it by the default",
            },
            "TasksTableName": {"Type": "String", "Default": names.tasks_table},
            "RetryTasksTableName": {"Type": "String", "Default": names.retry_tasks_table},
            "Labourers": _list("Names of the functions that report to it; empty for none"),
            "LabourerRoles": _list(
                "Names of the roles of these functions, each once; empty if they may invoke the assistant already"
            ),
        },
        "Conditions": {"WithLabourers": _is_given("Labourers"), "WithRoles": _is_given("LabourerRoles")},
        "Resources": {
            "AssistantRole": {"Type": "AWS::IAM::Role", "Properties": _role()},
            "Assistant": {"Type": "AWS::Lambda::Function", "Properties": _function()},
            "LabourerPolicy": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Condition": "WithLabourers",
                "Properties": {
                    "Roles": {"Fn::If": ["WithRoles", {"Ref": "LabourerRoles"}, {"Ref": "AWS::NoValue"}]},
                    "PolicyDocument": labourer_policy({"Fn::GetAtt": ["Assistant", "Arn"]}),
                },
            },
            "Fn::ForEach::Destinations": ["Labourer", {"Ref": "Labourers"}, {"Destination&{Labourer}": _destination()}],
        },
        "Outputs": {"Assistant": {"Description": "ARN of the function", "Value": _ARN}},
    }


def _list(description: str) -> dict[str, Any]:
    return {"Type": "CommaDelimitedList", "Default": "", "Description": description}


def _is_given(parameter: str) -> dict[str, Any]:
    return {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": parameter}]}, ""]}]}


def _role() -> dict[str, Any]:
    tables = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/"
    statements = [
        {
            "Effect": "Allow",
            "Action": "dynamodb:UpdateItem",
            "Resource": [{"Fn::Sub": f"{tables}${{{name}}}"} for name in ("TasksTableName", "RetryTasksTableName")],
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:*"},
        },
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    return {
        "AssumeRolePolicyDocument": TRUST,
        "Policies": [{"PolicyName": ASSISTANT, "PolicyDocument": document}],
    }


def _function() -> dict[str, Any]:
    tables = TableNames(tasks_table="TasksTableName", retry_tasks_table="RetryTasksTableName")
    environment: dict[str, Any] = dict(assistant_environment(tables))
    environment.update((name, {"Ref": value}) for name, value in environment.items() if value.endswith("TableName"))
    return {
        "FunctionName": {"Ref": "AssistantName"},
        "Description": f"sosw_airflow worker assistant, version {environment['SOSW_ASSISTANT_VERSION']}",
        "Runtime": RUNTIME,
        "Handler": "index.handler",  # CloudFormation's name for inline code
        "Timeout": TIMEOUT,
        "Role": {"Fn::GetAtt": ["AssistantRole", "Arn"]},
        "Environment": {"Variables": environment},
        "Code": {"ZipFile": assistant_source()},
    }


def _destination() -> dict[str, Any]:
    destination = {"Destination": _ARN}
    return {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Condition": "WithLabourers",
        "DependsOn": ["LabourerPolicy"],  # Lambda refuses a destination that the function's role may not invoke
        "Properties": {
            "FunctionName": {"Ref": "Labourer"},
            "Qualifier": "$LATEST",
            "MaximumEventAgeInSeconds": EVENT_AGE,
            "MaximumRetryAttempts": RETRIES,
            "DestinationConfig": {"OnSuccess": destination, "OnFailure": destination},
        },
    }
