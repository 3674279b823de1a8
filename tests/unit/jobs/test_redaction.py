"""Secrets in what leaves towards a log, an error, a record or a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from sosw_airflow.exceptions import TaskTooLarge
from sosw_airflow.jobs import redaction
from sosw_airflow.jobs.event import parse_event
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import outline
from sosw_airflow.jobs.planning import WritingTerms, plan_job
from sosw_airflow.jobs.redaction import is_secret_name, redacted, without_secrets
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.schema import JobSchema
from sosw_airflow.stores.closed_tasks import ClosedTask, End

#: A text that JSON escapes, so that a masker of log lines would not know it again.
SECRET = 'pä"ss\\wörd'
TODAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def masker() -> Iterator[Callable[[Callable[[Any], Any] | None], None]]:
    """Installs a masker for one test; none at its beginning."""
    redaction.install(None)
    yield redaction.install
    redaction.install(None)


def mask(value: Any) -> Any:
    """A masker that knows the secret itself, as Airflow's does."""
    if isinstance(value, dict):
        return {name: mask(below) for name, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(below) for below in value]
    return value.replace(SECRET, "***") if isinstance(value, str) else value


@pytest.mark.parametrize("name", ["password", "API-Key", "db_PASSWD", "aws_secret_access_key", "authToken", "apiKey"])
def test_names_of_secrets(name: str) -> None:
    """In any spelling that is usual."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["section", "keyword", "pass", "author", ""])
def test_names_of_other_attributes(name: str) -> None:
    """They stay in clear."""
    assert not is_secret_name(name)


def test_without_a_masker_the_names_decide() -> None:
    """At any depth; the shape and what is no text stay."""
    job = {"a": [{"password": {"x": ["y", 5, None]}, "b": "c"}], "token": "t", "words": ("d",)}
    assert redacted(job) == {"a": [{"password": {"x": ["***", 5, None]}, "b": "c"}], "token": "***", "words": ["d"]}


def test_what_is_redacted_stays_as_it_is() -> None:
    """A copy is made: the worker gets the payload with its secrets."""
    job = {"a": {"password": "x"}}
    redacted(job)
    assert job == {"a": {"password": "x"}}


def _too_large(task: dict[str, Any]) -> str:
    with pytest.raises(TaskTooLarge) as raised:
        LineCodec("worker", lambda_payload_limit=1000).line({**task, "z": "x" * 2000}, 0)
    return str(raised.value)


PLACES: dict[str, Callable[[dict[str, Any]], str]] = {
    "a closed task": lambda task: str(ClosedTask("t", End.FAILED, 1, task)),
    "a task that is too large": _too_large,
    "the outline of a record": lambda task: json.dumps(outline(task, JobSchema.of({"chunkable_attrs": []}), TODAY)),
    "an excerpt": excerpt,
    "a plan": lambda task: json.dumps(_plan(task)),
}


def _plan(task: dict[str, Any]) -> dict[str, Any]:
    expansion = Expansion(
        parse_event({**task, "lambda_name": "worker", "isolate_words": True, "words": [SECRET, "b"]}),
        schema=JobSchema.of({"chunkable_attrs": ["word"]}),
        reference_date=TODAY,
    )
    return plan_job(expansion, labourer_id="worker", reference_date=TODAY, terms=WritingTerms(), samples=3).as_dict()


def shown(secret: str, text: str) -> bool:
    """Whether a text has the secret, in clear or as JSON or Python write it, or a part of it."""
    return any(part in text for part in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], "wörd", "w\\u00f6rd"))


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_that_the_masker_knows(place: str, masker: Callable[[Callable[[Any], Any]], None]) -> None:
    """However deep it is, and whatever its attribute is called."""
    masker(mask)
    text = PLACES[place]({"a": SECRET, "b": {"c": [{"d": SECRET}]}, "e": f"{'x' * 265}{SECRET}"})
    assert not shown(SECRET, text)


@pytest.mark.parametrize(
    "place", ["a closed task", "a task that is too large", "the outline of a record", "an excerpt"]
)
def test_an_attribute_whose_name_says_it(place: str) -> None:
    """Also without Airflow."""
    text = PLACES[place]({"api_key": SECRET, "b": {"password": [SECRET]}})
    assert not shown(SECRET, text)
    assert "***" in text


def test_the_payload_of_a_worker_keeps_its_secrets(masker: Callable[[Callable[[Any], Any]], None]) -> None:
    """They are what it needs."""
    masker(mask)
    codec = LineCodec("worker")
    assert json.loads(codec.payload(codec.line({"password": SECRET}, 0))) == {"password": SECRET}


def test_a_document_without_its_secrets() -> None:
    """Each is named; an empty text and a number are none."""
    left_out: list[str] = []
    document = {
        "arn": "a",
        "api_key": "x",
        "max_tokens": 5,
        "password": "",
        "env": [{"SECRET": ["x"], "B": 1}],
        "token": {"nested": {"deep": "x"}},
    }
    kept = without_secrets(document, "labourers.a", left_out)
    assert kept == {"arn": "a", "max_tokens": 5, "password": "", "env": [{"B": 1}]}
    assert left_out == ["labourers.a.api_key", "labourers.a.env[0].SECRET", "labourers.a.token"]


def test_an_excerpt_knows_the_name_of_its_attribute() -> None:
    """Whatever the value's type is; the name of an outer attribute counts for what is below it."""
    assert excerpt(SECRET, name="password") == "'***'"
    assert excerpt({"b": [SECRET]}, name="password") == "{'b': ['***']}"


def test_an_excerpt_masks_before_it_cuts(masker: Callable[[Callable[[Any], Any]], None]) -> None:
    """A secret that begins within the sixty characters and ends behind them."""
    masker(mask)
    assert not shown(SECRET, excerpt(f"{'x' * 50}{SECRET}"))


def test_payloads_are_hidden_if_the_configuration_says_so() -> None:
    """The text of a failed task keeps its id, its attempts and its error."""
    redaction.install(None, hides_payloads=lambda: True)
    task = ClosedTask("t", End.FAILED, 2, {"section": "confidential"}, "ValueError: no")
    assert str(task) == "t (2 attempts): ValueError: no; its payload is hidden by [sosw] hide_payloads"


def test_a_task_that_is_too_large_is_named_without_its_payload() -> None:
    """Its size and its largest attribute say what to cut."""
    redaction.install(None, hides_payloads=lambda: True)
    text = _too_large({"section": "confidential"})
    assert "confidential" not in text
    assert redaction.HIDDEN_PAYLOAD in text
