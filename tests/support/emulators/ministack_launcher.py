"""Run ministack until standard input closes. A script for ministack's own interpreter, without arguments.

ministack calls the destinations of a failed asynchronous invocation, but not those of a successful one: added here.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from typing import Any

from ministack.app import main  # type: ignore[import-not-found]
from ministack.services import lambda_svc  # type: ignore[import-not-found]

_asynchronous: contextvars.ContextVar[bool] = contextvars.ContextVar("asynchronous", default=False)
_execute, _invoke = lambda_svc._execute_function, lambda_svc.invoke_async_with_retry


def _invoke_async_with_retry(func: dict[str, Any], event: dict[str, Any]) -> None:
    """ministack runs it in a thread, with a copy of this context."""
    token = _asynchronous.set(True)
    try:
        _invoke(func, event)
    finally:
        _asynchronous.reset(token)


def _execute_function(func: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Call the destination on success, with the envelope that AWS documents."""
    asynchronous = _asynchronous.get()
    _asynchronous.set(False)  # a function that this one invokes is no part of it
    result: dict[str, Any] = _execute(func, event)
    _asynchronous.set(asynchronous)
    configuration = func.get("event_invoke_config") or (func.get("event_invoke_configs") or {}).get("$LATEST") or {}
    target = ((configuration.get("DestinationConfig") or {}).get("OnSuccess") or {}).get("Destination")
    if asynchronous and target and not result.get("error"):
        envelope = {
            "version": "1.0",
            "requestContext": {"condition": "Success", "approximateInvokeCount": 1},
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": result.get("body"),
        }
        destination, _, _ = lambda_svc._get_func_record_for_ref(target)
        if destination:
            arguments = (destination, envelope)
            run = lambda_svc._execute_function_with_config_scope
            threading.Thread(target=run, args=arguments, daemon=True).start()
    return result


lambda_svc._execute_function = _execute_function
lambda_svc.invoke_async_with_retry = _invoke_async_with_retry


def _exit_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    main()
