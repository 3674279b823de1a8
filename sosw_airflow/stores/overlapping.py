"""Requests that do not depend on each other, sent at once: one after another, every one would cost a round trip."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import Any, TypeVar

__all__ = ["submit"]

_T = TypeVar("_T")


def submit(pool: Executor, call: Callable[..., _T], *arguments: Any) -> Future[_T]:
    """Begin a call in a thread of the pool, in the caller's context: a hook may trace requests by what is in there."""
    return pool.submit(copy_context().run, call, *arguments)
