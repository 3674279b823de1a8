"""Lambda functions in an emulator."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import boto3

__all__ = ["make_function"]


def make_function(
    name: str,
    *,
    source: str = "",
    environment: Mapping[str, str] | None = None,
    client: Callable[[str], Any] = boto3.client,
) -> str:
    """Create a function ``app.handler`` with a role of its name, and return its ARN.

    :param client: makes a boto3 client of a service.
    """
    iam, aws_lambda = client("iam"), client("lambda")
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    reply = aws_lambda.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=iam.get_role(RoleName=name)["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": buffer.getvalue()},
        Timeout=10,
        Environment={"Variables": dict(environment or {})},
    )
    return str(reply["FunctionArn"])
