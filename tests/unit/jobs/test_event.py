"""What users give as a job (sosw rules 1.1 and 1.2)."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import Fault, InvalidJob
from sosw_airflow.jobs import JobRequest, function_name, parse_event
from tests.unit.jobs.strategies import tasks_without_payload

JOB = {"topics": ["cars"], "isolate_topics": True}

#: Names that Lambda allows.
function_names = st.text("abcXYZ019-_", min_size=1, max_size=20)


def faults_of(event: Any) -> list[Fault]:
    """The faults with which an event is refused."""
    with pytest.raises(InvalidJob) as refused:
        parse_event(event)
    return list(refused.value.faults)


@pytest.mark.parametrize(
    "event",
    [
        JOB,
        json.dumps(JOB),
        json.dumps(JOB).encode(),
        bytearray(json.dumps(JOB).encode()),
        MappingProxyType(JOB),
        {"job": JOB},
        {"job": json.dumps(JOB)},
        json.dumps({"job": JOB}),
        json.dumps({"job": json.dumps(JOB)}),
        {"job": JOB, "period": "yesterday", "lambda_name": "somebody_else"},
    ],
)
def test_every_form_of_an_event_gives_the_same_job(event: Any) -> None:
    """A mapping, JSON text or bytes, alone or under `job`; what stands beside `job` is ignored."""
    assert JobRequest(JOB, None, None) == parse_event(event)


def test_an_attribute_named_job_inside_the_job_is_plain_data() -> None:
    """Only the outermost `job` is the event's."""
    assert {"job": "clerk"} == parse_event({"job": {"job": "clerk"}}).job


def test_lambda_name_is_taken_out() -> None:
    """The labourer's id is no attribute of the worker's tasks."""
    assert JobRequest({"a": 1}, "puller", None) == parse_event({"lambda_name": "puller", "a": 1})


@pytest.mark.parametrize("absent", [{}, {"lambda_name": None}])
def test_a_job_need_not_name_its_labourer(absent: dict[str, Any]) -> None:
    """The operator may name it instead."""
    assert parse_event({"a": 1, **absent}).lambda_name is None


def test_job_schema_name_is_told_and_stays() -> None:
    """Upstream leaves it in the payload."""
    assert JobRequest({"job_schema_name": "retail"}, None, "retail") == parse_event({"job_schema_name": "retail"})


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_schema_name_is_none(empty: Any) -> None:
    """As upstream has it, where the default variant applies then."""
    assert parse_event({"job_schema_name": empty}).schema_name is None


def test_a_job_may_be_a_labourer_alone() -> None:
    """Upstream schedules one task with an empty payload: a mere trigger."""
    assert JobRequest({}, "puller", None) == parse_event({"lambda_name": "puller"})


@given(tasks_without_payload)
def test_text_and_mapping_are_read_alike(job: dict[str, Any]) -> None:
    """Any JSON job is the same as text and as a mapping, in the same order."""
    event = {"job": {**job, "marker": 1}}
    text, mapping = parse_event(json.dumps(event)).job, parse_event(event).job
    assert list(mapping.items()) == list(text.items())


def test_the_event_is_not_changed() -> None:
    """What the caller gave stays as it was."""
    event = {"job": {"lambda_name": "puller", "a": [1]}}
    parse_event(event).job["b"] = 2
    assert {"job": {"lambda_name": "puller", "a": [1]}} == event


@pytest.mark.parametrize("empty", [{}, "{}", {"job": {}}, {"job": "{}"}])
def test_an_empty_job_is_refused(empty: Any) -> None:
    """There would be nothing to work on."""
    assert [Fault("", "the job is empty: give it at least one attribute for the worker")] == faults_of(empty)


@pytest.mark.parametrize(
    ("event", "path", "problem"),
    [
        ('{"a": }', "", "the job is not valid JSON (Expecting value: line 1 column 7 (char 6))"),
        ({"job": "{'a': 1}"}, "job", "is the text of a Python dict, not JSON: a template makes such text of an object"),
        ("{'day': datetime.date(2026, 3, 2)}", "", "the job is the text of a Python dict, not JSON"),
        ("LazyXComSequence([3 items])", "", "the job is the text of a Python object, not JSON"),
        ("<generator object job at 0x7f0>", "", "the job is the text of a Python object, not JSON"),
        ("None", "", 'the job is the text "None": the template found no value'),
        (" ", "", "the job is an empty text: the template found no value"),
        ("{{ dag_run.conf['job'] }}", "", "the job has a template that was not rendered"),
        ('{"words": {{ words }}}', "", "the job has a template that was not rendered"),
        (b"\xff", "", "the job is not valid JSON ("),
        ("[" * 100_000, "", "the job is nested more than 100 levels deep"),
        ("[1]", "", "the job must be an object (a dict, or its JSON), not list"),
        (7, "", "the job must be an object (a dict, or its JSON), not int"),
        (None, "", "the job must be an object (a dict, or its JSON), not NoneType"),
        ({"job": ["a"]}, "job", "must be an object (a dict, or its JSON), not list"),
        ({"job": None}, "job", "must be an object (a dict, or its JSON), not NoneType"),
    ],
)
def test_what_is_no_job_is_refused(event: Any, path: str, problem: str) -> None:
    """The message says where it is wrong and how."""
    (fault,) = faults_of(event)
    assert (path, True) == (fault.path, fault.problem.startswith(problem))


def test_all_names_are_checked_at_once() -> None:
    """Two wrong names, two faults."""
    found = faults_of({"lambda_name": ["puller"], "job_schema_name": 7})
    assert ["lambda_name", "job_schema_name"] == [fault.path for fault in found]


@pytest.mark.parametrize("blank", ["", "  ", 7, {}])
def test_a_lambda_name_must_be_a_name(blank: Any) -> None:
    """Blank text or another type is refused."""
    (fault,) = faults_of({"lambda_name": blank, "a": 1})
    assert Fault("lambda_name", f"must be the name or the ARN of a Lambda function, not {blank!r}") == fault


@given(
    name=function_names,
    partition=st.sampled_from(["aws", "aws-cn", "aws-us-gov", "aws-iso"]),
    region=st.sampled_from(["us-west-2", "cn-north-1", "us-gov-east-1"]),
    qualifier=st.sampled_from(["", ":12", ":$LATEST", ":live"]),
)
def test_an_arn_names_its_function(name: str, partition: str, region: str, qualifier: str) -> None:
    """ARNs of every partition, with or without version or alias, lead to the function's name."""
    assert name == function_name(f"arn:{partition}:lambda:{region}:123456789012:function:{name}{qualifier}")


@given(name=function_names, qualifier=st.sampled_from(["", ":12", ":$LATEST", ":live"]))
def test_a_name_is_itself(name: str, qualifier: str) -> None:
    """A name may carry a version or an alias, as Lambda allows."""
    assert name == function_name(f"{name}{qualifier}")


@pytest.mark.parametrize(
    "partial", ["123456789012:function:puller", "123456789012:puller", " puller ", "123456789012:function:puller:3"]
)
def test_partial_arns_and_blanks(partial: str) -> None:
    """Lambda's partial ARNs are read as well; blanks around it do not count."""
    assert "puller" == function_name(partial)


def test_the_text_of_a_python_object_is_refused_with_the_three_ways_out() -> None:
    """A template, a rendered native object, an XComArg."""
    (fault,) = faults_of(str({"period": "yesterday", "words": ["a"]}))
    assert all(way in fault.problem for way in ("| tojson", "render_template_as_native_obj=True", "XComArg"))


def test_only_the_key_that_occurs_twice_is_named() -> None:
    """Not its neighbours."""
    assert [fault.path for fault in faults_of('{"a": 1, "sections": ["x"], "sections": ["y"], "b": 2}')] == ["sections"]
