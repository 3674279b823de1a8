"""Jobs whose values are in sources: each kind, planned, scheduled, interrupted and retried."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet as pq

from sosw_airflow import exceptions as errors
from sosw_airflow import source
from sosw_airflow._compat import AirflowFailException, AirflowSkipException
from sosw_airflow.cli import main
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswRepairOperator
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.stores.job_record import JobRecords
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.integration.operators.test_schedule import Schedule, payloads
from tests.support.closing import close
from tests.support.network_edge import Crash, answering

WORDS = ["mazda", "saab", "tesla", "toyota", "volvo"]
TASKS = [{"isolate_words": True, "topics": ["cars"], "words": [word]} for word in WORDS]


@dataclass
class Kind:
    """A kind of source with the five words.

    :ivar source: its document.
    :ivar spoil: change what it reads, so that another reading gives other words.
    :ivar arguments: that the operator needs for it.
    """

    source: dict[str, Any]
    spoil: Callable[[], object]
    arguments: dict[str, Any]


def _object(aws: Aws, key: str, body: bytes, **settings: Any) -> Kind:
    def put(content: bytes) -> str:
        aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=content)
        return f"s3://{aws.bucket}/{key}"

    return Kind(source.s3(put(body), **settings), lambda: put(b""), {})


def _csv(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    body = "".join(f"{number},{word}\n" for number, word in enumerate(WORDS))
    return _object(aws, "lists/words.csv", f"id,word\n{body}".encode(), column="word")


def _csv_gz(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    return _object(aws, "lists/words.csv.gz", gzip.compress("\n".join(["word", *WORDS]).encode()))


def _jsonl(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    return _object(aws, "lists/words.jsonl", "\n".join(map(json.dumps, WORDS)).encode())


def _json(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    return _object(aws, "lists/words.json", json.dumps([{"word": word} for word in WORDS]).encode(), column="word")


def _csv_zstd(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    body = zstandard.ZstdCompressor().compress("\n".join(["word", *WORDS]).encode())
    return _object(aws, "lists/words.csv.zst", body)


def _parquet(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    written = io.BytesIO()
    pq.write_table(pa.table({"id": range(5), "word": WORDS}), written)
    return _object(aws, "lists/words.parquet", written.getvalue(), column="word")


def _listing(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    aws.s3.create_bucket(Bucket="uploads", CreateBucketConfiguration={"LocationConstraint": aws.region})
    for word in reversed(WORDS):
        aws.s3.put_object(Bucket="uploads", Key=word, Body=b"")
    given = source.s3_listing("s3://uploads/", value="key", modified_before="2999-01-01")
    return Kind(given, lambda: aws.s3.put_object(Bucket="uploads", Key="fiat", Body=b""), {})


def _inventory(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    rows = "".join(f'"uploads","{word}"\n' for word in WORDS)
    aws.s3.put_object(Bucket=aws.bucket, Key="inventory/data/1.csv.gz", Body=gzip.compress(rows.encode()))
    manifest = {
        "sourceBucket": "uploads",
        "destinationBucket": f"arn:aws:s3:::{aws.bucket}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": [{"key": "inventory/data/1.csv.gz", "size": 1, "MD5checksum": ""}],
    }
    url = f"s3://{aws.bucket}/inventory/manifest.json"
    aws.s3.put_object(Bucket=aws.bucket, Key="inventory/manifest.json", Body=json.dumps(manifest))
    given = source.s3_inventory(url, value="key")
    return Kind(given, lambda: aws.s3.delete_object(Bucket=aws.bucket, Key="inventory/manifest.json"), {})


def _sql(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    folder = tempfile.mkdtemp()
    file = f"{folder}/words.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE words (id INTEGER, word TEXT)")
        database.executemany("INSERT INTO words VALUES (?, ?)", enumerate(WORDS))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": file}))
    given = source.sql("warehouse", "SELECT word FROM words WHERE id >= ? ORDER BY id", parameters=[0])
    return Kind(given, lambda: shutil.rmtree(folder), {"source_conn_ids": ["warehouse"]})


KINDS = {
    "csv": _csv,
    "csv_gz": _csv_gz,
    "csv_zstd": _csv_zstd,
    "jsonl": _jsonl,
    "json": _json,
    "parquet": _parquet,
    "listing": _listing,
    "inventory": _inventory,
    "sql": _sql,
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, installation: Aws, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Each kind."""
    return KINDS[request.param](installation, monkeypatch)


def job_with(given: dict[str, Any]) -> dict[str, Any]:
    """The words of one topic, each a task."""
    return {"topics": {"cars": {"words": given}}, "isolate_words": True}


def header_of(aws: Aws, job_id: str) -> Any:
    """The job's record."""
    return JobRecords(aws.dynamodb, aws.names.jobs_table).header(job_id)


def crash(operator: Any, context: MakeContext, *, behind_the_plan: bool) -> None:
    """Execute the operator in a process that dies when all of the source was read, or when the header is there."""

    def die(*_: Any, **__: Any) -> None:
        raise Crash

    place = "PageWriter.write" if behind_the_plan else "FirstReads.place"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"sosw_airflow.scheduling.scheduler.{place}", die)
        with pytest.raises(Crash):
            operator.execute(context(max_tries=2))


def test_scheduled(installation: Aws, schedule: Schedule, context: MakeContext, kind: Kind) -> None:
    """The tasks are those of the list, and the job's record says what was read."""
    summary = schedule(job_with(kind.source), **kind.arguments).execute(context())
    assert payloads(installation) == TASKS
    [version] = json.loads(header_of(installation, summary["job_id"]).sources)
    assert (version["place"], version["values"], len(version["sha256"])) == ("topics.cars.words", 5, 64)


def test_a_retry_does_not_read_it_again(
    installation: Aws, schedule: Schedule, context: MakeContext, kind: Kind
) -> None:
    """Not even after a crash behind the plan, whatever the source is by then."""
    operator = schedule(job_with(kind.source), **kind.arguments)
    crash(operator, context, behind_the_plan=True)
    assert payloads(installation) == []
    kind.spoil()

    first = operator.execute(context(try_number=2, max_tries=2))
    assert payloads(installation) == TASKS
    assert operator.execute(context(try_number=3, max_tries=2)) == first
    assert payloads(installation) == TASKS


def test_a_crash_while_planning(installation: Aws, schedule: Schedule, context: MakeContext, kind: Kind) -> None:
    """Nothing is left behind, and the next attempt reads the source from its beginning."""
    operator = schedule(job_with(kind.source), **kind.arguments)
    crash(operator, context, behind_the_plan=False)
    assert installation.rows(installation.names.jobs_table) == []

    operator.execute(context(try_number=2, max_tries=2))
    assert payloads(installation) == TASKS


def test_planned(
    installation: Aws,
    kind: Kind,
    tmp_path: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The figures of all values, or of the first ones."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    file = tmp_path / "job.json"
    file.write_text(json.dumps(job_with(kind.source)))
    command = ["plan", str(file), "--labourer", LABOURER, "--output", "json", "--samples", "9"]
    capsys.readouterr()  # what the making of clients has logged

    assert main(command) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["first"], plan["notes"]) == (TASKS, [])
    assert main([*command, "--sample", "2"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["first"], plan["notes"]) == (
        TASKS[:2],
        ["topics.cars.words: the figures are those of the first 2 values of its source (--sample)"],
    )


def test_the_identity_is_that_of_the_document(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """Another document under the same identity is another job, also if it gives the same values."""
    _csv(installation, pytest.MonkeyPatch())
    url = f"s3://{installation.bucket}/lists/words.csv"
    schedule(job_with(source.s3(url, column="word"))).execute(context(max_tries=2))
    with pytest.raises(errors.JobConflict, match=r"job\.topics was .*, is "):
        schedule(job_with(source.s3(url, column=2))).execute(context(try_number=2, max_tries=2))


def test_a_job_from_the_configuration_of_a_run(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """A source is JSON, so that a template can say it."""
    kind = _jsonl(installation, pytest.MonkeyPatch())
    schedule(json.dumps(job_with(kind.source))).execute(context())
    assert payloads(installation) == TASKS


def test_isolated_days_and_batches(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """The source is read once for all days."""
    kind = _csv(installation, pytest.MonkeyPatch())
    job = {"topics": {"cars": {"words": kind.source}}, "max_words_per_batch": 2, "max_bytes_per_batch": 18}
    schedule({**job, "period": "last_2_days", "isolate_days": True}).execute(context())
    batches = [["mazda", "saab"], ["tesla"], ["toyota"], ["volvo"]]
    assert [task["words"] for task in payloads(installation)] == batches * 2


@pytest.fixture
def empty(installation: Aws) -> Callable[..., dict[str, Any]]:
    """A source without values."""

    def made(**settings: Any) -> dict[str, Any]:
        return _object(installation, "lists/none.csv", b"word\n", **settings).source

    return made


def test_an_empty_source_fails(schedule: Schedule, context: MakeContext, empty: Any) -> None:
    """By default, at once."""
    with pytest.raises(errors.EmptySource, match="The source of topics.cars.words is empty") as refused:
        schedule(job_with(empty())).execute(context())
    assert isinstance(refused.value, AirflowFailException)


def test_an_empty_source_skips(installation: Aws, schedule: Schedule, context: MakeContext, empty: Any) -> None:
    """The Airflow task, and so those behind it."""
    with pytest.raises(AirflowSkipException, match="is empty"):
        schedule(job_with(empty(on_empty="skip"))).execute(context())
    assert installation.rows(installation.names.jobs_table) == []


@pytest.mark.parametrize("waits", [False, True])
def test_an_empty_source_succeeds(
    installation: Aws, schedule: Schedule, context: MakeContext, empty: Any, waits: bool
) -> None:
    """There is no job, and nothing to wait for."""
    operator = schedule(job_with(empty(on_empty="succeed")), wait_for_completion=waits)
    counts = {"tasks": 0, "completed": 0, "failed": 0, "state": "empty"}
    assert operator.execute(context()) == {"labourer": LABOURER, **counts}
    assert installation.rows() == installation.rows(installation.names.jobs_table) == []


def test_what_follows_a_job_of_an_empty_source(
    installation: Aws, schedule: Schedule, context: MakeContext, empty: Any
) -> None:
    """Sensor, repair and results take its summary: there is nothing to wait for. In a list it is left out."""
    summary = schedule(job_with(empty(on_empty="succeed"))).execute(context())
    counts = {"tasks": 0, "completed": 0, "failed": 0, "state": "empty"}
    for given in (summary, json.dumps(summary)):
        assert SoswJobSensor(task_id="wait", job_id=given, deferrable=True).execute(context()) == counts
        assert SoswRepairOperator(task_id="repair", job_id=given, wait_for_completion=True).execute(context()) == counts
        assert list(SoswHook().results(given)) == []
    job = schedule({"topics": {"cars": {"words": ["a"]}}}).execute(context())
    close(installation, job["job_id"], [0])
    (waited,) = SoswJobSensor(task_id="wait", job_id=[summary, job]).execute(context())
    assert (waited["job_id"], waited["completed"]) == (job["job_id"], 1)
    assert SoswJobSensor(task_id="wait", job_id=[summary]).execute(context()) == []


def test_one_empty_source_beside_another(
    installation: Aws, schedule: Schedule, context: MakeContext, empty: Any
) -> None:
    """It gives no task, unless it fails the job."""
    kind = _csv(installation, pytest.MonkeyPatch())
    topics = {"food": {"words": empty(on_empty="skip")}, "cars": {"words": kind.source}}
    schedule({"topics": topics, "isolate_words": True}).execute(context())
    assert payloads(installation) == TASKS


def test_a_fault_beside_a_source(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """Is found before anything is read."""
    s3, job = installation.s3, {**job_with(source.s3("s3://lists/a.csv")), "period": "last_fortnight"}
    with (
        answering(s3, handler=lambda _: None) as sent,
        pytest.raises(errors.InvalidJob, match="period: 'last_fortnight' is not a known period"),
    ):
        schedule(job).execute(context())
    assert sent == []


def test_too_many_tasks(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """They are counted before the first row."""
    kind = _csv(installation, pytest.MonkeyPatch())
    with pytest.raises(errors.TooManyTasks, match="The job has 5 tasks, max_tasks allows 4"):
        schedule(job_with(kind.source), max_tasks=4).execute(context())
    assert installation.rows() == []


def test_a_plan_that_is_gone(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """It is written again from the source if that is unchanged; if not, no other tasks are mixed with its own."""
    kind = _csv(installation, pytest.MonkeyPatch())
    operator = schedule(job_with(kind.source))
    crash(operator, context, behind_the_plan=True)
    [plan] = [key for key in installation.queue_files() if "locked_" in key]
    installation.s3.delete_object(Bucket=installation.bucket, Key=plan)
    changed = b"id,word\n1,fiat\n"
    original = installation.s3.get_object(Bucket=installation.bucket, Key="lists/words.csv")["Body"].read()
    installation.s3.put_object(Bucket=installation.bucket, Key="lists/words.csv", Body=changed)
    with pytest.raises(errors.JobRecordDamaged, match="the job expands to other tasks now"):
        operator.execute(context(try_number=2, max_tries=2))
    installation.s3.put_object(Bucket=installation.bucket, Key="lists/words.csv", Body=original)
    operator.execute(context(try_number=3, max_tries=2))
    assert payloads(installation) == TASKS


def test_a_connection_that_does_not_exist(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """It is named."""
    job = job_with(source.s3("s3://lists/a.csv", aws_conn_id="nowhere"))
    with pytest.raises(errors.InvalidConfiguration, match="Connection nowhere: does not exist, and a source names it"):
        schedule(job, source_conn_ids=["nowhere"]).execute(context())


@pytest.mark.parametrize("given", ["warehouse", None, [1]])
def test_connections_that_are_no_list(schedule: Schedule, context: MakeContext, given: Any) -> None:
    """One text would allow its letters."""
    with pytest.raises(errors.InvalidConfiguration, match="source_conn_ids: must be a list of ids of Connections"):
        schedule(job_with(source.s3("s3://lists/a.csv")), source_conn_ids=given).execute(context())


def test_delivered_as_a_queue_file(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """The file has the tasks of the list."""
    kind = _csv(installation, pytest.MonkeyPatch())
    schedule(job_with(kind.source), delivery="queue_file").execute(context())
    [lines] = [text for key, text in installation.queue_files().items() if key.startswith("sosw/")]
    assert [json.loads(line)["words"] for line in str(lines).splitlines()] == [[word] for word in WORDS]
