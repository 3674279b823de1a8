"""The fix that an error's message names, carried out to the letter. Every class has such a test, or a reason."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from sosw_airflow import exceptions as errors
from sosw_airflow.cli import main
from sosw_airflow.jobs.rows import Row, row_item
from sosw_airflow.operators.sosw import SoswScheduleOperator
from tests.conftest import Aws
from tests.integration.docs.test_troubleshooting import errors as every_error
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.integration.operators.test_drain import KEY, LOCKED, NAME, draining, left
from tests.support.deferrals import Deferred

Schedule = Callable[..., SoswScheduleOperator]
Configure = Callable[..., None]

#: Classes whose fix no test of these modules can carry out, and the reason.
ELSEWHERE = {
    "AwsFault": "one class for any other answer of AWS: it has no fix of its own",
    "AccessDenied": "moto enforces no policies; test_permissions.py::test_each_line_is_needed plays them",
}


def remedy_of(error: type[errors.SoswError]) -> Callable[[Any], Any]:
    """Mark the test that carries out the fix of this error."""
    return lambda test: test


def refusal(error: type[errors.SoswError], attempt: Callable[[], Any], fix: str) -> None:
    """The attempt ends in this error, and this pattern is its fix."""
    with pytest.raises(error) as refused:
        attempt()
    assert re.search(f"Fix: .*{fix}", str(refused.value), re.DOTALL), str(refused.value)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch, installation: Aws) -> Configure:
    """Set the extras of the Connection."""

    def configure(**extras: Any) -> None:
        extra = {"queue_bucket": installation.bucket, "region_name": installation.region, "aws_conn_id": "", **extras}
        monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))

    return configure


@pytest.fixture
def scheduled(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> Iterator[Callable[..., Any]]:
    """Schedule a job: changes of the tutorial's, arguments of the operator."""

    def attempt(changes: Any = None, /, max_tries: int = 0, **arguments: Any) -> Any:
        return schedule({**tutorial_job, **(changes or {})}, **arguments).execute(context(max_tries=max_tries))

    yield attempt
    assert installation.queue_files() == {}


def test_every_error_has_a_remedy_that_is_tested() -> None:
    """In a module of this folder, or with the reason why not; no error has both."""
    modules = Path(__file__).parent.glob("test_remedies*.py")
    tested = {
        name for each in modules for name in re.findall(r"^@remedy_of\(errors\.(\w+)\)", each.read_text(), re.MULTILINE)
    }
    assert sorted({each.__name__ for each in every_error()}) == sorted([*tested, *ELSEWHERE])


@remedy_of(errors.InvalidConfiguration)
@pytest.mark.parametrize("place", ["Connection", "Variable", "argument"])
def test_a_configuration_is_corrected(
    scheduled: Any, connection: Configure, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The line names the Connection and its extra, the Variable, or the argument."""
    labourers = "AIRFLOW_VAR_SOSW_LABOURERS"
    wrong: dict[str, Any] = {}
    if place == "Connection":
        connection(max_rows_per_second=-1)
    elif place == "Variable":
        right = os.environ[labourers]
        monkeypatch.setenv(labourers, "[]")
    else:
        wrong = {"on_clear": "never"}
    fix = "correct what each line names: the Connection, the Variable or the operator's argument"
    refusal(errors.InvalidConfiguration, lambda: scheduled(**wrong), fix)
    connection()
    if place == "Variable":
        monkeypatch.setenv(labourers, right)
    assert scheduled()["tasks"] == 8


@remedy_of(errors.UnknownLabourer)
@pytest.mark.parametrize("place", ["Variable", "Connection"])
def test_a_labourer_is_registered(scheduled: Any, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """In the Variable, or by a Connection of its id."""
    refusal(
        errors.UnknownLabourer, lambda: scheduled(labourer="new"), "add it to this Variable, or create a Connection"
    )
    if place == "Variable":
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({"new": {}}))
    else:
        monkeypatch.setenv("AIRFLOW_CONN_NEW", json.dumps({"conn_type": "sosw_labourer"}))
    assert scheduled(labourer="new")["labourer"] == "new"


@remedy_of(errors.ConflictingLabourers)
@pytest.mark.parametrize("way", [{"labourer": None}, {"lambda_name": LABOURER}], ids=["only one", "the same"])
def test_labourers_agree(scheduled: Any, way: dict[str, Any]) -> None:
    """Only one is given, or both name the same function."""
    other = "only one, or make both name the same Lambda function"
    refusal(errors.ConflictingLabourers, lambda: scheduled({"lambda_name": "other"}), other)
    job = {"lambda_name": LABOURER}
    assert scheduled(job, **({"labourer": None} if "labourer" in way else {}))["tasks"] == 8


@remedy_of(errors.UnknownJobSchema)
@pytest.mark.parametrize("way", ["Variable", "name"])
def test_a_schema_is_added(scheduled: Any, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """To the Variable; or the operator's name is corrected."""
    fix = "add it to the Variable sosw_job_schemas, or correct the name"
    refusal(errors.UnknownJobSchema, lambda: scheduled(job_schema="new"), fix)
    if way == "name":
        assert scheduled(job_schema="default")["tasks"] == 8
        return
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", json.dumps({"new": {"chunkable_attrs": ["topic", "word"]}}))
    assert scheduled(job_schema="new")["tasks"] == 8


@remedy_of(errors.InvalidJobSchema)
@pytest.mark.parametrize("place", ["operator", "Variable"])
def test_a_schema_is_corrected(scheduled: Any, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The operator's, or that of the Variable."""

    def attempt(name: str) -> Any:
        schema = {"chunkable_attrs": ["topic", name]}
        if place == "operator":
            return scheduled(job_schema=schema)
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", json.dumps({"default": schema}))
        return scheduled()

    fix = "correct the Variable sosw_job_schemas, or the operator's job_schema"
    refusal(errors.InvalidJobSchema, lambda: attempt("words"), fix)
    assert attempt("word")["tasks"] == 8


@remedy_of(errors.InvalidJob)
def test_a_job_is_corrected(
    scheduled: Any, tutorial_job: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every line of the message; the command finds the same without a DAG run."""
    wrong = {"period": "last_fortnight", "max_words_per_batch": 0}
    with pytest.raises(errors.InvalidJob, match="Fix: correct every line above; sosw-airflow plan finds") as refused:
        scheduled(wrong)
    (tmp_path / "job.json").write_text(json.dumps({**tutorial_job, **wrong}))
    capsys.readouterr()
    assert main(["plan", str(tmp_path / "job.json"), "--labourer", LABOURER]) == 1
    assert capsys.readouterr().err == f"{refused.value}\n"
    assert len(refused.value.faults) == 2
    assert scheduled({"period": "last_2_days"})["tasks"] == 8


@remedy_of(errors.TooManyTasks)
def test_max_tasks_is_raised(scheduled: Any) -> None:
    """To the number in the message."""
    refusal(errors.TooManyTasks, lambda: scheduled(max_tasks=7), "set max_tasks=8 at the operator")
    assert scheduled(max_tasks=8)["tasks"] == 8


@remedy_of(errors.TaskTooLarge)
@pytest.mark.parametrize(
    "way", [{"isolate_words": True}, {"max_words_per_batch": 1}], ids=["isolated", "smaller batch"]
)
def test_a_task_is_made_smaller(scheduled: Any, way: dict[str, Any]) -> None:
    """Its largest attribute is isolated, or its batches are lower."""
    job = {"topics": {"a": {"words": ["x" * 250_000, "y" * 250_000]}}, "isolate_words": False, "isolate_topics": True}
    refusal(errors.TaskTooLarge, lambda: scheduled(job), "isolate its largest attribute, 'words', or lower its max_")
    assert scheduled({**job, **way})["tasks"] == 4


@remedy_of(errors.QueueFull)
@pytest.mark.parametrize("way", ["empty", "split"])
def test_the_queue_has_too_little_room(scheduled: Any, installation: Aws, way: str) -> None:
    """Once it ran empty, a retry succeeds; a part of the job has room at once."""
    newest = row_item(Row("f" * 32, LABOURER, "{}", 0.0, int(time.time()) - 86_400 - 120))
    installation.dynamodb.put_item(TableName=installation.names.tasks_table, Item=newest)
    whole = {"period": "last_60_days"}
    refusal(errors.QueueFull, lambda: scheduled(whole), "let the queue run empty and retry, or split the job")
    if way == "split":
        assert scheduled({"period": "last_4_days"})["tasks"] == 16
        return
    installation.dynamodb.delete_item(TableName=installation.names.tasks_table, Key={"task_id": newest["task_id"]})
    assert scheduled(whole)["tasks"] == 240


@contextmanager
def credentials_of_a_role() -> Iterator[str]:
    """The address at which a container finds the keys of its role."""
    keys = {"AccessKeyId": "testing", "SecretAccessKey": "testing", "Token": "x", "Expiration": "2099-01-01T00:00:00Z"}

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(keys).encode())

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()
            thread.join()


@remedy_of(errors.MissingCredentials)
@pytest.mark.parametrize("way", ["AWS Connection", "environment", "profile", "role"])
def test_credentials_are_given(
    scheduled: Any, connection: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """By the AWS Connection that aws_conn_id names, by the two variables, a profile, or the role of a container."""
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    for name in keys:
        monkeypatch.delenv(name)
    refusal(errors.MissingCredentials, scheduled, "name an AWS Connection .* aws_conn_id .* or set AWS_ACCESS_KEY_ID")
    if way == "AWS Connection":
        document = {"conn_type": "aws", "login": "testing", "password": "testing"}
        monkeypatch.setenv("AIRFLOW_CONN_MY_AWS", json.dumps(document))
        connection(aws_conn_id="my_aws")
    elif way == "environment":
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
    elif way == "role":
        with credentials_of_a_role() as url:
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
            assert scheduled()["tasks"] == 8
        return
    else:
        profiles = tmp_path / "credentials"
        profiles.write_text("[sosw]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
        monkeypatch.setenv("AWS_PROFILE", "sosw")
    assert scheduled()["tasks"] == 8


@remedy_of(errors.MissingTable)
@pytest.mark.parametrize("way", ["init", "setting", "region"])
def test_a_table_is_created(scheduled: Any, connection: Configure, way: str) -> None:
    """By the command of the message, or the setting that it names is corrected, or the region."""
    connection(**{"region_name": "eu-west-1"} if way == "region" else {"jobs_table": "elsewhere"})
    setting = "'[a-z_]+'" if way == "region" else "'jobs_table'"
    refusal(errors.MissingTable, scheduled, f"`sosw-airflow init --apply`, or correct {setting} or region_name")
    if way == "init":
        assert main(["init", "--apply"]) == 0
    else:
        connection()
    assert scheduled()["tasks"] == 8


@remedy_of(errors.MissingBucket)
@pytest.mark.parametrize("way", ["init", "setting"])
def test_a_bucket_is_created(scheduled: Any, connection: Configure, way: str) -> None:
    """By the command of the message, or the setting is corrected."""
    connection(queue_bucket="another-bucket")
    refusal(errors.MissingBucket, scheduled, "`sosw-airflow init --apply`, or correct queue_bucket")
    if way == "init":
        assert main(["init", "--apply"]) == 0
    else:
        connection()
    assert scheduled()["tasks"] == 8


@remedy_of(errors.MissingBucket)
@pytest.mark.usefixtures("deferrals")
@pytest.mark.parametrize("way", ["bucket", "argument"])
def test_the_bucket_of_an_argument_is_created(scheduled: Any, installation: Aws, way: str) -> None:
    """Or the argument is corrected."""
    given = {"wait_for_completion": True, "deferrable": True, "results": "s3://another-bucket/out"}
    refusal(errors.MissingBucket, lambda: scheduled(**given), "create this bucket, or correct the argument results")
    if way == "bucket":
        where = {"LocationConstraint": installation.region}
        installation.s3.create_bucket(Bucket="another-bucket", CreateBucketConfiguration=where)
    else:
        given["results"] = f"s3://{installation.bucket}/out"
    with pytest.raises(Deferred):
        scheduled(**given)
    assert len(installation.rows()) == 8


@remedy_of(errors.JobConflict)
@pytest.mark.parametrize("way", ["old content", "clear"])
def test_a_conflict_ends(scheduled: Any, installation: Aws, way: str) -> None:
    """With the old content nothing is written again; a clear schedules the new content."""
    scheduled()
    refusal(errors.JobConflict, lambda: scheduled({"period": "last_3_days"}), "put the old content back, or clear")
    if way == "clear":
        assert scheduled({"period": "last_3_days"}, max_tries=1)["tasks"] == 12
    else:
        assert scheduled()["tasks"] == 8
    assert len(installation.rows()) == (20 if way == "clear" else 8)


@remedy_of(errors.MissingQueueFile)
@pytest.mark.parametrize("wrong", ["queue_file", "queue_bucket", "s3_prefix"])
def test_a_queue_file_is_named_rightly(
    installation: Aws, context: MakeContext, connection: Configure, wrong: str
) -> None:
    """`queue_file` is corrected, or the bucket or the prefix of the Connection."""
    left(installation)
    elsewhere = {"queue_file": "x.txt", "queue_bucket": "another-bucket", "s3_prefix": "elsewhere"}[wrong]
    if wrong == "queue_bucket":
        where = {"LocationConstraint": installation.region}
        installation.s3.create_bucket(Bucket=elsewhere, CreateBucketConfiguration=where)
    connection(**({} if wrong == "queue_file" else {wrong: elsewhere}))
    refusal(
        errors.MissingQueueFile,
        lambda: draining(**({wrong: elsewhere} if wrong == "queue_file" else {})).execute(context()),
        "correct queue_file, or queue_bucket and s3_prefix in the extras",
    )
    connection()
    assert draining().execute(context())["tasks"] == 3


@remedy_of(errors.QueueFileLocked)
@pytest.mark.parametrize("way", ["its end", "argument", "option"])
def test_a_locked_queue_file_is_taken(installation: Aws, context: MakeContext, way: str) -> None:
    """Since its Scheduler has crashed. One that finishes removes the file, and nothing is left to drain."""
    left(installation, key=LOCKED)
    fix = "let it finish; if it has crashed, take the file with take_locked=True .--take-locked."
    refusal(errors.QueueFileLocked, lambda: draining().execute(context()), fix)
    if way == "its end":
        installation.s3.delete_object(Bucket=installation.bucket, Key=LOCKED)
        with pytest.raises(errors.MissingQueueFile, match="it may be drained already"):
            draining().execute(context())
    elif way == "argument":
        assert draining(take_locked=True).execute(context())["tasks"] == 3
    else:
        assert main(["drain", NAME, "--take-locked"]) == 0
    assert len(installation.rows()) == (0 if way == "its end" else 3)


@remedy_of(errors.InvalidQueueFile)
@pytest.mark.parametrize("way", ["corrected", "removed"])
def test_a_queue_file_is_corrected(installation: Aws, context: MakeContext, way: str) -> None:
    """The wrong lines are corrected or removed in the file, which has kept its name; then it is drained."""
    good = json.dumps({"labourer_id": LABOURER, "q": 1})
    left(installation, [good, "{"])
    refusal(
        errors.InvalidQueueFile, lambda: draining().execute(context()), "correct these lines .*, then drain it again"
    )
    assert list(installation.queue_files()) == [KEY]
    left(installation, [good, good] if way == "corrected" else [good])
    assert draining().execute(context())["tasks"] == (2 if way == "corrected" else 1)


@remedy_of(errors.JobDelivered)
def test_a_delivered_job_is_written_here(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """By a clear with `on_clear="reschedule"` and `delivery="tasks"`."""
    day = datetime(2026, 3, 2, tzinfo=timezone.utc)
    schedule(tutorial_job, delivery="queue_file").execute(context(day))
    refusal(errors.JobDelivered, lambda: schedule(tutorial_job).execute(context(day)), "on_clear='reschedule'")
    schedule(tutorial_job, on_clear="reschedule", delivery="tasks").execute(context(day, max_tries=1))
    assert len(installation.rows()) == 8
