"""One specification for each difference from sosw 0.7.51 that we want: what upstream does, and what happens here.

The numbers are those of the list of differences; the gate and the dates come first.
"""

from __future__ import annotations

import datetime as dt
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sosw_airflow.config.upstream import from_upstream
from sosw_airflow.exceptions import InvalidJob, TaskTooLarge
from sosw_airflow.jobs import JobSchema, JobWarning, expand
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleRequest
from sosw_airflow.stores.deployment import Deployment
from tests.conftest import Aws
from tests.support.upstream.components import Upstream, upstream
from tests.support.upstream.scheduler import plural_first, singular_first, upstream_lines, upstream_rows
from tests.unit.config.documented import SCHEDULER_CONFIG

# isort: split
from sosw.scheduler import Scheduler

TODAY = dt.date(2026, 11, 23)  # a Monday
SECTIONS = ("section",)
STORES = ("section", "store")
PRODUCTS = ("section", "store", "product")


def theirs(job: dict[str, Any], attrs: tuple[str, ...], *, spellings: Any = None) -> list[dict[str, Any]]:
    """Upstream's tasks, without the labourer."""
    rows = upstream_rows(job, {"chunkable_attrs": attrs}, TODAY, spellings=spellings)
    return [{key: value for key, value in row.items() if key != "labourer_id"} for row in rows]


def ours(job: dict[str, Any], attrs: tuple[str, ...], **schema: Any) -> list[dict[str, Any]]:
    """Our tasks."""
    return list(expand(job, schema={"chunkable_attrs": attrs, **schema}, reference_date=TODAY))


def refusal(job: dict[str, Any], attrs: tuple[str, ...]) -> list[str]:
    """The paths of the faults for which we refuse the job."""
    with pytest.raises(InvalidJob) as refused:
        ours(job, attrs)
    return [fault.path for fault in refused.value.faults]


@pytest.fixture
def sosw(aws: Aws) -> Any:
    """sosw's components on an account with our tables; their schema is `PRODUCTS`."""
    with upstream(aws) as components:
        yield components


@pytest.fixture
def schedule(aws: Aws) -> Callable[[dict[str, Any]], None]:
    """A function that schedules a job of ours into the same account."""
    once = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))

    def run(job: dict[str, Any]) -> None:
        deployment = Deployment(
            dynamodb=aws.dynamodb,
            dynamodb_once=once,
            s3=aws.s3,
            tables=aws.names,
            queue_bucket=aws.bucket,
            s3_prefix="sosw/scheduler",
            now=time.time,
        )
        request = ScheduleRequest(
            identity=JobIdentity("dag", "run", "task", -1, 0, "worker"),
            expansion=Expansion(job, schema={"chunkable_attrs": PRODUCTS}, reference_date=TODAY),
            reference_date=TODAY,
        )
        JobScheduler(deployment).schedule(request)

    return run


class TestGate:
    """Where nothing asks for chunking, upstream passes the job on as it is."""

    def test_without_a_flag_the_job_is_one_task_raw(self) -> None:
        """Both leave the period raw; here the author is warned."""
        job = {"sections": {"a": None}, "period": "yesterday"}
        with pytest.warns(JobWarning, match="reaches the worker raw"):
            assert ours(job, SECTIONS) == [job]
        assert theirs(job, SECTIONS) == [job]

    def test_the_labourer_comes_first_in_such_a_line_and_last_in_any_other(self) -> None:
        """Upstream's lines, which ours repeat."""
        codec = LineCodec("worker")
        for job, first in (({"x": 1}, True), ({"sections": ["a"], "isolate_sections": True}, False)):
            lines = upstream_lines(job, {"chunkable_attrs": SECTIONS}, TODAY)
            assert lines == [codec.line(task, 0, labourer_first=first) for task in ours(job, SECTIONS)]

    def test_isolated_days_alone_are_enough_here(self) -> None:
        """`isolate_days` without a chunked attribute: raw in upstream, a task for each day here."""
        job = {"sections": {"a": None}, "period": "last_2_days", "isolate_days": True}
        assert theirs(job, SECTIONS) == [job]
        assert ours(job, SECTIONS) == [
            {"sections": {"a": None}, "date_list": ["2026-11-21"]},
            {"sections": {"a": None}, "date_list": ["2026-11-22"]},
        ]

    def test_a_schema_without_chunkable_attributes_expands_dates_here(self) -> None:
        """Upstream dies on the empty schema."""
        job = {"x": 1, "period": "last_2_days"}
        with pytest.raises(IndexError):
            theirs(job, ())
        assert ours(job, ()) == [{"x": 1, "date_list": ["2026-11-21", "2026-11-22"]}]

    def test_a_schema_can_ask_for_dates_always(self) -> None:
        """`"expand_period": "always"` is new; without it the period stays raw, as upstream has it."""
        job = {"sections": {"a": None}, "period": "yesterday"}
        assert ours(job, SECTIONS, expand_period="always") == [{"sections": {"a": None}, "date_list": ["2026-11-22"]}]
        assert theirs(job, SECTIONS) == [job]


class TestDates:
    """Periods."""

    @pytest.mark.parametrize(
        ("period", "meant"), [("todayish", "today"), ("last_3_days_x", "last_3_days"), ("last_weekend", "last_week")]
    )
    def test_patterns_match_as_prefixes(self, period: str, meant: str) -> None:
        """Both accept more than they should; here with a warning that says what it was taken for."""
        job = {"sections": ["a"], "isolate_sections": True, "period": period}
        with pytest.warns(JobWarning, match=f"is read as '{meant}'"):
            assert ours(job, SECTIONS) == theirs({**job, "period": meant}, SECTIONS)
        assert theirs(job, SECTIONS) == theirs({**job, "period": meant}, SECTIONS)

    @pytest.mark.parametrize("period", ["last_0_days", "previous_0_days"])
    def test_a_period_without_dates_is_refused(self, period: str) -> None:
        """Upstream schedules a task with an empty `date_list`."""
        job = {"sections": ["a"], "isolate_sections": True, "period": period}
        assert theirs(job, SECTIONS) == [{"isolate_sections": True, "date_list": [], "sections": ["a"]}]
        assert refusal(job, SECTIONS) == ["period"]

    @pytest.mark.parametrize(
        "period", ["2026-11-01..2026-11-02", {"start": "2026-11-01", "end": "2026-11-02"}], ids=["range", "mapping"]
    )
    def test_explicit_dates_are_new(self, period: Any) -> None:
        """Upstream knows neither form."""
        job = {"sections": ["a"], "isolate_sections": True, "period": period}
        with pytest.raises((ValueError, TypeError)):
            theirs(job, SECTIONS)
        assert [task["date_list"] for task in ours(job, SECTIONS)] == [["2026-11-01", "2026-11-02"]]


class TestD1:
    """A singular key."""

    def test_gives_each_task_once(self) -> None:
        """Upstream gives every task twice, one of the two with the whole singular attribute still in it."""
        job = {"section": ["a", "b"], "isolate_sections": True}
        flags = {"isolate_sections": True}
        assert ours(job, SECTIONS) == [{**flags, "sections": ["a"]}, {**flags, "sections": ["b"]}]
        assert theirs(job, SECTIONS, spellings=singular_first) == [
            {**flags, "sections": ["a"]},
            {**flags, "sections": ["b"]},
            {**flags, "section": ["a", "b"], "sections": ["a"]},
            {**flags, "section": ["a", "b"], "sections": ["b"]},
        ]

    def test_is_the_plural_at_every_level(self) -> None:
        """What comes out is what upstream makes of the same job in the plural."""
        singular = {"section": {"a": {"store": {"x": {"product": [1, 2]}}}}, "isolate_products": True}
        plural = {"sections": {"a": {"stores": {"x": {"products": [1, 2]}}}}, "isolate_products": True}
        assert ours(singular, PRODUCTS) == theirs(plural, PRODUCTS)
        assert len(theirs(singular, PRODUCTS)) == 2**3 * len(ours(singular, PRODUCTS))


class TestD2:
    """Both spellings in one job."""

    def test_are_refused(self) -> None:
        """In upstream the order of the tasks, and whether there are any, depends on the hash seed."""
        job = {"section": ["a"], "sections": ["b"], "isolate_sections": True}
        assert theirs(job, SECTIONS, spellings=plural_first) != theirs(job, SECTIONS, spellings=singular_first)
        assert refusal(job, SECTIONS) == ["section"]

    def test_are_refused_deep_in_the_job(self) -> None:
        """The path says where."""
        job = {"sections": {"a": {"store": ["x"], "stores": ["y"]}}, "isolate_stores": True}
        assert refusal(job, STORES) == ["sections.a.store"]


class TestD3:
    """A flat list at a level above the isolated one."""

    def test_is_passed_on_whole(self) -> None:
        """Upstream dies of an AttributeError; here that branch is not chunked, the others are."""
        job = {"sections": {"a": {"stores": ["x", "y"]}, "b": {"stores": {"z": {"products": [1, 2]}}}}}
        job["isolate_products"] = True  # type: ignore[assignment]
        with pytest.raises(AttributeError):
            theirs(job, PRODUCTS)
        flags = {"isolate_products": True}
        assert ours(job, PRODUCTS) == [
            {**flags, "sections": ["a"], "stores": ["x", "y"]},
            {**flags, "sections": ["b"], "stores": ["z"], "products": [1]},
            {**flags, "sections": ["b"], "stores": ["z"], "products": [2]},
        ]

    def test_at_the_root_leaves_the_job_whole(self) -> None:
        """Nothing is left that could be chunked."""
        job = {"sections": ["a", "b"], "isolate_stores": True}
        with pytest.raises(AttributeError):
            theirs(job, STORES)
        with pytest.warns(JobWarning, match="changes nothing"):
            assert ours(job, STORES) == [job]


class TestD4:
    """An unchunked nested list, or an object of nulls."""

    @pytest.mark.parametrize("stores", [["x", "y"], {"x": None, "y": None}], ids=["list", "object of nulls"])
    def test_keeps_its_siblings(self, stores: Any) -> None:
        """Upstream drops the attributes beside it."""
        job = {"sections": {"a": {"color": "red", "stores": stores, "size": 1}}, "isolate_sections": True}
        flags = {"isolate_sections": True, "sections": ["a"]}
        assert theirs(job, STORES) == [{**flags, "stores": ["x", "y"]}]
        assert ours(job, STORES) == [{**flags, "color": "red", "size": 1, "stores": ["x", "y"]}]


class TestD5:
    """An attribute that is to be isolated and is not there."""

    def test_in_one_branch_leaves_that_branch_a_task(self) -> None:
        """Upstream loses the task of the branch."""
        job = {"sections": {"a": {"stores": ["x"]}, "b": {"color": "red"}}, "isolate_stores": True}
        flags = {"isolate_stores": True}
        of_a = {**flags, "sections": ["a"], "stores": ["x"]}
        assert theirs(job, STORES) == [of_a]
        assert ours(job, STORES) == [of_a, {**flags, "sections": ["b"], "color": "red"}]

    def test_where_it_stands_unchunked_elsewhere_leaves_the_branch_a_task_too(self) -> None:
        """It occurs in the job, if only where nobody asks to chunk it."""
        job = {"sections": {"a": {"stores": ["x", "y"]}, "b": {"isolate_stores": True}}}
        assert theirs(job, STORES) == [{"sections": ["a"], "stores": ["x", "y"]}]
        assert ours(job, STORES) == [
            {"sections": ["a"], "stores": ["x", "y"]},
            {"sections": ["b"], "isolate_stores": True},
        ]

    @pytest.mark.parametrize(
        ("job", "attrs"),
        [
            ({"isolate_sections": True, "x": 1}, SECTIONS),
            ({"isolate_sections": True, "sections": []}, SECTIONS),
            ({"isolate_stores": True, "sections": {"a": {"x": 1}, "b": {"stores": []}}}, STORES),
        ],
        ids=["missing", "empty", "in no branch"],
    )
    def test_anywhere_is_refused(self, job: dict[str, Any], attrs: tuple[str, ...]) -> None:
        """Upstream schedules nothing and says nothing."""
        assert theirs(job, attrs) == []
        assert refusal(job, attrs) == [f"{attrs[-1]}s"]


class TestD6:
    """Batch sizes."""

    @pytest.mark.parametrize("size", [-1, 0, "x", None, 2.5, True, [2]], ids=repr)
    def test_must_be_whole_numbers(self, size: Any) -> None:
        """Upstream ignores them, rounds them, dies of them or loses every task."""
        job = {"sections": ["a", "b"], "isolate_sections": True, "max_sections_per_batch": size}
        assert refusal(job, SECTIONS) == ["max_sections_per_batch"]

    def test_in_upstream_give_nothing_or_a_raw_error(self) -> None:
        """No task at all for -1, a Python error for 0, "x" and None, and 2 for 2.5."""
        job = {"sections": ["a", "b", "c"], "isolate_sections": True}
        assert theirs({**job, "max_sections_per_batch": -1}, SECTIONS) == []
        for size, error in ((0, ValueError), ("x", ValueError), (None, TypeError)):
            with pytest.raises(error):
                theirs({**job, "max_sections_per_batch": size}, SECTIONS)
        assert [row["sections"] for row in theirs({**job, "max_sections_per_batch": 2.5}, SECTIONS)] == [
            ["a", "b"],
            ["c"],
        ]

    def test_may_be_digits(self) -> None:
        """As upstream reads them."""
        job = {"sections": ["a", "b", "c"], "max_sections_per_batch": "2"}
        assert ours(job, SECTIONS) == theirs(job, SECTIONS)

    def test_are_checked_deep_in_the_job(self) -> None:
        """The path says where."""
        job = {"sections": {"a": {"max_stores_per_batch": 0, "stores": ["x"]}}, "isolate_sections": True}
        assert refusal(job, STORES) == ["sections.a.max_stores_per_batch"]


class TestD7:
    """Batch sizes that upstream takes for a batch of one."""

    def test_in_the_singular_are_sizes(self) -> None:
        """`max_section_per_batch`."""
        job = {"sections": ["a", "b", "c"], "max_section_per_batch": 2}
        assert [row["sections"] for row in theirs(job, SECTIONS)] == [["a"], ["b"], ["c"]]
        assert [task["sections"] for task in ours(job, SECTIONS)] == [["a", "b"], ["c"]]

    def test_of_a_million_are_as_given(self) -> None:
        """A million is upstream's mark for no size."""
        job = {"sections": ["a", "b", "c"], "max_sections_per_batch": 1_000_000}
        assert [row["sections"] for row in theirs(job, SECTIONS)] == [["a"], ["b"], ["c"]]
        assert [task["sections"] for task in ours(job, SECTIONS)] == [["a", "b", "c"]]


class TestD8:
    """Configurations that upstream documents and does not bear."""

    def test_the_documented_configuration_works(self, sosw: Upstream) -> None:
        """Upstream's Scheduler cannot even be made with it: `job_schema` is empty there."""
        with pytest.raises(KeyError):
            Scheduler(custom_config=SCHEDULER_CONFIG)
        schema = from_upstream(SCHEDULER_CONFIG).variables["sosw_job_schemas"]["default"]
        assert list(expand({"x": 1}, schema=schema, reference_date=TODAY)) == [{"x": 1}]

    def test_a_job_schema_without_variants_works(self, sosw: Upstream) -> None:
        """Upstream replaces it by its own empty default, and dies of that."""
        config = {"queue_bucket": "b", "job_schema": {"chunkable_attrs": [("section", {})]}}
        config["task_config"] = {"labourers": {"worker": {}}}
        job = {"lambda_name": "worker", "sections": ["a"], "isolate_sections": True}
        with pytest.raises(IndexError):
            Scheduler(custom_config=config)(job)
        assert from_upstream(config).variables["sosw_job_schemas"]["default"] == {"chunkable_attrs": ["section"]}

    def test_an_empty_schema_works(self) -> None:
        """`{}` has no chunkable attributes."""
        with pytest.raises(IndexError):
            theirs({"x": 1}, ())
        assert JobSchema.of({}) == JobSchema()
        assert ours({"x": 1}, ()) == [{"x": 1}]


class TestD9:
    """Attributes of a job with the names of sosw's rows."""

    @pytest.mark.parametrize(
        "name", ["labourer_id", "task_id", "greenfield", "created_at", "attempts", "strict", "labourer", "self"]
    )
    def test_are_refused(self, name: str) -> None:
        """At the root, and inside where they would become attributes of the task."""
        assert refusal({"x": 1, name: 1}, STORES) == [name]
        inside = {"sections": {"a": {"stores": ["x"], name: 1}}, "isolate_stores": True}
        assert refusal(inside, STORES) == [f"sections.a.{name}"]

    def test_are_plain_data_elsewhere(self) -> None:
        """Where nothing becomes an attribute of the task, a name is only a name."""
        job = {"filter": {"task_id": 1}, "isolate_sections": True, "sections": {"task_id": None}}
        assert ours(job, SECTIONS) == theirs(job, SECTIONS)

    def test_in_upstream_override_the_labourer(self) -> None:
        """The row goes to another labourer."""
        assert upstream_rows({"labourer_id": "other"}, {"chunkable_attrs": SECTIONS}, TODAY) == [
            {"labourer_id": "other"}
        ]

    def test_in_upstream_crash_the_scheduler(self, sosw: Upstream) -> None:
        """It dies when it writes the row."""
        for name in ("task_id", "greenfield", "created_at", "labourer", "self"):
            with pytest.raises((ValueError, TypeError)):
                sosw.schedule({"x": 1, name: "y"})

    def test_in_upstream_change_the_row(self, aws: Aws, sosw: Upstream) -> None:
        """With `strict` off a job can set the columns of its row."""
        sosw.schedule({"x": 1, "strict": False, "greenfield": 5, "task_id": "mine"})
        assert [(row["task_id"]["S"], row["greenfield"]["N"]) for row in aws.rows()] == [("mine", "5")]

    def test_a_payload_is_merged_as_upstream_merges_it(self, aws: Aws, sosw: Upstream) -> None:
        """An object becomes attributes of the task, anything else stays an attribute `payload`."""
        for payload in ({"y": 2}, '{"y": 2}', "text", 5, None, [1]):
            job = {"x": 1, "payload": payload}
            sosw.schedule(job)
            (row,) = aws.rows()
            (task,) = ours(job, SECTIONS)
            codec = LineCodec("worker")
            assert codec.payload(codec.line(task, 0)) == row["payload"]["S"]
            aws.dynamodb.delete_item(TableName=aws.names.tasks_table, Key={"task_id": row["task_id"]})

    def test_a_payload_that_cannot_be_merged_is_refused(self, sosw: Upstream) -> None:
        """JSON of something that is no object: upstream dies when it writes the row."""
        for payload in ("[1]", "5", "null"):
            with pytest.raises(ValueError, match="Unexpected `payload`"):
                sosw.schedule({"x": 1, "payload": payload})
            assert refusal({"x": 1, "payload": payload}, SECTIONS) == ["payload"]


class TestD10:
    """A business attribute `file_name`."""

    def test_is_plain_data(self, aws: Aws, sosw: Upstream, schedule: Callable[[dict[str, Any]], None]) -> None:
        """Upstream resumes from that file: it schedules nothing, and deletes the lock of whoever is at work on it."""
        lock = "sosw/scheduler/locked_report.csv"
        aws.s3.put_object(Bucket=aws.bucket, Key=lock, Body=b"")
        sosw.schedule({"x": 1, "file_name": "report.csv"})
        assert (aws.rows(), aws.queue_files()) == ([], {})
        aws.s3.put_object(Bucket=aws.bucket, Key=lock, Body=b"")
        schedule({"x": 1, "file_name": "report.csv"})
        assert [row["payload"]["S"] for row in aws.rows()] == ['{"x": 1, "file_name": "report.csv"}']
        assert aws.queue_files() == {lock: ""}


class TestD11:
    """Rows that are too large."""

    def test_in_upstream_crash_it_in_the_middle(self, aws: Aws, sosw: Upstream) -> None:
        """The first task is written, the rest is not."""
        big = {"sections": {"a": None, "b": {"text": "x" * 410_000}, "c": None}, "isolate_sections": True}
        with pytest.raises(ClientError):
            sosw.schedule(big)
        assert [json.loads(row["payload"]["S"])["sections"] for row in aws.rows()] == [["a"]]

    def test_are_refused_before_anything_is_written(self, aws: Aws, schedule: Callable[[dict[str, Any]], None]) -> None:
        """The error names the task; neither rows nor a queue file nor a job record are left."""
        with pytest.raises(TaskTooLarge) as refused:
            schedule({"sections": {"a": None, "b": {"text": "x" * 410_000}}, "isolate_sections": True})
        assert (refused.value.index, refused.value.limit) == (1, 400 * 1024)
        assert (aws.rows(), aws.queue_files(), aws.rows(aws.names.jobs_table)) == ([], {}, [])

    def test_the_limit_of_lambda_is_a_setting(self) -> None:
        """A task that DynamoDB takes may be too much for the Lambda function: 256 KiB until October 2025."""
        task = {"text": "x" * 300_000}
        LineCodec("worker").line(task, 0)
        with pytest.raises(TaskTooLarge) as refused:
            LineCodec("worker", lambda_payload_limit=256 * 1024).line(task, 0)
        assert refused.value.limit == 256 * 1024


class TestD12:
    """Values that JSON does not know."""

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, dt.date(2026, 1, 1), b"x"], ids=repr)
    def test_are_refused(self, value: Any) -> None:
        """Wherever they stand, with the path."""
        assert refusal({"filter": {"of": [1, value]}}, SECTIONS) == ["filter.of[1]"]

    def test_keys_must_be_text(self) -> None:
        """Upstream dies of other keys in some places, and writes them as text in others."""
        assert theirs({"filter": {1: "x"}}, SECTIONS) == [{"filter": {"1": "x"}}]
        with pytest.raises(TypeError):
            theirs({1: "x"}, SECTIONS)
        assert refusal({"filter": {1: "x"}}, SECTIONS) == ["filter"]

    def test_in_upstream_pass_or_crash(self) -> None:
        """NaN gets into the queue file, where it is not JSON; a date or a set is a raw error."""
        lines = upstream_lines({"x": float("nan")}, {"chunkable_attrs": SECTIONS}, TODAY)
        assert lines == ['{"labourer_id": "worker", "x": NaN}']
        for value in ({1, 2}, dt.date(2026, 1, 1)):
            with pytest.raises(TypeError):
                theirs({"x": value}, SECTIONS)


def test_accepted_jobs_of_the_documentation_have_no_difference() -> None:
    """sosw's tutorial job comes out to the letter, without a warning."""
    words = {"cars": ["toyota", "mazda"], "food": ["recipe", "meal"]}
    job = {
        "topics": {topic: {"words": names} for topic, names in words.items()},
        "period": "last_2_days",
        "isolate_days": True,
        "isolate_words": True,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tasks = ours(job, ("topic", "word"))
    assert [json.dumps(task) for task in tasks] == [json.dumps(task) for task in theirs(job, ("topic", "word"))]
