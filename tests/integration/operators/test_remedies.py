"""The fix that an error's message names, carried out to the letter. Every class has such a test, or a reason."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow import exceptions as errors
from sosw_airflow.cli import main
from sosw_airflow.jobs.rows import Row, row_item
from sosw_airflow.operators.sosw import SoswScheduleOperator
from tests.conftest import Aws
from tests.integration.docs.test_troubleshooting import errors as every_error
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.integration.operators.test_drain import KEY, LOCKED, draining, left

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
def test_a_connection_is_corrected(scheduled: Any, connection: Configure) -> None:
    """The line names the Connection and its extra."""
    connection(max_rows_per_second=-1)
    refusal(errors.InvalidConfiguration, scheduled, "correct what each line names: the Connection")
    connection()
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
def test_a_schema_is_added(scheduled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the Variable."""
    refusal(errors.UnknownJobSchema, lambda: scheduled(job_schema="new"), "add it to the Variable sosw_job_schemas")
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", json.dumps({"new": {"chunkable_attrs": ["topic", "word"]}}))
    assert scheduled(job_schema="new")["tasks"] == 8


@remedy_of(errors.InvalidJobSchema)
def test_a_schema_is_corrected(scheduled: Any) -> None:
    """The operator's."""
    wrong, right = ({"chunkable_attrs": ["topic", name]} for name in ("words", "word"))
    refusal(errors.InvalidJobSchema, lambda: scheduled(job_schema=wrong), "the operator's job_schema")
    assert scheduled(job_schema=right)["tasks"] == 8


@remedy_of(errors.InvalidJob)
def test_a_job_is_corrected(scheduled: Any) -> None:
    """Every line of the message."""
    refusal(errors.InvalidJob, lambda: scheduled({"period": "last_fortnight"}), "correct every line above")
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
def test_the_queue_runs_empty(scheduled: Any, installation: Aws) -> None:
    """Then a retry succeeds."""
    newest = row_item(Row("f" * 32, LABOURER, "{}", 0.0, int(time.time()) - 10))
    installation.dynamodb.put_item(TableName=installation.names.tasks_table, Item=newest)
    refusal(errors.QueueFull, scheduled, "let the queue run empty and retry")
    installation.dynamodb.delete_item(TableName=installation.names.tasks_table, Key={"task_id": newest["task_id"]})
    assert scheduled()["tasks"] == 8


@remedy_of(errors.MissingCredentials)
@pytest.mark.parametrize("way", ["AWS Connection", "environment", "profile"])
def test_credentials_are_given(
    scheduled: Any, connection: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """By the AWS Connection that aws_conn_id names, by the two variables, or by a profile."""
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
    else:
        profiles = tmp_path / "credentials"
        profiles.write_text("[sosw]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
        monkeypatch.setenv("AWS_PROFILE", "sosw")
    assert scheduled()["tasks"] == 8


@remedy_of(errors.MissingTable)
@pytest.mark.parametrize("way", ["init", "setting"])
def test_a_table_is_created(scheduled: Any, connection: Configure, way: str) -> None:
    """By the command of the message, or the setting that it names is corrected."""
    connection(jobs_table="elsewhere")
    refusal(errors.MissingTable, scheduled, "`sosw-airflow init --apply`, or correct 'jobs_table'")
    if way == "init":
        assert main(["init", "--apply"]) == 0
    else:
        connection()
    assert scheduled()["tasks"] == 8


@remedy_of(errors.MissingBucket)
def test_a_bucket_is_created(scheduled: Any, connection: Configure) -> None:
    """By the command of the message."""
    connection(queue_bucket="another-bucket")
    refusal(errors.MissingBucket, scheduled, "`sosw-airflow init --apply`, or correct queue_bucket")
    assert main(["init", "--apply"]) == 0
    assert scheduled()["tasks"] == 8


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
def test_a_queue_file_is_named_rightly(installation: Aws, context: MakeContext) -> None:
    """`queue_file` is corrected."""
    left(installation)
    refusal(errors.MissingQueueFile, lambda: draining(queue_file="x.txt").execute(context()), "correct queue_file")
    assert draining().execute(context())["tasks"] == 3


@remedy_of(errors.QueueFileLocked)
def test_a_locked_queue_file_is_taken(installation: Aws, context: MakeContext) -> None:
    """Since its Scheduler has crashed."""
    left(installation, key=LOCKED)
    refusal(errors.QueueFileLocked, lambda: draining().execute(context()), "take the file with take_locked=True")
    assert draining(take_locked=True).execute(context())["tasks"] == 3


@remedy_of(errors.InvalidQueueFile)
def test_a_queue_file_is_corrected(installation: Aws, context: MakeContext) -> None:
    """The wrong lines are removed from the file, which has kept its name; then it is drained."""
    good = json.dumps({"labourer_id": LABOURER, "q": 1})
    left(installation, [good, "{"])
    refusal(
        errors.InvalidQueueFile, lambda: draining().execute(context()), "correct these lines .*, then drain it again"
    )
    assert list(installation.queue_files()) == [KEY]
    left(installation, [good])
    assert draining().execute(context())["tasks"] == 1


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
