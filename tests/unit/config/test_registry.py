"""Labourers and job schemas in Variables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sosw_airflow.config.registry import Labourer, job_schema_from, labourers_from
from sosw_airflow.exceptions import InvalidConfiguration, InvalidJobSchema, UnknownJobSchema
from sosw_airflow.jobs import JobSchema

ARN = "arn:aws:lambda:us-west-2:000000000000:function:worker"


def test_labourers() -> None:
    """Upstream's document, as it is."""
    settings = {"arn": ARN, "max_simultaneous_invocations": 10, "health_metrics": {"cpu": {}}}
    assert labourers_from(json.dumps({"worker": settings, "other": {}})) == {
        "worker": Labourer("worker", settings),
        "other": Labourer("other", {}),
    }


def test_the_arn_of_a_labourer() -> None:
    """Where it is configured."""
    assert (Labourer("w", {"arn": ARN}).arn, Labourer("w", {}).arn) == (ARN, None)


@pytest.mark.parametrize("text", [None, "", "  \n", "{}"])
def test_no_labourers(text: str | None) -> None:
    """Without the Variable none is registered."""
    assert labourers_from(text) == {}


def test_variables_that_are_objects() -> None:
    """A file of secrets gives the object itself instead of its text."""
    assert labourers_from({"worker": {"arn": ARN}}) == {"worker": Labourer("worker", {"arn": ARN})}
    assert job_schema_from({"shop": {"chunkable_attrs": ["store"]}}, "shop") == JobSchema(("store",))


def test_an_arn_that_is_no_text() -> None:
    """Its place is named."""
    with pytest.raises(InvalidConfiguration, match="Variable sosw_labourers.worker.arn: must be text, not 5"):
        labourers_from('{"worker": {"arn": 5}}')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "Variable sosw_labourers: is nested more than 100 levels deep"),
        ('{"w": {"a": NaN}}', "Variable sosw_labourers.w.a: is nan, which JSON does not know"),
        ('{"w": {"a": 1, "a": 2}}', "Variable sosw_labourers.w.a: occurs twice in the text"),
        ('{"w": {}, "w": {}}', "Variable sosw_labourers.w: occurs twice in the text"),
        ('{"w": {"a": "\\udfff"}}', "Variable sosw_labourers.w.a: is the text .* which UTF-8 cannot hold"),
        ('{"w": {"a": %s}}' % ("1" * 4301), "Variable sosw_labourers.w.a: is an integer of more than 4,300 digits"),
    ],
)
def test_labourers_that_are_not_wholly_json(text: str, problem: str) -> None:
    """Variables pass the same gate as jobs."""
    with pytest.raises(InvalidConfiguration, match=problem):
        labourers_from(text)


@pytest.mark.parametrize("text", ["{", "worker", "{'worker': {}}"])
def test_labourers_that_are_no_json(text: str) -> None:
    """The Variable is named, and where the text breaks off."""
    with pytest.raises(InvalidConfiguration, match=r"Variable sosw_labourers: is not valid JSON \(.* line 1 column"):
        labourers_from(text)


@pytest.mark.parametrize("text", ["[]", '["worker"]', '"worker"', "5", "null"])
def test_labourers_that_are_no_object(text: str) -> None:
    """The form is told."""
    with pytest.raises(InvalidConfiguration, match=r"must be an object of the form \{labourer_id: \{settings\}\}"):
        labourers_from(text)


def test_labourers_without_settings() -> None:
    """Each of them is named."""
    with pytest.raises(InvalidConfiguration) as refused:
        labourers_from(json.dumps({"a": ARN, "b": {}, "c": None}))
    assert [fault.path for fault in refused.value.faults] == ["Variable sosw_labourers.a", "Variable sosw_labourers.c"]


@pytest.mark.parametrize(
    "variant",
    [{"chunkable_attrs": ["section", "store"]}, {"chunkable_attrs": [["section", {}], ["store", {"x": 1}]]}],
    ids=["names", "upstream"],
)
def test_a_job_schema(variant: dict[str, Any]) -> None:
    """In our form and in upstream's."""
    text = json.dumps({"default": {"chunkable_attrs": []}, "shop": variant})
    assert job_schema_from(text, "shop") == JobSchema(("section", "store"))


def test_an_unknown_job_schema() -> None:
    """The known ones are listed."""
    with pytest.raises(UnknownJobSchema, match="'shops' is not known. Variants in the Variable sosw_job_schemas: a, b"):
        job_schema_from('{"b": {}, "a": {}}', "shops")


def test_no_job_schemas() -> None:
    """It is told that the Variable is empty."""
    with pytest.raises(UnknownJobSchema, match="The Variable sosw_job_schemas is empty"):
        job_schema_from(None, "default")


def test_a_job_schema_with_faults() -> None:
    """Each has its place in the Variable."""
    with pytest.raises(InvalidJobSchema) as refused:
        job_schema_from('{"shop": {"chunkable_attrs": ["sections", "store", "store"]}}', "shop")
    assert [fault.path for fault in refused.value.faults] == [
        "Variable sosw_job_schemas.shop.chunkable_attrs[0]",
        "Variable sosw_job_schemas.shop.chunkable_attrs[2]",
    ]


@pytest.mark.parametrize("variant", ["section", ["section"], None])
def test_a_job_schema_that_is_no_object(variant: object) -> None:
    """The variant is named."""
    with pytest.raises(InvalidJobSchema, match=r"Variable sosw_job_schemas\.shop: must be a JobSchema or a mapping"):
        job_schema_from(json.dumps({"shop": variant}), "shop")


def test_faults_of_a_variant_that_is_not_asked_for() -> None:
    """Do not matter."""
    assert job_schema_from('{"bad": 5, "good": {}}', "good") == JobSchema()


def test_job_schemas_that_are_no_json() -> None:
    """The Variable is named."""
    with pytest.raises(InvalidConfiguration, match=r"Variable sosw_job_schemas: is not valid JSON"):
        job_schema_from("{", "default")
