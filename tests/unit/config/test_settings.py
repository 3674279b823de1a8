"""The extras of a sosw Connection."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pytest

from sosw_airflow.config.settings import SoswSettings
from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.stores.tables import TableNames

DEFAULTS = {
    "queue_bucket": "b",
    "s3_prefix": "sosw/scheduler",
    "aws_conn_id": "aws_default",
    "region_name": None,
    "endpoint_url": None,
    "tasks_table": "sosw_tasks",
    "index_greenfield": "sosw_tasks_greenfield",
    "closed_tasks_table": "sosw_closed_tasks",
    "closed_tasks_index": "labourer_task_status_with_time",
    "retry_tasks_table": "sosw_retry_tasks",
    "jobs_table": "sosw_jobs",
    "meta_table": None,
    "max_rows_per_second": None,
    "lambda_payload_limit": 1_048_576,
    "namespace": "",
}


def of(**extra: Any) -> SoswSettings:
    """The settings of these extras and a bucket."""
    return SoswSettings.of({"queue_bucket": "b", **extra}, conn_id="sosw_default")


def faults(**extra: Any) -> dict[str, str]:
    """Path and problem of all that is refused."""
    with pytest.raises(InvalidConfiguration) as refused:
        SoswSettings.of(extra, conn_id="sosw_eu")
    return {fault.path: fault.problem for fault in refused.value.faults}


def test_the_defaults_are_sosws_names() -> None:
    """Only the bucket has to be given."""
    assert asdict(of()) == DEFAULTS


def test_everything_can_be_set() -> None:
    """Each setting by its own name."""
    extra: dict[str, Any] = {name: f"our_{name}" for name in DEFAULTS}
    extra.update(max_rows_per_second=12.5, lambda_payload_limit=262_144)
    assert asdict(SoswSettings.of(extra, conn_id="c")) == extra


def test_no_bucket() -> None:
    """The Connection and the extra are named."""
    assert faults() == {"Connection sosw_eu, extra queue_bucket": "is missing"}


@pytest.mark.parametrize("value", [None, "", "  "])
@pytest.mark.parametrize("name", [each.name for each in fields(SoswSettings) if each.name != "queue_bucket"])
def test_empty_is_the_default(name: str, value: str | None) -> None:
    """As forms leave it; for the AWS Connection empty means boto3's own search."""
    expected = "" if name == "aws_conn_id" else DEFAULTS[name]
    assert getattr(of(**{name: value}), name) == expected


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_empty_bucket_is_none(value: str | None) -> None:
    """It is missing."""
    assert list(faults(queue_bucket=value).values()) == ["is missing"]


def test_spaces_around_a_name() -> None:
    """Are taken off: they come from pasting."""
    assert (of(tasks_table=" t\n").tasks_table, of(queue_bucket=" b ").queue_bucket) == ("t", "b")


@pytest.mark.parametrize("value", [5, True, ["sosw_tasks"], {"name": "sosw_tasks"}], ids=repr)
def test_a_name_that_is_no_text(value: object) -> None:
    """The value is shown."""
    assert faults(queue_bucket="b", tasks_table=value) == {
        "Connection sosw_eu, extra tasks_table": f"must be text, not {value!r}"
    }


@pytest.mark.parametrize("value", [20, 20.0, "20", " 20 "])
@pytest.mark.parametrize("name", ["max_rows_per_second", "lambda_payload_limit"])
def test_numbers(name: str, value: object) -> None:
    """As numbers or as text, as forms give them."""
    assert getattr(of(**{name: value}), name) == 20


@pytest.mark.parametrize("value", [0, -1, "many", "nan", "inf", [], True], ids=repr)
@pytest.mark.parametrize("name", ["max_rows_per_second", "lambda_payload_limit"])
def test_numbers_that_are_none(name: str, value: object) -> None:
    """The value is shown."""
    assert faults(queue_bucket="b", **{name: value}) == {
        f"Connection sosw_eu, extra {name}": f"must be a positive number, not {value!r}"
    }


def test_a_rate_may_be_slow() -> None:
    """Less than one row a second is a rate, but no size."""
    assert of(max_rows_per_second=0.5).max_rows_per_second == 0.5
    assert len(faults(queue_bucket="b", lambda_payload_limit=0.5)) == 1


@pytest.mark.parametrize(
    ("name", "meant"), [("queue_buckt", "queue_bucket"), ("task_table", "tasks_table"), ("region", "region_name")]
)
def test_a_misspelt_setting(name: str, meant: str) -> None:
    """It would be without effect: what is meant is told."""
    problems = faults(**{"queue_bucket": "b", name: "x"} if meant != "queue_bucket" else {name: "x"})
    assert problems[f"Connection sosw_eu, extra {name}"] == f"is not a setting; {meant!r} is meant"


def test_what_others_keep_in_the_extras() -> None:
    """Names that are like none of ours are passed over, and their values are shown nowhere."""
    assert "s3cr3t" not in repr(of(team="data", note="s3cr3t"))


def test_all_faults_at_once() -> None:
    """One look is enough to mend a Connection."""
    assert len(faults(tasks_table=1, jobs_table=2, max_rows_per_second="x", endpoint="http://x")) == 5


def test_table_names() -> None:
    """The stores get the names that they know."""
    own = {each.name: f"our_{each.name}" for each in fields(TableNames) if each.name != "retry_tasks_index"}
    assert of(**own).table_names() == TableNames(**own)
