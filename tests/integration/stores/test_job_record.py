"""The job record: header and markers, as they are in `sosw_jobs`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sosw_airflow.exceptions import AccessDenied, JobRecordDamaged, MissingTable
from sosw_airflow.jobs.transitions import CANCEL, FINISH, WRITE, JobState
from sosw_airflow.stores.job_record import Change, Header, JobRecords
from sosw_airflow.stores.tables import TableDefinition
from tests.support.network_edge import answering, dynamodb_error

TABLE = "sosw_jobs"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(10**15), 10**15)
headers = st.builds(
    Header,
    **{
        **{
            each.name: st.sampled_from(JobState) if each.name == "state" else numbers if each.type == "int" else texts
            for each in fields(Header)
        },
        **dict.fromkeys(("tasks", "pages", "page_rows", "greenfield_step"), st.integers(1, 10**9)),
        **dict.fromkeys(("created_at", "updated_at", "expires_at"), st.integers(0, 10**11)),
        "max_running": st.integers(0, 10**9),
        "reference_date": st.dates().map(str),
    },
)

#: In DynamoDB's notation.
attribute_values = st.one_of(
    st.builds(lambda text: {"S": text}, texts),
    st.builds(lambda number: {"N": str(number)}, st.integers() | st.floats() | st.decimals()),
    st.sampled_from([{"NULL": True}, {"BOOL": True}, {"M": {}}, {"L": []}, {"SS": ["a"]}, {"B": b""}, {}]),
)

HEADER = Header(
    job_id="0123456789abcdef0123",
    state=JobState.PLANNED,
    labourer_id="worker",
    fingerprint="f" * 64,
    outline='{"job.period": "\\"today\\""}',
    tasks=3,
    pages=2,
    page_rows=2,
    page_units=0,
    greenfield_base=-5000,
    greenfield_step=1000,
    queue_bucket="bucket",
    queue_key="key",
    queue_bytes=77,
    reference_date="2026-03-02",
    dag_id="dag",
    run_id="run",
    task_id="task",
    map_index=-1,
    generation=0,
    created_at=1_700_000_000,
    updated_at=1_700_000_000,
    expires_at=1_715_552_000,
)


@pytest.fixture
def dynamodb(mocked_aws: None) -> Any:
    """A client, and an empty table for the records."""
    client = boto3.client("dynamodb")
    client.create_table(**TableDefinition(TABLE, ("job_id", "S"), ("record", "S")).create_arguments())
    return client


@pytest.fixture
def records(dynamodb: Any) -> JobRecords:
    """The records, an hour after the header was made."""
    return JobRecords(dynamodb, TABLE, now=lambda: 1_700_003_600.9)


def put_marker(dynamodb: Any, records: JobRecords, page: int, tasks: range | None = range(1)) -> None:
    """Commit a page that has no rows."""
    dynamodb.transact_write_items(TransactItems=[{"Put": records.marker(HEADER, page, tasks=tasks)}])


# -- header ------------------------------------------------------------------------------------------------------------


@given(header=headers)
def test_round_trip(header: Header) -> None:
    """Whatever is in it, a header is read as it was written."""
    assert Header.of(header.item()) == header


def test_types_in_the_table() -> None:
    """Numbers are numbers, the state is its word."""
    item = HEADER.item()
    assert item["record"] == {"S": "header"}
    assert (item["tasks"], item["greenfield_base"], item["state"]) == ({"N": "3"}, {"N": "-5000"}, {"S": "planned"})


def test_attributes_of_a_later_version_are_passed_over() -> None:
    """A header may have more than this version knows."""
    assert Header.of({**HEADER.item(), "later": {"BOOL": True}}) == HEADER  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "change",
    [
        {"tasks": None},
        {"tasks": {"N": "many"}},
        {"tasks": {"S": "3"}},
        {"tasks": {"N": "3.5"}},
        {"tasks": {"N": "0"}},
        {"tasks": {"N": "9" * 38}},
        {"tasks": {"N": "9" * 5000}},
        {"pages": {"NULL": True}},
        {"pages": {"N": "0"}},
        {"greenfield_step": {"N": "0"}},
        {"created_at": {"N": "-1"}},
        {"expires_at": {"N": "9999999999999"}},
        {"labourer_id": {"N": "5"}},
        {"reference_date": {"S": "tomorrow"}},
        {"state": {"S": "sleeping"}},
        {"state": {"N": "1"}},
    ],
    ids=str,
)
def test_a_header_that_cannot_be_read(change: dict[str, Any]) -> None:
    """The job is named, and the attribute, and what to do."""
    item = {name: value for name, value in {**HEADER.item(), **change}.items() if value is not None}
    with pytest.raises(JobRecordDamaged, match=f"The header of the job {HEADER.job_id} .* clear the Airflow task"):
        Header.of(item)


@given(name=st.sampled_from([each.name for each in fields(Header)]), value=attribute_values)
def test_any_value_in_any_attribute(name: str, value: dict[str, Any]) -> None:
    """A header is read, or the refusal says that it is damaged."""
    with suppress(JobRecordDamaged):
        Header.of({**HEADER.item(), name: value}).outline_parts()


@pytest.mark.parametrize("outline", ["", "[]", '{"a": 1}', "{"])
def test_an_outline_that_cannot_be_read(outline: str) -> None:
    """It is damaged like any other attribute."""
    with pytest.raises(JobRecordDamaged, match="outline"):
        replace(HEADER, outline=outline).outline_parts()


@pytest.mark.parametrize(
    "record", ["page#one", "page#-0000001", "page#", "page#\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661"]
)
def test_a_record_that_is_no_marker(dynamodb: Any, records: JobRecords, record: str) -> None:
    """It is named."""
    dynamodb.put_item(TableName=TABLE, Item={"job_id": {"S": HEADER.job_id}, "record": {"S": record}})
    with pytest.raises(JobRecordDamaged, match=f"its record '{record}' is no marker"):
        list(records.markers(HEADER.job_id))


def test_outline() -> None:
    """It is kept as text, and compared as a mapping."""
    assert HEADER.outline_parts() == {"job.period": '"today"'}


def test_no_header(records: JobRecords) -> None:
    """The job was never planned."""
    assert records.header("unknown") is None


def test_the_first_header_stays(records: JobRecords) -> None:
    """A second copy cannot replace it, and learns that it came too late."""
    assert (records.create(HEADER), records.create(replace(HEADER, tasks=4))) == (True, False)
    assert records.header(HEADER.job_id) == HEADER


def test_a_marker_does_not_stand_in_the_headers_way(dynamodb: Any, records: JobRecords) -> None:
    """Header and markers share the hash key; each exists or not by itself."""
    put_marker(dynamodb, records, 0)
    assert records.create(HEADER)


# -- states ------------------------------------------------------------------------------------------------------------


def test_a_change_of_state(records: JobRecords) -> None:
    """The header moves on, and says when."""
    records.create(HEADER)
    changed = records.change(WRITE, HEADER.job_id)
    writing = replace(HEADER, state=JobState.WRITING, updated_at=1_700_003_600)
    assert changed == Change(before=HEADER, after=writing)
    assert records.header(HEADER.job_id) == writing


def test_a_change_that_is_not_allowed(records: JobRecords) -> None:
    """What is in the table counts, not what this copy has read before."""
    cancelled = replace(HEADER, state=JobState.CANCELLED)
    records.create(cancelled)
    assert records.change(FINISH, HEADER.job_id) == Change(before=cancelled, after=None)
    assert records.header(HEADER.job_id) == cancelled


def test_a_change_of_nothing(dynamodb: Any, records: JobRecords) -> None:
    """A header that was deleted does not come back as a fragment."""
    assert records.change(CANCEL, HEADER.job_id) == Change(before=None, after=None)
    assert dynamodb.scan(TableName=TABLE)["Items"] == []


# -- markers -----------------------------------------------------------------------------------------------------------


def test_a_note_that_cannot_be_read(dynamodb: Any, records: JobRecords) -> None:
    """Another program has changed it."""
    records.note_run("j", "2026-03-02T00:00:00")
    assert records.run_note("j") == "2026-03-02T00:00:00"
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    dynamodb.put_item(TableName=TABLE, Item={**item, "run_started": {"N": "1"}})
    with pytest.raises(JobRecordDamaged, match="the note of its DAG run: run_started is missing or not of DynamoDB's"):
        records.run_note("j")


def test_a_marker(records: JobRecords) -> None:
    """It has the page's number and its tasks, and expires with the header."""
    assert records.marker(HEADER, 12, tasks=range(36, 39))["Item"] == {
        "job_id": {"S": HEADER.job_id},
        "record": {"S": "page#00000012"},
        "expires_at": {"N": str(HEADER.expires_at)},
        "first_task": {"N": "36"},
        "tasks": {"N": "3"},
    }


def test_a_marker_is_put_once(dynamodb: Any, records: JobRecords) -> None:
    """The second transaction with it is cancelled, whichever process sends it."""
    put_marker(dynamodb, records, 0)
    with pytest.raises(ClientError) as refused:
        put_marker(dynamodb, records, 0)
    reasons: Any = refused.value.response
    assert [reason["Code"] for reason in reasons["CancellationReasons"]] == ["ConditionalCheckFailed"]


def test_has_marker(dynamodb: Any, records: JobRecords) -> None:
    """For one page of one job."""
    put_marker(dynamodb, records, 1)
    assert [records.has_marker(HEADER.job_id, page) for page in (0, 1, 10)] == [False, True, False]
    assert not records.has_marker("another", 1)


def test_markers_in_order(dynamodb: Any, records: JobRecords) -> None:
    """By number, whatever their order of arrival; the header and other jobs are none of them."""
    records.create(HEADER)
    for page in (100, 9, 10):
        put_marker(dynamodb, records, page)
    dynamodb.put_item(**records.marker(replace(HEADER, job_id="another"), 1))
    assert [marker.page for marker in records.markers(HEADER.job_id)] == [9, 10, 100]


def test_markers_of_a_cancelled_job(dynamodb: Any, records: JobRecords) -> None:
    """They say that their pages were never committed."""
    put_marker(dynamodb, records, 0)
    put_marker(dynamodb, records, 1, tasks=None)
    assert [(marker.page, marker.cancelled) for marker in records.markers(HEADER.job_id)] == [(0, False), (1, True)]


def test_markers_of_a_long_job(dynamodb: Any, records: JobRecords) -> None:
    """DynamoDB gives them in several pages, all of which are read."""
    for page in range(7):
        dynamodb.put_item(**records.marker(HEADER, page))
    sent: list[dict[str, Any]] = []

    def three_at_a_time(params: dict[str, Any], **_: Any) -> None:
        params["Limit"] = 3
        sent.append(dict(params))

    dynamodb.meta.events.register("provide-client-params.dynamodb.Query", three_at_a_time)
    assert [marker.page for marker in records.markers(HEADER.job_id)] == list(range(7))
    assert ["ExclusiveStartKey" in each for each in sent] == [False, True, True]


def test_markers_of_a_slow_table(dynamodb: Any, records: JobRecords) -> None:
    """A page that is throttled is asked for again, also when botocore itself repeats nothing."""
    for page in range(3):
        dynamodb.put_item(**records.marker(HEADER, page))
    throttled = iter([dynamodb_error("ProvisionedThroughputExceededException")] * 3)
    once = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))
    with answering(once, handler=lambda name: next(throttled, None) if name == "Query" else None) as sent:
        assert [marker.page for marker in JobRecords(once, TABLE).markers(HEADER.job_id)] == [0, 1, 2]
    assert sent == ["Query"] * 4


def test_no_markers(records: JobRecords) -> None:
    """Of a job that has none."""
    assert list(records.markers("unknown")) == []


# -- what AWS may say --------------------------------------------------------------------------------------------------

CALLS: dict[str, tuple[str, Callable[[JobRecords], object]]] = {
    "header": ("GetItem", lambda records: records.header("j")),
    "create": ("PutItem", lambda records: records.create(HEADER)),
    "change": ("UpdateItem", lambda records: records.change(FINISH, "j")),
    "has_marker": ("GetItem", lambda records: records.has_marker("j", 0)),
    "markers": ("Query", lambda records: list(records.markers("j"))),
}


@pytest.mark.parametrize("name", ["header", "has_marker", "markers"])
def test_reads_are_consistent(dynamodb: Any, records: JobRecords, name: str) -> None:
    """What another copy has written a moment ago is seen."""
    sent: list[bool] = []
    dynamodb.meta.events.register("provide-client-params", lambda params, **_: sent.append(params["ConsistentRead"]))
    CALLS[name][1](records)
    assert sent == [True]


@pytest.mark.parametrize("name", CALLS)
def test_no_permission(dynamodb: Any, records: JobRecords, name: str) -> None:
    """The action and the table are named."""
    action, call = CALLS[name]
    with (
        answering(dynamodb, handler=lambda _: dynamodb_error("AccessDeniedException")),
        pytest.raises(AccessDenied, match=f"AWS refuses dynamodb:{action} on sosw_jobs"),
    ):
        call(records)


@pytest.mark.parametrize("name", CALLS)
def test_no_table(dynamodb: Any, name: str) -> None:
    """The table and its setting are named."""
    with pytest.raises(MissingTable, match="'elsewhere'.*'jobs_table'"):
        CALLS[name][1](JobRecords(dynamodb, "elsewhere", now=lambda: 0))
