"""Input that is refused: what the error says, and that nothing was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sosw_airflow import exceptions as errors
from sosw_airflow._compat import AirflowFailException
from sosw_airflow.operators.sosw import SoswScheduleOperator
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext

Schedule = Callable[..., SoswScheduleOperator]


@pytest.fixture
def nothing_written(installation: Aws) -> Iterator[Aws]:
    """Fails the test if a row, a job record, an object or the beginning of one is left behind."""
    yield installation
    assert [] == installation.rows()
    assert [] == installation.rows(installation.names.jobs_table)
    assert {} == installation.queue_files()
    assert [] == installation.s3.list_multipart_uploads(Bucket=installation.bucket).get("Uploads", [])


pytestmark = pytest.mark.usefixtures("nothing_written")


def test_an_unknown_labourer(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """The registered ones are listed."""
    with pytest.raises(errors.UnknownLabourer, match=f"'nobody' is not registered.*{LABOURER}"):
        schedule(tutorial_job, labourer="nobody").execute(context())


@pytest.mark.parametrize(
    ("error", "changes", "arguments"),
    [
        (errors.UnknownLabourer, {}, {"labourer": "x" * 140}),
        (errors.ConflictingLabourers, {"lambda_name": "y" * 140}, {"labourer": "x" * 140}),
        (errors.UnknownJobSchema, {}, {"job_schema": "x" * 100_000}),
    ],
)
def test_names_of_any_length(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, error: Any, changes: Any, arguments: Any
) -> None:
    """A message shows the first 80 characters."""
    with pytest.raises(error, match="'xxxx.*x\\.\\.\\.'") as refused:
        schedule({**tutorial_job, **changes}, **arguments).execute(context())
    assert len(str(refused.value)) < 600


def test_no_labourer_at_all(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """Both places where it can be given are named."""
    with pytest.raises(errors.InvalidConfiguration, match="the operator's labourer, or lambda_name in the job"):
        schedule(tutorial_job, labourer=None).execute(context())


def test_labourers_that_disagree(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """The operator's and the job's."""
    with pytest.raises(errors.ConflictingLabourers, match=f"{LABOURER}.*'other'"):
        schedule({**tutorial_job, "lambda_name": "other"}).execute(context())


def test_an_unknown_period(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """The known ones are listed."""
    with pytest.raises(errors.InvalidJob, match="period: 'last_fortnight' is not a known period; these are: last_N"):
        schedule({**tutorial_job, "period": "last_fortnight"}).execute(context())


@pytest.mark.parametrize("where", ["operator", "job"])
def test_an_unknown_schema(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], where: str) -> None:
    """The configured variants are listed."""
    in_job = {"job_schema_name": "shops"} if where == "job" else {}
    in_operator = {"job_schema": "shops"} if where == "operator" else {}
    with pytest.raises(errors.UnknownJobSchema, match="'shops' is not known.*default, shop"):
        schedule({**tutorial_job, **in_job}, **in_operator).execute(context())


def test_a_chunkable_attribute_in_the_plural(
    schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """As in sosw, the names in a schema are singular."""
    with pytest.raises(errors.InvalidJobSchema, match=r"chunkable_attrs\[1\]: 'words' ends in 's'"):
        schedule(tutorial_job, job_schema={"chunkable_attrs": ["topic", "words"]}).execute(context())


def test_wrong_types_deep_in_the_job(schedule: Schedule, context: MakeContext) -> None:
    """Every fault is reported, each with its path."""
    job = {
        "isolate_products": True,
        "sections": {
            "a": {"stores": {"x": {"products": [{"apple": 1}, 2]}, "y": 5}},
            "b": {"stores": {"z": {"products": ["p"], "max_products_per_batch": -1}}},
        },
    }
    with pytest.raises(errors.InvalidJob) as refused:
        schedule(job, job_schema="shop").execute(context())
    assert [
        "sections.b.stores.z.max_products_per_batch",
        "sections.a.stores.x.products",
        "sections.a.stores.y",
    ] == [fault.path for fault in refused.value.faults]


def test_what_json_does_not_know(schedule: Schedule, context: MakeContext) -> None:
    """NaN, dates, sets and keys that are not text, each with its path."""
    job = {"a": float("nan"), "b": {"c": [{1, 2}]}, "d": {7: None}}
    with pytest.raises(errors.InvalidJob) as refused:
        schedule(job).execute(context())
    assert ["a", "b.c[0]", "d"] == [fault.path for fault in refused.value.faults]


def test_a_task_over_the_limit_of_a_row(schedule: Schedule, context: MakeContext) -> None:
    """The task and its largest attribute are named."""
    job = {"topics": {"small": None, "big": {"words": ["x" * 500_000]}}, "isolate_topics": True}
    with pytest.raises(errors.TaskTooLarge, match=r"Task number 2 .* DynamoDB item is 409,600 bytes.*'words'"):
        schedule(job).execute(context())


def test_a_task_over_the_limit_of_a_payload(
    schedule: Schedule, context: MakeContext, installation: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of Lambda is a setting."""
    extra = {"queue_bucket": installation.bucket, "aws_conn_id": "", "lambda_payload_limit": 262144}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    with pytest.raises(errors.TaskTooLarge, match="the limit of a Lambda payload .* is 262,144 bytes"):
        schedule({"text": "x" * 300_000}).execute(context())


def test_more_tasks_than_fit_below_now(
    schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], installation: Aws
) -> None:
    """A queue that reaches up to the present takes nothing more."""
    import time

    from sosw_airflow.jobs.rows import Row, row_item

    newest = row_item(Row("f" * 32, LABOURER, "{}", 0.0, int(time.time()) - 10))
    installation.dynamodb.put_item(TableName=installation.names.tasks_table, Item=newest)
    with pytest.raises(errors.QueueFull, match="room for 0 of the job's 8 tasks"):
        schedule(tutorial_job).execute(context())
    installation.dynamodb.delete_item(TableName=installation.names.tasks_table, Key={"task_id": newest["task_id"]})


@pytest.mark.parametrize("setting", ["tasks_table", "jobs_table", "index_greenfield"])
def test_a_missing_table(
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: dict[str, Any],
    installation: Aws,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
) -> None:
    """The table and the setting that names it are named."""
    extra = {"queue_bucket": installation.bucket, "aws_conn_id": "", setting: "elsewhere"}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    with pytest.raises(errors.MissingTable, match=f"elsewhere.*'{setting}'"):
        schedule(tutorial_job).execute(context())


def test_a_missing_bucket(
    schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is named."""
    extra = {"queue_bucket": "no-such-bucket", "aws_conn_id": ""}
    monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
    with pytest.raises(errors.MissingBucket, match="There is no S3 bucket 'no-such-bucket'"):
        schedule(tutorial_job).execute(context())


@pytest.mark.parametrize(
    ("job", "problem"),
    [
        ('{"topics": ', r"the job is not valid JSON \("),
        ("[1, 2]", "the job must be an object"),
        ('{"job": "{"}', r"job: is not valid JSON \("),
        ("", "the job is an empty text"),
        ('{"a": {"b": 1, "b": 2}}', "a.b: occurs twice in the text"),
        (b'{"a": "\xff"}', "the job is not valid JSON .it is not UTF-8 text"),
        ("[" * 100_000, "the job is nested more than 100 levels deep"),
        ('{"a": %s}' % ("9" * 5000), "a: is an integer of more than 4,300 digits"),
        ('{"payload": "%s"}' % ("[" * 100_000), "payload: is nested more than 100 levels deep"),
        ('{"a": ["\\ud800"]}', r"a\[0\]: is the text .*, which UTF-8 cannot hold"),
    ],
)
def test_malformed_json(schedule: Schedule, context: MakeContext, job: Any, problem: str) -> None:
    """The message names the place and the rule, never an error of Python's own."""
    with pytest.raises(errors.InvalidJob, match=problem):
        schedule(job).execute(context())


def test_the_arn_of_another_service(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """The ARN of a queue is no labourer, wherever it is given."""
    arn = "arn:aws:sqs:us-west-2:123456789012:function"
    with pytest.raises(errors.InvalidJob, match="lambda_name: must be the name or the ARN of a Lambda function"):
        schedule({**tutorial_job, "lambda_name": arn}, labourer=None).execute(context())
    with pytest.raises(errors.InvalidConfiguration, match="labourer: must be the name or the ARN of a Lambda function"):
        schedule(tutorial_job, labourer=arn).execute(context())


def test_more_tasks_than_the_operator_allows(
    schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """They are counted, and nothing is planned."""
    with pytest.raises(errors.TooManyTasks, match="The job has 8 tasks, max_tasks allows 7. Nothing was written"):
        schedule(tutorial_job, max_tasks=7).execute(context())


def test_more_tasks_than_the_deployment_allows(
    schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's configuration has the default."""
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_TASKS", "5")
    with pytest.raises(errors.TooManyTasks, match="The job has 8 tasks, max_tasks allows 5"):
        schedule(tutorial_job).execute(context())
    monkeypatch.setenv("AIRFLOW__SOSW__MAX_TASKS", "many")
    with pytest.raises(errors.InvalidConfiguration, match=r"\[sosw\] max_tasks: must be a whole number"):
        schedule(tutorial_job).execute(context())


@pytest.mark.parametrize("wrong", [0, -1, "5", 1.5, True])
def test_a_limit_that_is_no_number(
    schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], wrong: Any
) -> None:
    """It is a fault of the operator's arguments."""
    with pytest.raises(errors.InvalidConfiguration, match="max_tasks: must be a whole number, 1 or more, not "):
        schedule(tutorial_job, max_tasks=wrong).execute(context())


def test_a_variable_that_names_code(
    schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profiler is importable everywhere; only listed modules are, and then the period is what it was."""
    schemas = {"default": {"chunkable_attrs": ["topic"], "custom_period_patterns": {".*": "cProfile:run"}}}
    monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", json.dumps(schemas))
    with pytest.raises(
        errors.InvalidJobSchema, match="names code in the module 'cProfile', which this deployment does"
    ):
        schedule({**tutorial_job, "period": "print('owned')"}).execute(context())
    monkeypatch.setenv("AIRFLOW__SOSW__CUSTOM_PERIOD_MODULES", "my_company.periods, tests.unit.jobs")
    with pytest.raises(errors.InvalidJobSchema, match=r"\(listed: my_company.periods, tests.unit.jobs\)"):
        schedule({**tutorial_job, "period": "print('owned')"}).execute(context())


def test_a_template_that_names_code(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """A schema given to the operator is templated, so its text names no code either."""
    schema = {"chunkable_attrs": ["topic"], "custom_period_patterns": {".*": "cProfile:run"}}
    with pytest.raises(errors.InvalidJobSchema, match="names code in the module 'cProfile'"):
        schedule(tutorial_job, job_schema=schema).execute(context())


@pytest.mark.parametrize(
    ("argument", "text", "reason"),
    [
        ("labourer", "None", 'labourer: is the text "None"'),
        ("labourer", "{{ params.labourer }}", "labourer: has a template that was not rendered"),
        ("job_schema", "{'chunkable_attrs': ['word']}", "job_schema: is the text of a Python dict, not JSON"),
        ("job_schema", "None", 'job_schema: is the text "None"'),
        ("reference_date", "None", 'reference_date: must be a date .*; it is the text "None"'),
    ],
)
def test_the_text_of_an_object_as_an_argument(
    schedule: Schedule, context: MakeContext, tutorial_job: Any, argument: str, text: str, reason: str
) -> None:
    """A template has made it; the message says how to give the value."""
    with pytest.raises(errors.InvalidConfiguration, match=reason):
        schedule(tutorial_job, **{argument: text}).execute(context())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"chunkable_attrs": ["topic"], "chunkable_attrs": ["topic", "word"]}', "chunkable_attrs.*twice"),
        ('{"chunkable_attrs": [NaN]}', "is nan, which JSON does not know"),
        ('{"a":' * 200 + "1" + "}" * 200, "levels deep"),
    ],
)
def test_a_schema_of_a_template_that_json_does_not_allow(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, text: str, problem: str
) -> None:
    """As in the Variable: of a key that occurs twice, the last one does not win in silence."""
    with pytest.raises(errors.InvalidJobSchema, match=problem):
        schedule(tutorial_job, job_schema=text).execute(context())
    assert installation.rows() == []


def test_a_job_schema_that_is_malformed_json(schedule: Schedule, context: MakeContext, tutorial_job: Any) -> None:
    """Where it is malformed is said."""
    with pytest.raises(errors.InvalidJobSchema, match="is not valid JSON"):
        schedule(tutorial_job, job_schema='{"chunkable_attrs": ').execute(context())


@pytest.mark.parametrize("job", [{}, {"job": {}}, "{}"])
def test_an_empty_job(schedule: Schedule, context: MakeContext, job: Any) -> None:
    """There is nothing to do."""
    with pytest.raises(errors.InvalidJob, match="the job is empty"):
        schedule(job).execute(context())


@pytest.mark.parametrize("topics", [{}, [], None, "absent"])
def test_a_job_that_expands_to_no_task(schedule: Schedule, context: MakeContext, topics: Any) -> None:
    """An attribute that is to be isolated but has no values anywhere."""
    job = {"isolate_topics": True} if topics == "absent" else {"topics": topics, "isolate_topics": True}
    with pytest.raises(errors.InvalidJob, match="topics: is to be chunked, but has no values anywhere"):
        schedule(job).execute(context())


def test_a_missing_connection(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """The command that creates it is named."""
    with pytest.raises(errors.InvalidConfiguration, match="airflow connections add sosw_other --conn-type sosw"):
        schedule(tutorial_job, sosw_conn_id="sosw_other").execute(context())


def test_a_reference_date_that_is_none(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """For instance a template that has rendered to something else."""
    with pytest.raises(errors.InvalidConfiguration, match="reference_date: must be a date .* not 'None'"):
        schedule(tutorial_job, reference_date="None").execute(context())


def test_an_unknown_queue_position(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """The two that exist are named."""
    with pytest.raises(errors.InvalidConfiguration, match="queue_position: must be 'back' or 'front', not 'middle'"):
        schedule(tutorial_job, queue_position="middle").execute(context())


def test_an_unknown_choice_on_clear(schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]) -> None:
    """The choices that exist are named."""
    with pytest.raises(
        errors.InvalidConfiguration, match="on_clear: must be 'reschedule' or 'failed' or 'resume', not 'again'"
    ):
        schedule(tutorial_job, on_clear="again").execute(context())


def test_no_retries_are_spent_on_a_refusal(
    schedule: Schedule, context: MakeContext, tutorial_job: dict[str, Any]
) -> None:
    """The error is also an AirflowFailException, and survives pickling."""
    import pickle

    with pytest.raises(AirflowFailException) as refused:
        schedule({**tutorial_job, "period": 5}).execute(context())
    again = pickle.loads(pickle.dumps(refused.value))
    assert isinstance(again, errors.InvalidJob)
    assert str(refused.value) == str(again)


def test_a_full_queue_is_worth_a_retry() -> None:
    """The Orchestrator empties it, so Airflow's retries help."""
    error = errors.QueueFull(labourer_id="a", tasks=2, room=1, base=1, now=2)
    assert error.retryable
    assert not isinstance(error, AirflowFailException)


def test_all_wrong_arguments_are_named_at_once(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """Each in a line of its own; a duration has an end."""
    wrong = {"queue_position": "x", "tolerated_failures": "x", "poll_interval": 10**400, "timeout": float("inf")}
    with pytest.raises(errors.InvalidConfiguration) as refused:
        schedule({"topics": ["a"]}, **wrong).execute(context())
    assert sorted(fault.path for fault in refused.value.faults) == sorted(wrong)
