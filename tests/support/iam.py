"""IAM in front of boto3's clients: what a policy does not allow is refused as AWS refuses it.

Emulators allow everything, and answer 404 for a missing object whoever asks. S3 answers 403 unless the identity may
list the bucket (API reference of GetObject, HeadObject, CopyObject and UploadPartCopy). Both are played here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

ACCOUNT = "arn:aws:{}:us-west-2:123456789012"

#: An action, and the ARN that it is done to.
Call = tuple[str, str]

#: Operations whose permission has another name.
ACTIONS = {
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CopyObject": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:UploadPart": "s3:PutObject",
    "s3:UploadPartCopy": "s3:PutObject",
    "lambda:Invoke": "lambda:InvokeFunction",
}

#: Operations that read an object, which S3 denies if the object is missing and the bucket may not be listed.
READS = ("GetObject", "HeadObject", "CopyObject", "UploadPartCopy")


@dataclass(frozen=True)
class Policy:
    """What an identity may do: actions with patterns of ARNs."""

    allowed: frozenset[Call]

    def allows(self, call: Call) -> bool:
        """Whether IAM would allow the call."""
        return any(call[0] == action and fnmatchcase(call[1], resource) for action, resource in self.allowed)

    def without(self, line: Call) -> Policy:
        """The policy with one action on one resource taken out."""
        return Policy(self.allowed - {line})

    def unused(self, calls: set[Call]) -> set[Call]:
        """What it allows though nothing calls it."""
        return {line for line in self.allowed if not any(Policy(frozenset({line})).allows(call) for call in calls)}


@dataclass
class Enforcement:
    """What went through the clients. ``refused`` are the calls that the policy does not allow."""

    calls: set[Call] = field(default_factory=set)
    refused: set[Call] = field(default_factory=set)


@contextmanager
def enforced(policy: Policy, *clients: Any) -> Iterator[Enforcement]:
    """Refuse what the policy does not allow to these clients."""
    enforcement = Enforcement()

    def note(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        calls = set(calls_of(model.service_model.service_name, model.name, params))
        enforcement.calls |= calls
        context["sosw_calls"] = calls

    def refuse(model: Any, context: dict[str, Any], **_: Any) -> Any:
        refused = {call for call in context["sosw_calls"] if not policy.allows(call)}
        enforcement.refused |= refused
        if not refused:
            return None
        action, resource = min(refused)
        status = 403 if model.service_model.service_name in ("s3", "lambda") else 400
        code = "AccessDenied" if model.service_model.service_name in ("s3", "iam") else "AccessDeniedException"
        message = f"User: arn:aws:iam::123456789012:user/airflow is not authorized to perform: {action} on {resource}"
        return SimpleNamespace(status_code=status), _error("403" if "Head" in model.name else code, status, message)

    def hide(http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        missing = parsed.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound")
        if missing and model.name in READS and not policy.allows(("s3:ListBucket", _bucket_arn(context["sosw_calls"]))):
            http_response.status_code = 403
            parsed.update(_error("403" if model.name == "HeadObject" else "AccessDenied", 403, "Access Denied"))

    handlers = {"before-parameter-build": note, "before-call": refuse, "after-call": hide}
    for client in clients:
        for event, handler in handlers.items():
            client.meta.events.register(event, handler)
    try:
        yield enforcement
    finally:
        for client in clients:
            for event, handler in handlers.items():
                client.meta.events.unregister(event, handler)


def calls_of(service: str, operation: str, params: dict[str, Any]) -> Iterator[Call]:
    """The actions and ARNs of one request."""
    action = ACTIONS.get(f"{service}:{operation}", f"{service}:{operation}")
    place = ACCOUNT.format(service)
    if service == "dynamodb":
        yield from _dynamodb_calls(operation, params)
    elif service == "s3":
        key = f"/{params['Key']}" if "Key" in params else ""
        yield action, f"arn:aws:s3:::{params['Bucket']}{key}"
        if "CopySource" in params:
            yield "s3:GetObject", f"arn:aws:s3:::{_source(params['CopySource'])}"
    elif service == "ssm":
        for name in params["Names"]:
            yield action, f"{place}:parameter/{name.removeprefix('/')}"
    elif service == "iam":
        yield action, f"arn:aws:iam::123456789012:role/{params['RoleName']}"
    elif service == "cloudwatch" or operation == "ListRuleNamesByTarget":
        yield action, "*"  # it has no resources
    elif service == "events":
        yield action, f"{place}:rule/{params['Name']}"
    else:
        yield action, f"{place}:function:{params['FunctionName'].rpartition(':')[2]}"
        if "Role" in params:
            yield "iam:PassRole", params["Role"]


def _dynamodb_calls(operation: str, params: dict[str, Any]) -> Iterator[Call]:
    action, place = f"dynamodb:{operation}", ACCOUNT.format("dynamodb")
    if operation == "TransactWriteItems":
        for item in params["TransactItems"]:
            ((kind, inner),) = item.items()
            yield from _dynamodb_calls(f"{kind}Item", inner)
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for table in params["RequestItems"]:
            yield action, f"{place}:table/{table}"
    else:
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        yield action, f"{place}:table/{params['TableName']}{index}"


def _source(source: Any) -> str:
    """Bucket and key of a copy's source, before or after botocore has made a header of it."""
    return unquote(source) if isinstance(source, str) else f"{source['Bucket']}/{source['Key']}"


def _bucket_arn(calls: set[Call]) -> str:
    """The bucket of the object that is read."""
    (resource,) = {arn for action, arn in calls if action == "s3:GetObject"}
    return resource.partition("/")[0]


def _error(code: str, status: int, message: str) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
