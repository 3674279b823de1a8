"""Functions of custom periods that are named by text: ``"package.module:function"``.

Text comes from Variables, files and templates. So it names code only inside of the modules that the deployment lists
(``[sosw] custom_period_modules``). A DAG file that gives the function itself needs no list.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from sosw_airflow.jobs.excerpts import excerpt

__all__ = ["UnusableFunction", "import_path_problem", "imported"]


class UnusableFunction(ValueError):
    """The named function cannot be called; the message says why."""


def import_path_problem(path: str, modules: Sequence[str] | None) -> str | None:
    """Why a text may not name a period function, or None if it may. Imports nothing.

    :param modules: prefixes of modules from which it may come; None for all of them.
    """
    module, colon, name = path.partition(":")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        return f"must be a function or its import path 'package.module:function', not {excerpt(path)}"
    if modules is None or _within(module, modules):
        return None
    listed = ", ".join(modules) or "none"
    return (
        f"names code in the module {excerpt(module)}, which this deployment does not list (listed: {listed}). Fix: add "
        f"it to custom_period_modules in the section [sosw] of Airflow's configuration, or give the function itself in "
        f"the DAG file"
    )


def imported(path: str, modules: Sequence[str] | None) -> Callable[..., Any]:
    """Import the function.

    :param modules: as for `import_path_problem`; the module that defines the function must be among them too.
    :raises UnusableFunction: it cannot be imported, is none, or is defined elsewhere.
    """
    problem = import_path_problem(path, modules)
    if problem:
        raise UnusableFunction(problem)
    module, _, name = path.partition(":")
    subject = f"needs the custom period function {excerpt(path)}, which"
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:  # noqa: BLE001 - the module of a user may raise anything
        raise UnusableFunction(f"{subject} cannot be imported: {error}") from None
    if not callable(function):
        raise UnusableFunction(f"{subject} is not a function")
    home = getattr(function, "__module__", None)
    if modules is not None and not _within(str(home), modules):
        raise UnusableFunction(f"{subject} is defined in {home!r}, which custom_period_modules does not list")
    return function  # type: ignore[no-any-return]


def _within(module: str, prefixes: Sequence[str]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)
