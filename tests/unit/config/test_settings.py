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
    "server_side_encryption": None,
    "kms_key_id": None,
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
    extra.update(max_rows_per_second=12.5, lambda_payload_limit=262_144, server_side_encryption="aws:kms")
    extra.update(region_name="eu-central-1", endpoint_url="https://s3.example.com:4566")
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
    """Names that are like none of ours are ignored, and their values are shown nowhere."""
    assert "s3cr3t" not in repr(of(team="data", note="s3cr3t"))


def test_an_extra_without_effect() -> None:
    """A sentence says so and names the nearest setting, without the value."""
    ignored = list(SoswSettings.ignored({"queue_bucket": "b", "kms": "s3cr3t", "zzz": 1}, conn_id="sosw_eu"))
    assert ignored == [
        "Connection sosw_eu, extra kms: is not a setting and has no effect. The nearest setting is 'kms_key_id'.",
        "Connection sosw_eu, extra zzz: is not a setting and has no effect.",
    ]


# -- AWS's rules -------------------------------------------------------------------------------------------------------

POINT = "arn:aws:s3:us-west-2:123456789012:accesspoint/queues"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue_bucket", "my-bucket.2"),
        ("queue_bucket", "Legacy_Bucket"),
        ("queue_bucket", POINT),
        ("queue_bucket", "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/queues"),
        ("s3_prefix", "/a/b c/é/"),
        ("region_name", "us-gov-west-1"),
        ("region_name", "auto"),
        ("endpoint_url", "http://localhost:4566"),
        ("endpoint_url", "https://[::1]:4566/path"),
        ("endpoint_url", "https://vpce-1.s3.us-west-2.vpce.amazonaws.com"),
        ("jobs_table", "my.jobs-1_a"),
        ("jobs_table", "arn:aws:dynamodb:us-west-2:123456789012:table/jobs"),
    ],
)
def test_a_value_that_aws_takes(name: str, value: str) -> None:
    """It stays as it is."""
    assert getattr(of(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("queue_bucket", "my bucket", "must consist of letters"),
        ("queue_bucket", "s3://my-bucket", "must be the name of the bucket alone"),
        ("queue_bucket", "my-bucket/folder", "must be the name of the bucket alone"),
        ("queue_bucket", "arn:aws:s3:::my-bucket", "must be the name of a bucket or the ARN of an access point"),
        ("queue_bucket", "b" * 256, "must consist of letters"),
        ("s3_prefix", "s3://bucket/x", "must be the prefix alone"),
        ("s3_prefix", "a/../b", "must have no part"),
        ("s3_prefix", "a\x00b", "must have no control characters"),
        ("s3_prefix", "é" * 451, "must have at most 900 bytes, not 902"),
        ("region_name", "us west", "must be a region such as"),
        ("region_name", "us-west-2/", "must be a region such as"),
        ("endpoint_url", "localhost:4566", "must be http://HOST"),
        ("endpoint_url", "http://[::1", "must be http://HOST"),
        ("endpoint_url", "http://", "must be http://HOST"),
        ("endpoint_url", "http://a b", "must be http://HOST"),
        ("endpoint_url", "http://h:99999", "must be http://HOST"),
        ("endpoint_url", "ftp://h", "must be http://HOST"),
        ("jobs_table", "my jobs", "must consist of letters"),
        ("index_greenfield", "a/b", "must consist of letters"),
        ("server_side_encryption", "kms", "must be 'AES256' or 'aws:kms' or 'aws:kms:dsse', not 'kms'"),
        ("kms_key_id", "k", "needs server_side_encryption 'aws:kms'"),
    ],
)
def test_a_value_that_aws_refuses(name: str, value: str, problem: str) -> None:
    """It is refused when the settings are read, by its name, instead of by the first request."""
    ((path, text),) = faults(**{"queue_bucket": "b", name: value}).items()
    assert path == f"Connection sosw_eu, extra {name}"
    assert text.startswith(problem)


def test_an_endpoint_with_a_password() -> None:
    """It is not shown."""
    assert "s3cr3t" not in str(faults(queue_bucket="b", endpoint_url="ftp://me:s3cr3t@host"))


@pytest.mark.parametrize(
    ("extra", "name", "other"),
    [
        ({"jobs_table": "sosw_tasks"}, "jobs_table", "tasks_table"),
        ({"meta_table": "m", "closed_tasks_table": "m"}, "meta_table", "closed_tasks_table"),
    ],
)
def test_one_table_for_two_things(extra: dict[str, str], name: str, other: str) -> None:
    """Both settings are named."""
    (problem,) = faults(queue_bucket="b", **extra).items()
    assert problem[0] == f"Connection sosw_eu, extra {name}"
    assert problem[1].startswith(f"must be another table than {other}")


def test_indexes_of_two_tables_may_have_one_name() -> None:
    """An index belongs to its table."""
    assert of(index_greenfield="i", closed_tasks_index="i").closed_tasks_index == "i"


def test_all_faults_at_once() -> None:
    """One reading is enough to fix a Connection."""
    assert len(faults(tasks_table=1, jobs_table=2, max_rows_per_second="x", endpoint="http://x")) == 5


def test_table_names() -> None:
    """The stores get the names that they know."""
    own = {each.name: f"our_{each.name}" for each in fields(TableNames) if each.name != "retry_tasks_index"}
    assert of(**own).table_names() == TableNames(**own)
