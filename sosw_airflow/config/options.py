"""The section ``[sosw]`` of Airflow's configuration: its options with their defaults, and what their texts mean.

`OPTIONS` is what the provider info declares. Only the standard library is imported for it.
"""

from __future__ import annotations

import re
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration

__all__ = ["OPTIONS", "max_tasks_from", "period_modules_from"]

#: Name of each option -> its declaration, in the form of Airflow's `provider_info.schema.json`.
OPTIONS: dict[str, dict[str, Any]] = {
    "custom_period_modules": {
        "description": "Modules whose functions a job schema may name for its custom periods, separated by commas. A "
        "module stands for those below it as well. Empty: a schema in a Variable or a template names no code, and only "
        "DAG files give functions.",
        "version_added": "0.2.0",
        "type": "string",
        "example": "my_company.periods",
        "default": "",
    },
    "max_tasks": {
        "description": "The most tasks that a job may become, unless the operator has a max_tasks of its own. A larger "
        "job is refused before anything is written.",
        "version_added": "0.2.0",
        "type": "integer",
        "example": None,
        "default": "1000000",
    },
    "hide_payloads": {
        "description": "Leave the payloads of tasks out of logs, errors and the command line.",
        "version_added": "0.2.0",
        "type": "boolean",
        "example": None,
        "default": "False",
    },
}


def period_modules_from(text: str) -> tuple[str, ...]:
    """The modules of ``custom_period_modules``.

    :raises InvalidConfiguration: an entry is no name of a module.
    """
    modules = tuple(part.strip() for part in text.split(",") if part.strip())
    wrong = [module for module in modules if not all(part.isidentifier() for part in module.split("."))]
    if wrong:
        problem = f"must be names of modules, separated by commas, not {', '.join(map(repr, wrong))}"
        raise InvalidConfiguration([Fault("[sosw] custom_period_modules", problem)])
    return modules


def max_tasks_from(text: str) -> int:
    """The number of ``max_tasks``.

    :raises InvalidConfiguration: it is no whole number of 1 or more.
    """
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()) or int(text) < 1:
        problem = f"must be a whole number, 1 or more, not {text[:40]!r}"
        raise InvalidConfiguration([Fault("[sosw] max_tasks", problem)])
    return int(text)
