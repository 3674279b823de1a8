"""Who a job and its tasks are."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.jobs import JobIdentity, JobSchema, job_of, task_id, task_index
from sosw_airflow.jobs.identity import fingerprint, outline, parse_job_id, parse_job_ids

IDENTITY = JobIdentity("dag", "scheduled__2026-03-02", "schedule", -1, 0, "puller")
SCHEMA = JobSchema(("topic", "word"))
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
INTERVAL, OTHER_INTERVAL = (MONDAY, MONDAY), (MONDAY, TUESDAY)

identities = st.builds(
    JobIdentity,
    dag_id=st.text(),
    run_id=st.text(),
    task_id=st.text(),
    map_index=st.integers(-1, 5000),
    generation=st.integers(0, 5000),
    labourer_id=st.text(),
)
indexes = st.integers(0, 16**12 - 1)


@given(identities)
def test_a_job_id_is_20_hexadecimal_digits(identity: JobIdentity) -> None:
    """In lower case, for any names."""
    assert (20, set()) == (len(identity.job_id), set(identity.job_id) - set(string.hexdigits.lower()))


def test_a_job_id_never_changes() -> None:
    """A new release finds the jobs of an old one: this value must stay as it is."""
    assert "f1f715439b3dca432510" == IDENTITY.job_id


@given(identities, identities)
def test_other_identities_have_other_job_ids(one: JobIdentity, two: JobIdentity) -> None:
    """Also where their parts, put together, read the same."""
    assert (one == two) == (one.job_id == two.job_id)


@pytest.mark.parametrize(
    "change",
    [
        {"dag_id": "gad"},
        {"run_id": "manual"},
        {"task_id": "other"},
        {"map_index": 0},
        {"generation": 1},
        {"labourer_id": "pusher"},
        {"namespace": "blue"},
        {"rerun": 1},
        {"queue_file": "s3://b/k"},
    ],
)
def test_each_part_counts(change: dict[str, Any]) -> None:
    """A change of any one makes another job."""
    assert IDENTITY.job_id != replace(IDENTITY, **change).job_id


@given(identities, indexes)
def test_a_task_id_tells_its_job_and_its_index(identity: JobIdentity, index: int) -> None:
    """32 hexadecimal digits, as sosw's own, that can be taken apart."""
    found = task_id(identity.job_id, index)
    assert (32, identity.job_id, index) == (len(found), job_of(found), task_index(found))


@given(indexes, indexes)
def test_task_ids_are_unique_and_ordered(one: int, two: int) -> None:
    """They sort as their indexes do."""
    assert (one < two, one == two) == (
        task_id(IDENTITY.job_id, one) < task_id(IDENTITY.job_id, two),
        task_id(IDENTITY.job_id, one) == task_id(IDENTITY.job_id, two),
    )


def digest(
    job: dict[str, Any],
    schema: JobSchema = SCHEMA,
    reference_date: date = MONDAY,
    interval: tuple[date, date] | None = None,
) -> str:
    """The fingerprint of a job."""
    return fingerprint(job, schema, reference_date, interval)


JOB = {"topics": ["cars", "food"], "period": "last_2_days", "isolate_topics": True}


@pytest.mark.parametrize(
    "changed",
    [
        {**JOB, "topics": ["cars"]},
        {**JOB, "topics": ["food", "cars"]},
        {**JOB, "topics": ["cars", "food", "shows"]},
        {**JOB, "isolate_topics": 1},
        {**JOB, "period": "last_3_days"},
        {**JOB, "note": None},
        {"isolate_topics": True, "topics": ["cars", "food"], "period": "last_2_days"},
        {"topics": ["cars", "food"], "isolate_topics": True},
    ],
)
def test_another_job_has_another_fingerprint(changed: dict[str, Any]) -> None:
    """Values, types, names, and the order of either."""
    assert digest(JOB) != digest(changed)


@pytest.mark.parametrize(
    "schema",
    [JobSchema(("topic",)), JobSchema(("word", "topic")), JobSchema(("topic", "word"), "always")],
)
def test_another_schema_has_another_fingerprint(schema: JobSchema) -> None:
    """The same job is cut in another way."""
    assert digest(JOB) != digest(JOB, schema)


@pytest.mark.parametrize("period", ["last_2_days", "today", "last_week", "full_moon"])
def test_another_day_counts_where_the_period_depends_on_it(period: str) -> None:
    """Other dates, other tasks."""
    assert digest({"period": period}) != digest({"period": period}, reference_date=TUESDAY)


@pytest.mark.parametrize(
    "job",
    [
        {"topics": [1]},
        {"period": "2026-01-01..2026-01-02"},
        {"period": {"start": "2026-01-01", "end": "2026-01-02"}},
        {"period": ""},
    ],
)
def test_another_day_does_not_count_where_nothing_depends_on_it(job: dict[str, Any]) -> None:
    """No period, or one that names its days."""
    assert digest(job) == digest(job, reference_date=TUESDAY)


def test_the_data_interval_counts_where_the_period_is_it() -> None:
    """And the reference date does not."""
    job = {"period": "data_interval"}
    assert digest(job, interval=INTERVAL) != digest(job, interval=OTHER_INTERVAL)
    assert digest(job, interval=INTERVAL) == digest(job, reference_date=TUESDAY, interval=INTERVAL)


def test_the_data_interval_does_not_count_elsewhere() -> None:
    """A manual run of Airflow 3 has another interval at each attempt."""
    assert digest(JOB) == digest(JOB, interval=INTERVAL) == digest(JOB, interval=OTHER_INTERVAL)


def test_a_tuple_is_a_list() -> None:
    """They give the same tasks, and JSON does not tell them apart."""
    assert digest(JOB) == digest({**JOB, "topics": ("cars", "food")})


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.dictionaries(st.text(), st.text() | st.integers()))
def test_fingerprints_tell_jobs_apart(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Any two different jobs."""
    assume(list(one.items()) != list(two.items()))
    assert digest(one) != digest(two)


def test_an_outline_has_a_line_for_each_part() -> None:
    """Small values as they are."""
    assert {
        "job.topics": '["cars", "food"]',
        "job.period": '"last_2_days"',
        "job.isolate_topics": "true",
        "job_schema": '{"chunkable_attrs": ["topic", "word"]}',
        "reference_date": '"2026-11-23"',
    } == outline(JOB, SCHEMA, MONDAY)


def test_an_outline_stays_small() -> None:
    """Large values as their size and a digest, which differs where they differ."""
    one, two = ({"topics": [*range(1000, 100_000), last]} for last in (1, 2))
    briefs = [outline(job, SCHEMA, MONDAY)["job.topics"] for job in (one, two)]
    assert all(len(brief) < 120 and "characters, sha256" in brief for brief in briefs)
    assert briefs[0] != briefs[1]


def test_an_outline_has_a_limited_number_of_lines() -> None:
    """It has to fit into the job's record."""
    assert 200 == len(outline({f"a{number}": number for number in range(1000)}, SCHEMA, MONDAY))


# -- what users give as the id of a job --------------------------------------------------------------------------------

JOB_ID = "0123456789abcdef0123"


@pytest.mark.parametrize(
    "given",
    [JOB_ID, f" {JOB_ID}\n", f"{JOB_ID}00000000000a", {"job_id": JOB_ID, "tasks": 3}, json.dumps({"job_id": JOB_ID})],
    ids=repr,
)
def test_a_job_id(given: object) -> None:
    """Itself, a task's id, a summary, or the JSON text of a summary."""
    assert parse_job_id(given) == JOB_ID


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "not None: the Airflow task that should give it has returned nothing"),
        ("None", 'it is the text "None": the template found no value'),
        ("", "it is an empty text: the template found no value"),
        (str({"job_id": JOB_ID}), r"it is the text of a Python dict, not JSON.*ti.xcom_pull\('schedule'\)\['job_id'\]"),
        ("{{ ti.xcom_pull('schedule') }}", "it has a template that was not rendered"),
        ([JOB_ID, JOB_ID], r"not a list of 2. Fix: map the operator over it, .expand\(job_id=...\)"),
        ("nonsense", "not 'nonsense'"),
        (7, "not 7"),
        ({"job_id": None}, "not {'job_id': None}"),
    ],
    ids=repr,
)
def test_what_is_no_job_id(given: object, reason: str) -> None:
    """The message says why it is none."""
    with pytest.raises(InvalidConfiguration, match=f"job_id: must be the id of a job .*{reason}"):
        parse_job_id(given)


def test_none_names_the_way_to_repair_what_was_waited_for() -> None:
    """An operator that waits returns nothing if the job fails, so its output cannot be repaired."""
    with pytest.raises(InvalidConfiguration, match=r"wait for it with SoswJobSensor.*job_id=schedule.output"):
        parse_job_id(None)


@pytest.mark.parametrize(
    ("given", "ids", "several"),
    [
        (JOB_ID, [JOB_ID], False),
        ({"job_id": JOB_ID}, [JOB_ID], False),
        ([JOB_ID, {"job_id": JOB_ID}], [JOB_ID], True),
        (iter([JOB_ID]), [JOB_ID], True),
        (json.dumps([JOB_ID]), [JOB_ID], True),
        ([], [], True),
    ],
    ids=["id", "summary", "list", "iterator", "text", "none"],
)
def test_ids_of_several_jobs(given: object, ids: list[str], several: bool) -> None:
    """A list stays one, also of one or of none; a repetition counts once."""
    assert parse_job_ids(given) == (ids, several)
