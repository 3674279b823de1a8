"""Texts that a template has made of a Python object, as the values of a chunkable attribute."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from sosw_airflow.exceptions import Fault, InvalidJob
from sosw_airflow.jobs import Expansion

SCHEMA = {"chunkable_attrs": ["word"]}
NESTED = {"chunkable_attrs": ["topic", "word"]}
DAY = date(2026, 3, 2)


def faults_of(job: dict[str, Any], schema: Any = SCHEMA) -> list[Fault]:
    """The faults with which a job is refused."""
    with pytest.raises(InvalidJob) as refused:
        Expansion(job, schema=schema, reference_date=DAY)
    return list(refused.value.faults)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("['a', 'b']", "list"),
        ('["a", "b"]', "list"),
        ("[1, 2]", "list"),
        ("[]", "list"),
        ("[datetime.date(2026, 3, 2)]", None),
        ("['a', datetime.date(2026, 3, 2)]", "list"),
        ("('a', 'b')", "tuple"),
        ("{'a', 'b'}", "set"),
        ("{'a': None}", "dict"),
        ('{"a": null}', "dict"),
        ("LazyXComSelectSequence([2 items])", "object"),
        ("LazyXComSequence(<unevaluated length>)", "object"),
        ("<map object at 0x7f12ab>", "object"),
        ("[abc]", None),
        ("(c)", None),
        ("{a}", None),
        ("plain", None),
    ],
)
def test_a_text_that_reads_as_a_list_is_refused_as_the_values_of_a_chunkable_attribute(
    text: str, kind: str | None
) -> None:
    """It would become one single value. Any other text in brackets is a value."""
    job = {"words": text, "isolate_words": True}
    if kind is None:
        assert [text] == next(iter(Expansion(job, schema=SCHEMA, reference_date=DAY)))["words"]
        return
    (fault,) = faults_of(job)
    assert fault.path == "words"
    assert fault.problem.startswith(f"is a text that reads as a {kind}, and would be one single value")
    assert "| tojson" in fault.problem
    assert f"put it into a list: [{text!r}]" in fault.problem


def test_such_a_text_is_refused_whether_or_not_anything_is_isolated() -> None:
    """The worker would get it as it is."""
    assert [fault.path for fault in faults_of({"words": "['a', 'b']"})] == ["words"]


def test_such_a_text_is_refused_at_every_level_and_in_both_spellings() -> None:
    """Its place is named."""
    job = {"topic": {"cars": {"words": "['a']"}, "food": {"word": '["b"]'}}, "isolate_words": True}
    assert [fault.path for fault in faults_of(job, NESTED)] == ["topic.cars.words", "topic.food.word"]


def test_such_a_text_in_a_list_is_a_value() -> None:
    """So whoever means it can say so."""
    job = {"words": ["['a', 'b']", "None"], "isolate_words": True}
    tasks = list(Expansion(job, schema=SCHEMA, reference_date=DAY))
    assert [task["words"] for task in tasks] == [["['a', 'b']"], ["None"]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("None", 'is the text "None": the template found no value'),
        ("Undefined", 'is the text "Undefined": the template found no value'),
        ("  ", "is an empty text: the template found no value"),
        ("{{ ti.xcom_pull('words') }}", "has a template that was not rendered"),
        ("{% for word in words %}", "has a template that was not rendered"),
    ],
)
def test_a_template_without_a_result_is_refused_as_the_values_of_a_chunkable_attribute(text: str, problem: str) -> None:
    """The message says which it was."""
    (fault,) = faults_of({"words": text, "isolate_words": True})
    assert (fault.path, True) == ("words", fault.problem.startswith(problem))


def test_other_attributes_may_have_any_text() -> None:
    """They are the worker's."""
    job = {"note": "['a']", "other": "{{ x }}", "words": ["a"]}
    assert next(iter(Expansion(job, schema=SCHEMA, reference_date=DAY)))["note"] == "['a']"
