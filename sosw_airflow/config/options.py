"""What the texts of the section ``[sosw]`` of Airflow's configuration mean. The provider info declares the options."""

from __future__ import annotations

import re

from sosw_airflow.exceptions import SHOWN, Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt

__all__ = ["hides_payloads_from", "max_invocations_from", "max_tasks_from", "period_modules_from", "sends_ready_from"]

#: Who makes the bodies of requests, in the words of ``wire``.
_WIRES = ("ready", "botocore")


def period_modules_from(text: str) -> tuple[str, ...]:
    """The modules of ``custom_period_modules``.

    :raises InvalidConfiguration: an entry is no name of a module.
    """
    modules = tuple(part.strip() for part in text.split(",") if part.strip())
    wrong = [module for module in modules if not all(part.isidentifier() for part in module.split("."))]
    if wrong:
        problem = f"must be names of modules, separated by commas, not {', '.join(map(excerpt, wrong[:SHOWN]))}"
        raise InvalidConfiguration([Fault("[sosw] custom_period_modules", problem)])
    return modules


def max_tasks_from(text: str) -> int:
    """The number of ``max_tasks``.

    :raises InvalidConfiguration: it is no whole number of 1 or more.
    """
    return _whole("max_tasks", text)


def max_invocations_from(text: str) -> int:
    """The number of ``max_simultaneous_invocations``.

    :raises InvalidConfiguration: it is no whole number of 1 or more.
    """
    return _whole("max_simultaneous_invocations", text)


def hides_payloads_from(text: str) -> bool:
    """Whether ``hide_payloads`` is on. A text that is neither yes nor no hides: nothing is shown by a typo."""
    return text.strip().lower() not in ("false", "f", "no", "n", "off", "0", "")


def sends_ready_from(text: str) -> bool:
    """Whether ``wire`` is ``ready``.

    :raises InvalidConfiguration: it is neither that nor ``botocore``.
    """
    if text.strip() not in _WIRES:
        problem = f"must be {' or '.join(_WIRES)}, not {excerpt(text)}"
        raise InvalidConfiguration([Fault("[sosw] wire", problem)])
    return text.strip() == "ready"


def _whole(option: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()) or int(text) < 1:
        problem = f"must be a whole number, 1 or more, not {excerpt(text)}"
        raise InvalidConfiguration([Fault(f"[sosw] {option}", problem)])
    return int(text)
