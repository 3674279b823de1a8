"""Airflow's masker hides the secrets of Connections and Variables in the texts of this provider."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import sosw_airflow.hooks.sosw  # noqa: F401 - it installs Airflow's masker
from sosw_airflow import _compat
from sosw_airflow.jobs import redaction
from sosw_airflow.stores.closed_tasks import ClosedTask, End

SECRET = 'pä"ss\\wörd of a Connection'


@pytest.fixture
def known() -> Iterator[None]:
    """A secret that Airflow knows, as it does after it has read a Connection."""
    # After 3.0; 3.0; before.
    for place in ("sdk._shared", "sdk.execution_time", "utils.log"):
        with suppress(ImportError):
            masker = importlib.import_module(f"airflow.{place}.secrets_masker")._secrets_masker()
            break
    patterns, replacer = set(masker.patterns), masker.replacer
    masker.patterns.add(re.escape(SECRET))
    masker.replacer = re.compile("|".join(masker.patterns))
    redaction.install(_compat.redact)
    yield
    masker.patterns, masker.replacer = patterns, replacer


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "payload",
    [
        {"a": SECRET},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": [SECRET]}}}}}}},
        {"a": f"{'x' * 265}{SECRET}"},
        {"password": "of nobody's Connection"},
    ],
    ids=["value", "deep", "cut", "name"],
)
def test_a_failed_task_hides_secrets(payload: dict[str, Any]) -> None:
    """In `JobFailed`, its log and `status`."""
    text = str(ClosedTask("t", End.FAILED, 1, payload))
    assert "***" in text
    assert not any(part in text for part in ("wörd", "w\\u00f6rd", "p\\u00e4", "nobody's"))


def test_other_values_stay(known: None) -> None:
    """A failed task is recognised by them."""
    payload = {"section": "a", "numbers": [1, 2.5, None, True]}
    assert str(ClosedTask("t", End.FAILED, 1, payload)) == f"t (1 attempt): {json.dumps(payload)}"


def test_the_error_of_a_failed_task_is_masked(known: None) -> None:
    """What a function says may quote what it was given."""
    text = str(ClosedTask("t", End.FAILED, 2, {}, f"ValueError: {SECRET} was refused"))
    assert text == "t (2 attempts): ValueError: *** was refused; {}"
