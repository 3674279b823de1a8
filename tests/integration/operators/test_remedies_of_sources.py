"""The fix that an error about a source names, carried out to the letter."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow import exceptions as errors
from sosw_airflow import source
from sosw_airflow.sources.objects import SourceObject
from tests.conftest import Aws
from tests.integration.operators.conftest import MakeContext
from tests.integration.operators.test_remedies import remedy_of
from tests.integration.operators.test_schedule import Schedule, payloads
from tests.integration.operators.test_sources import TASKS, WORDS, header_of, job_with


def put(aws: Aws, body: bytes) -> str:
    """Write the list; returns its address."""
    aws.s3.put_object(Bucket=aws.bucket, Key="lists/words.csv", Body=body)
    return f"s3://{aws.bucket}/lists/words.csv"


WRITTEN = "\n".join(["word", *WORDS]).encode()


@remedy_of(errors.MissingSource)
def test_a_late_source_is_written(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """Airflow's next attempt finds it."""
    operator = schedule(job_with(source.s3(f"s3://{installation.bucket}/lists/words.csv")))
    with pytest.raises(errors.MissingSource, match="Fix: write the object, then retry"):
        operator.execute(context())
    put(installation, WRITTEN)
    operator.execute(context())
    assert payloads(installation) == TASKS


@remedy_of(errors.EmptySource)
def test_an_empty_source_is_filled(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """The next attempt schedules it."""
    operator = schedule(job_with(source.s3(put(installation, b""))))
    with pytest.raises(errors.EmptySource, match="Fix: fill it"):
        operator.execute(context())
    put(installation, WRITTEN)
    operator.execute(context())
    assert payloads(installation) == TASKS


@remedy_of(errors.InvalidSource)
def test_bad_lines_are_corrected(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """In the source."""
    operator = schedule(job_with(source.s3(put(installation, WRITTEN + b'\n"a"b\n'))))
    with pytest.raises(errors.InvalidSource, match="line 7: is no CSV .*\nFix: correct what each line names"):
        operator.execute(context())
    put(installation, WRITTEN)
    operator.execute(context())
    assert payloads(installation) == TASKS


def test_bad_lines_are_left_out(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """They are counted in the job's record."""
    url = put(installation, WRITTEN + b'\n"a"b\n')
    summary = schedule(job_with(source.s3(url, on_bad_line="skip"))).execute(context())
    assert payloads(installation) == TASKS
    [version] = json.loads(header_of(installation, summary["job_id"]).sources)
    assert (version["values"], version["skipped"]) == (5, 1)


@remedy_of(errors.SourceChanged)
def test_a_changed_source_is_read_again(
    installation: Aws, schedule: Schedule, context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one, by the next attempt."""
    monkeypatch.setattr("sosw_airflow.sources.texts._CHUNK", 10)
    monkeypatch.setattr("sosw_airflow.sources.objects._PART", 10)
    operator = schedule(job_with(source.s3(put(installation, b"word\n" + b"old\n" * 30))))
    with pytest.MonkeyPatch.context() as patch:
        parts = iter(range(9))

        def replace(self: Any) -> bytes:
            if next(parts) == 1:
                put(installation, WRITTEN)
            return original(self)

        original = SourceObject._range
        patch.setattr(SourceObject, "_range", replace)
        with pytest.raises(errors.SourceChanged, match="Fix: retry the Airflow task, which reads it from its"):
            operator.execute(context())
    operator.execute(context())
    assert payloads(installation) == TASKS


@remedy_of(errors.SourceUnreadable)
@pytest.mark.parametrize("wrong", ["query", "Connection"])
def test_a_query_is_corrected(
    installation: Aws,
    schedule: Schedule,
    context: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
) -> None:
    """Or the Connection, and the next attempt reads it."""
    file = tmp_path / "words.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE words (word TEXT)")
        database.executemany("INSERT INTO words VALUES (?)", zip(WORDS, strict=True))

    def attempt(*, query: str, host: Path) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(host)}))
        schedule(job_with(source.sql("warehouse", query)), source_conn_ids=["warehouse"]).execute(context())

    right: dict[str, Any] = {"query": "SELECT word FROM words ORDER BY word", "host": file}
    faults: dict[str, Any] = {"query": {"query": "SELECT wrd FROM words"}, "Connection": {"host": tmp_path / "no.db"}}
    with pytest.raises(errors.SourceUnreadable, match="Fix: correct the query or the Connection, then retry"):
        attempt(**{**right, **faults[wrong]})
    attempt(**right)
    assert payloads(installation) == TASKS


def test_a_connection_that_is_no_database(
    installation: Aws, schedule: Schedule, context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The type and the rule are named."""
    monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps({"conn_type": "aws"}))
    with pytest.raises(errors.InvalidConfiguration, match="Connection files: is of the type 'aws', for which"):
        schedule(job_with(source.sql("files", "SELECT 1")), source_conn_ids=["files"]).execute(context())


@pytest.fixture
def other_account(installation: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An AWS Connection of its own."""
    connection = {"conn_type": "aws", "login": "other", "password": "secret", "extra": {"region_name": "eu-west-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_ACCOUNT", json.dumps(connection))
    return "other_account"


@remedy_of(errors.SourceNotAllowed)
def test_a_connection_must_be_allowed(
    installation: Aws, schedule: Schedule, context: MakeContext, other_account: str
) -> None:
    """By the operator, since the job may come from a run's configuration."""
    url = put(installation, WRITTEN)
    job = job_with(source.s3(url, column="word", aws_conn_id=other_account))
    with pytest.raises(errors.SourceNotAllowed, match=r"Fix: add it to .*source_conn_ids=\['other_account'\]"):
        schedule(job).execute(context())
    schedule(job, source_conn_ids=[other_account]).execute(context())
    assert payloads(installation) == TASKS
