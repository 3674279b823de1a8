"""A process in which the real sosw (0.7.51) runs: its boto3 session against an emulator, its Lambda context."""

from __future__ import annotations

import os
import uuid
from types import SimpleNamespace
from typing import Any

from tests.support.emulators.emulator import ACCESS_KEY, REGION, SECRET_KEY

__all__ = ["emulator_session", "function_arn", "prepare_sosw"]


def emulator_session(endpoint_url: str) -> Any:
    """boto3's default session, whose clients reach the emulator."""
    for name in ("STAGE", "autotest", "AWS_PROFILE"):
        os.environ.pop(name, None)
    os.environ.update(
        AWS_ACCESS_KEY_ID=ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY=SECRET_KEY,
        AWS_DEFAULT_REGION=REGION,
        AWS_ENDPOINT_URL=endpoint_url,
        NO_PROXY="127.0.0.1",
    )
    import boto3

    boto3.setup_default_session()
    return boto3.DEFAULT_SESSION


def prepare_sosw(function: str) -> None:
    """Let sosw believe that it runs in its function of this name, with all time in the world and no configuration."""
    from tests.support.upstream import quiet  # noqa: F401 - before anything of sosw

    # isort: split
    from sosw import app

    app.get_config = lambda _: {}
    app.global_vars.lambda_context = SimpleNamespace(
        aws_request_id=uuid.uuid4().hex,
        function_name=function,
        log_stream_name="log",
        invoked_function_arn=function_arn(function),
        get_remaining_time_in_millis=lambda: 900_000,
    )


def function_arn(name: str) -> str:
    """The ARN of a function in the emulator's account."""
    return f"arn:aws:lambda:{REGION}:{ACCESS_KEY}:function:{name}"
