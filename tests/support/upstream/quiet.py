"""sosw, imported without its side effects on this process."""

from __future__ import annotations

import logging
import sys
import warnings
from importlib import import_module

_MODULES = (
    "sosw.app",
    "sosw.scheduler",
    "sosw.orchestrator",
    "sosw.scavenger",
    "sosw.worker_assistant",
    "sosw.managers.task",
    "sosw.managers.ecology",
    "sosw.managers.meta_handler",
    "sosw.components.siblings",
    "sosw.components.sns",
    "sosw.components.dynamo_db",
)


def _import_quietly() -> None:
    root = logging.getLogger()
    level = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sosw has regular expressions with invalid escapes
        for name in _MODULES:
            import_module(name)
    root.setLevel(level)
    # Not one of `logging.getLogger`, which Airflow's configuration of logging would enable again.
    silent = logging.Logger("tests.support.upstream.silent")  # noqa: LOG001
    silent.disabled = True
    for name, module in list(sys.modules.items()):
        if name.startswith("sosw.") and getattr(module, "logger", None) is root:
            module.logger = silent  # type: ignore[attr-defined]


_import_quietly()
