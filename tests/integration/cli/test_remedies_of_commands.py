"""The fix that the error of a command names, carried out to the letter."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow.cli import deployments, main
from sosw_airflow.testing.kit import Sosw
from tests.conftest import REGION, Aws
from tests.integration.cli.conftest import Configure
from tests.integration.cli.test_import_config_stores import MERGED, ORCHESTRATOR, SCHEDULER, put_into_ssm
from tests.support.lambda_functions import make_function

JOB = {"words": ["a", "b"], "isolate_words": True}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `job.json`, to be in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, fix: str, code: int = 2) -> str:
    """What a command says that ends with this code; it names this fix."""
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert f"Fix: {fix}" in said
    return said


@pytest.fixture
def no_airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """This environment has none, until it is undone."""
    with pytest.MonkeyPatch.context() as patch:
        find = deployments.find_spec
        patch.setattr(deployments, "find_spec", lambda name: None if name == "airflow" else find(name))
        yield patch


def test_an_environment_without_airflow(
    sosw: Sosw, no_airflow: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command is run where Airflow is."""
    refused(capsys, "jobs", fix="run it where Airflow is installed")
    no_airflow.undo()
    assert main(["jobs"]) == 0


def test_a_plan_without_airflow(
    no_airflow: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    """The option of each message replaces a Variable."""
    (folder / "labourers.json").write_text('{"pull": {}}')
    plan = ["plan", "job.json", "--labourer", "pull"]
    assert "sosw_labourers" in refused(capsys, *plan, fix="give --labourers")
    plan += ["--labourers", "labourers.json"]
    assert "sosw_job_schemas" in refused(capsys, *plan, fix="give --schema")
    assert main([*plan, "--schema", '{"chunkable_attrs": ["word"]}']) == 0


def test_a_job_without_a_labourer(sosw: Sosw, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named beside the job."""
    refused(capsys, "schedule", "job.json", fix="give --labourer")
    assert main(["schedule", "job.json", "--labourer", "pull"]) == 0


def test_the_assistants_options_without_the_assistant(
    aws: Aws, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option that is missing is added."""
    make_function("worker")
    refused(capsys, "init", "--connect", "worker", fix="add --assistant")
    assert main(["init", "--connect", "worker", "--assistant"]) == 0


@pytest.mark.parametrize("one", ["--once", "--until-idle"])
def test_two_ends_of_an_orchestration(sosw: Sosw, capsys: pytest.CaptureFixture[str], one: str) -> None:
    """One of both is given."""
    refused(capsys, "orchestrate", "--once", "--until-idle", fix="give --once or --until-idle, not both")
    assert main(["orchestrate", one]) == 0


@pytest.mark.usefixtures("mocked_aws")
@pytest.mark.parametrize("way", ["option", "environment"])
def test_an_import_without_a_region(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, way: str
) -> None:
    """It is given by the option or by the environment."""
    put_into_ssm({"sosw_scheduler_config": SCHEDULER, "sosw_orchestrator_config": ORCHESTRATOR})
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    refused(capsys, "import-config", "ssm", fix="name it with --region, or set AWS_DEFAULT_REGION")
    if way == "environment":
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    option = ["--region", REGION] if way == "option" else []
    assert main(["import-config", "ssm", "--output-dir", str(folder), *option]) == 0
    assert json.loads((folder / "variables.json").read_text()) == MERGED


def test_a_job_that_a_fault_interrupts(
    sosw: Sosw, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the message resumes it: every task is there once."""
    from sosw_airflow.exceptions import NoProgress
    from sosw_airflow.scheduling.page_writer import PageWriter

    def refuse(*_: Any, **__: Any) -> None:
        raise NoProgress(job_id="j", done=0, total=2, seconds=300.0, last="too much")

    with monkeypatch.context() as patch:
        patch.setattr(PageWriter, "write", refuse)
        said = refused(capsys, "schedule", "job.json", "--labourer", "pull", fix="this resumes it:", code=1)
    (command,) = re.findall(r"^  (sosw-airflow schedule .*)$", said, re.MULTILINE)
    assert main(shlex.split(command)[1:]) == 0
    assert main(shlex.split(command)[1:]) == 0
    assert len(sosw.tasks("pull")) == 2
