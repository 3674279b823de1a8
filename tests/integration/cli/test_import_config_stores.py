"""`sosw-airflow import-config dynamodb` and `ssm`: from where sosw's Lambdas read their configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from sosw_airflow.cli import main
from tests.conftest import REGION

SCHEDULER = {
    "queue_bucket": "bucket",
    "job_schema": {"chunkable_attrs": [["topic", {}], ["word", {}]]},
    "task_config": {"labourers": {"worker": {"arn": "arn:aws:lambda:us-west-2:000000000000:function:worker"}}},
}
ORCHESTRATOR = {"task_config": {"labourers": {"worker": {"max_simultaneous_invocations": 3}}}}
MERGED = {
    "sosw_labourers": {
        "worker": {**SCHEDULER["task_config"]["labourers"]["worker"], "max_simultaneous_invocations": 3}  # type: ignore[index]
    },
    "sosw_job_schemas": {"default": {"chunkable_attrs": ["topic", "word"]}},
}

Put = Callable[..., None]

pytestmark = pytest.mark.usefixtures("mocked_aws")


def put_into_dynamodb(documents: dict[str, Any], env: str = "production", table: str = "config") -> None:
    """Write the table as sosw has it."""
    dynamodb = boto3.client("dynamodb")
    keys = {"env": "HASH", "config_name": "RANGE"}
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
    )
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        item = {"env": {"S": env}, "config_name": {"S": name}, "config_value": {"S": text}}
        dynamodb.put_item(TableName=table, Item=item)


def put_into_ssm(documents: dict[str, Any]) -> None:
    """Write the parameters, encrypted."""
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        boto3.client("ssm").put_parameter(Name=name, Value=text, Type="SecureString")


PUT = {"dynamodb": put_into_dynamodb, "ssm": put_into_ssm}
each_store = pytest.mark.parametrize("store", ["dynamodb", "ssm"])


def variables(tmp_path: Path, *arguments: str) -> Any:
    """The Variables that an import gives."""
    assert main(["import-config", *arguments, "--output-dir", str(tmp_path)]) == 0
    return json.loads((tmp_path / "variables.json").read_text(encoding="utf-8"))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What an import that is refused says."""
    assert main(["import-config", *arguments]) == 1
    printed = capsys.readouterr()
    assert "of type sosw, extras:" not in printed.out  # where Airflow 2 is loaded, boto3's log stands there
    return printed.err


@each_store
def test_both_configurations(store: str, tmp_path: Path) -> None:
    """The Scheduler's and the Orchestrator's are found under sosw's names."""
    PUT[store]({"sosw_scheduler_config": SCHEDULER, "sosw_orchestrator_config": ORCHESTRATOR})
    assert variables(tmp_path, store) == MERGED


@each_store
def test_other_names(store: str, tmp_path: Path) -> None:
    """Lambda functions may be called otherwise."""
    PUT[store]({"/my/planner_config": SCHEDULER, "/my/conductor_config": ORCHESTRATOR})
    names = ("--scheduler-name", "/my/planner_config", "--orchestrator-name", "/my/conductor_config")
    assert variables(tmp_path, store, *names) == MERGED


@each_store
def test_without_an_orchestrator(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The Scheduler's alone is enough, and that is said."""
    PUT[store]({"sosw_scheduler_config": SCHEDULER})
    assert variables(tmp_path, store)["sosw_labourers"] == SCHEDULER["task_config"]["labourers"]  # type: ignore[index]
    assert "sosw_orchestrator_config: is not there, so that all comes from" in capsys.readouterr().out


@each_store
def test_the_orchestrator_from_a_file(store: str, tmp_path: Path) -> None:
    """`--orchestrator` adds a file's to a store's."""
    PUT[store]({"sosw_scheduler_config": SCHEDULER})
    file = tmp_path / "orchestrator.json"
    file.write_text(json.dumps(ORCHESTRATOR), encoding="utf-8")
    assert variables(tmp_path, store, "--orchestrator", str(file)) == MERGED


def test_another_table_and_environment(tmp_path: Path) -> None:
    """`--table` and `--env` name them, `--region` says where."""
    put_into_dynamodb({"sosw_scheduler_config": SCHEDULER, "sosw_orchestrator_config": ORCHESTRATOR}, "dev", "settings")
    place = ("--table", "settings", "--env", "dev", "--region", REGION)
    assert variables(tmp_path, "dynamodb", *place) == MERGED


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("dynamodb", "table config, env production, sosw_scheduler_config: is not there: name the Scheduler's"),
        ("ssm", "SSM parameter sosw_scheduler_config: is not there: name the Scheduler's"),
    ],
)
def test_without_a_scheduler(store: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Is refused, with the place that was read."""
    PUT[store]({"sosw_orchestrator_config": ORCHESTRATOR})
    assert said in refusal(capsys, store)


@each_store
@pytest.mark.parametrize(
    ("text", "problem"), [("{'a': 1}", "is not valid JSON ("), ("[1]", "must be an object, not [1]")]
)
def test_no_json(store: str, text: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Is refused with its name."""
    PUT[store]({"sosw_scheduler_config": SCHEDULER, "sosw_orchestrator_config": text})
    assert f"sosw_orchestrator_config: {problem}" in refusal(capsys, store)


def test_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """It may be in another region."""
    assert "table config: does not exist in this region" in refusal(capsys, "dynamodb")


@each_store
def test_an_aws_that_does_not_answer(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Is reported in one line, without a traceback."""
    said = refusal(capsys, store, "--endpoint-url", "http://127.0.0.1:9")
    assert said.count("\n") == 1
    assert "127.0.0.1:9" in said


@each_store
def test_no_credentials(store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says where boto3 has searched; a Connection is no place for them here."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    said = refusal(capsys, store)
    assert "There are no AWS credentials. Searched: the environment (AWS_ACCESS_KEY_ID is not set); the profile" in said
    assert "Fix: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role. AWS's client says: " in said
    assert "Connection" not in said


@each_store
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "no region is known. Fix: name it with --region, or set AWS_DEFAULT_REGION"),
        (["--region", "us west"], "--region cannot be used: Provided region_name 'us west'"),
        (["--region", REGION, "--endpoint-url", "localhost:4566"], "--endpoint-url cannot be used: Invalid endpoint"),
        (["--region", REGION, "--endpoint-url", "http://[::1"], "--endpoint-url cannot be used: Invalid IPv6 URL"),
    ],
)
def test_no_place_to_ask(
    store: str,
    arguments: list[str],
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A region or an endpoint that boto3 cannot use is wrong usage, and no traceback."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert main(["import-config", store, *arguments]) == 2
    assert f"sosw-airflow import-config: {problem}" in capsys.readouterr().err
