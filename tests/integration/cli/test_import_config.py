"""`sosw-airflow import-config`: files in, Connection and Variables out."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow.cli import main
from tests.unit.config import documented

DOCUMENTED = Path(documented.__file__)
SCHEDULER = {
    "queue_bucket": "bucket",
    "job_schema": {"chunkable_attrs": [["topic", {}], ["word", {}]]},
    "task_config": {"labourers": {"worker": {"arn": "arn:aws:lambda:us-west-2:000000000000:function:worker"}}},
}


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """A function that writes a file and gives its path."""

    def write(content: Any, name: str = "") -> str:
        path = tmp_path / (name or ("config.py" if isinstance(content, str) else "config.json"))
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return write


def imported(capsys: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """Run the command with --output-dir; all that it wrote and what it printed."""
    assert main(["import-config", *arguments, "--output-dir", str(tmp_path / "out")]) == 0
    written = {
        name: json.loads((tmp_path / "out" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("connections", "variables")
    }
    return {**written, "printed": capsys.readouterr().out}


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Run the command, which refuses; the reasons."""
    assert main(["import-config", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert lines[-1].startswith("Fix: ")
    return [line[4:] for line in lines[1:-1]]


def test_the_documented_configuration_as_a_python_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The dict literals of sosw's documentation, which refer to each other by name, are read without executing them."""
    result = imported(capsys, tmp_path, str(DOCUMENTED))
    assert result["connections"] == {
        "sosw_default": {
            "conn_type": "sosw",
            "extra": {
                "aws_conn_id": "aws_default",
                "queue_bucket": "some-bucket",
                "closed_tasks_table": "sosw_closed_tasks",
                "retry_tasks_table": "sosw_retry_tasks",
                "tasks_table": "sosw_tasks",
                "index_greenfield": "sosw_tasks_greenfield",
            },
        }
    }
    assert result["variables"] == {
        "sosw_labourers": documented.TASK_CLIENT_CONFIG["labourers"],
        "sosw_job_schemas": {"default": {"chunkable_attrs": []}},
    }
    assert "Not taken over" not in result["printed"]


def test_documentation_pasted_with_its_indentation(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any
) -> None:
    """A block that is indented as a whole, as in a page of documentation, is read as well."""
    text = "".join(f"    {line}" for line in DOCUMENTED.read_text(encoding="utf-8").splitlines(keepends=True)[1:])
    assert imported(capsys, tmp_path, file(text)) == imported(capsys, tmp_path, str(DOCUMENTED))


def test_the_configuration_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any) -> None:
    """JSON of one document, as sosw keeps it in SSM."""
    result = imported(capsys, tmp_path, file(SCHEDULER, "sosw_scheduler_config.json"))
    assert result["variables"] == {
        "sosw_labourers": SCHEDULER["task_config"]["labourers"],  # type: ignore[index]
        "sosw_job_schemas": {"default": {"chunkable_attrs": ["topic", "word"]}},
    }


def test_json_with_several_documents(capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any) -> None:
    """One JSON file may have the Scheduler's and the Orchestrator's configuration under their names."""
    orchestrator = {"task_config": {"labourers": {"worker": {"max_simultaneous_invocations": 3}}}}
    content = {"sosw_scheduler_config": SCHEDULER, "sosw_orchestrator_config": orchestrator, "mine_config": {}}
    result = imported(capsys, tmp_path, file(content, "all.json"))
    assert result["variables"]["sosw_labourers"]["worker"]["max_simultaneous_invocations"] == 3
    assert "  - all.json: mine_config is none of the documents that are read here" in result["printed"]


def test_the_orchestrators_own_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any) -> None:
    """--orchestrator adds what the Orchestrator knows of the labourers."""
    orchestrator = file(
        """
TASK_CLIENT_CONFIG = {'labourers': {'worker': {'health_metrics': {'m': {'feelings': {3: 50}}}}}}
ORCHESTRATOR_CONFIG = {'task_config': TASK_CLIENT_CONFIG}
""",
        "orchestrator.py",
    )
    result = imported(capsys, tmp_path, file(SCHEDULER, "s.json"), "--orchestrator", orchestrator)
    assert result["variables"]["sosw_labourers"]["worker"]["health_metrics"] == {"m": {"feelings": {"3": 50}}}


def test_ids_can_be_chosen(capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any) -> None:
    """--conn-id names the Connection, --aws-conn-id the AWS Connection that it uses."""
    result = imported(capsys, tmp_path, file(SCHEDULER), "--conn-id", "sosw_eu", "--aws-conn-id", "aws_eu")
    assert result["connections"]["sosw_eu"]["extra"]["aws_conn_id"] == "aws_eu"


@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("SCHEDULER_CONFIG = {'queue_bucket': 'a' + '-b'}", "a-b"),
        ("NAME = 'b'\nSCHEDULER_CONFIG = {'queue_bucket': f'a-{NAME}'}", "a-b"),
        ("BASE = {'queue_bucket': 'a'}\nSCHEDULER_CONFIG = {**BASE, 'queue_bucket': 'b'}", "b"),
        ("ALL = {'s': {'queue_bucket': 'b'}}\nSCHEDULER_CONFIG: dict = ALL['s']", "b"),
        ("N = 'a'\nSCHEDULER_CONFIG = {'queue_bucket': N}\nN = 'b'", "a"),
        ("import os\nX = os.environ['X']\nSCHEDULER_CONFIG = {'queue_bucket': 'b'}", "b"),
    ],
    ids=["concatenation", "f-string", "unpacking", "subscript", "later assignment", "unused unknown"],
)
def test_python_that_needs_no_execution(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any, text: str, bucket: str
) -> None:
    """Names, concatenations, f-strings of names, unpacked dicts and subscripts are resolved."""
    assert imported(capsys, tmp_path, file(text))["connections"]["sosw_default"]["extra"]["queue_bucket"] == bucket


def test_python_that_needs_execution_is_refused(capsys: pytest.CaptureFixture[str], file: Any) -> None:
    """Calls, comprehensions and unknown names are refused with their lines, and nothing is executed."""
    text = """
import os, pathlib
TASK_CLIENT_CONFIG = {'labourers': {n: {} for n in 'ab'}}
SCHEDULER_CONFIG = {
    'queue_bucket': os.environ['BUCKET'],
    's3_prefix': pathlib.Path('made').touch(),
    'task_config': TASK_CLIENT_CONFIG,
    'job_schema': UNKNOWN,
}
"""
    why = "cannot be known without executing the file; write the value itself"
    assert sorted(refusal(capsys, file(text))) == [
        f"config.py, line 3: {why}: {{n: {{}} for n in 'ab'}}",
        f"config.py, line 5: {why}: os.environ",
        f"config.py, line 6: {why}: pathlib.Path('made').touch()",
        f"config.py, line 8: {why}: UNKNOWN",
    ]
    assert not Path("made").exists()


def test_statements_that_would_change_a_document_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any
) -> None:
    """A later `CONFIG["x"] = ...` or `.update()` is not executed, and it is not dropped silently."""
    text = "SCHEDULER_CONFIG = {'queue_bucket': 'b'}\nSCHEDULER_CONFIG['queue_bucket'] = 'c'\nprint('unrelated')\n"
    printed = imported(capsys, tmp_path, file(text))["printed"]
    assert "  - config.py, line 2: is not executed: SCHEDULER_CONFIG['queue_bucket'] = 'c'" in printed
    assert "unrelated" not in printed


def test_a_refusal_gives_all_reasons(capsys: pytest.CaptureFixture[str], file: Any) -> None:
    """Every reason has its path, on stderr."""
    content = {"task_config": {"dynamo_db_config": {"field_names": {"payload": "p"}}}}
    assert [reason.split(": ")[0] for reason in refusal(capsys, file(content, "c.json"))] == [
        "scheduler.task_config.dynamo_db_config.field_names.payload",
        "scheduler.queue_bucket",
    ]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("c.json", "{'a': 1}", "c.json: is not valid JSON ("),
        ("c.py", "A = {", "c.py, line 1: is not Python"),
        ("c.py", "A = {}", "c.py: assigns none of SCHEDULER_CONFIG"),
        ("c.py", "ORCHESTRATOR_CONFIG = {}", "c.py: has no configuration of the Scheduler"),
        ("c.py", "SCHEDULER_CONFIG = {[]: 1}", "c.py, line 1: cannot be evaluated"),
    ],
)
def test_files_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], file: Any, name: str, text: str, reason: str
) -> None:
    """A file that is neither, or has no configuration of the Scheduler, is refused with its name."""
    assert refusal(capsys, file(text, name))[0].startswith(reason)


def test_an_orchestrators_file_without_its_configuration(capsys: pytest.CaptureFixture[str], file: Any) -> None:
    """The file of --orchestrator must have the Orchestrator's configuration."""
    other = file("SCHEDULER_CONFIG = {}", "o.py")
    assert refusal(capsys, file(SCHEDULER), "--orchestrator", other) == [
        "o.py: has no configuration of the Orchestrator (ORCHESTRATOR_CONFIG)"
    ]


def test_without_apply_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the command only shows what it would write."""
    path = file(SCHEDULER)
    monkeypatch.chdir(tmp_path)
    assert main(["import-config", path]) == 0
    assert capsys.readouterr().err.endswith(
        "Nothing was written: --apply writes this into Airflow, --output-dir DIR into files.\n"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_a_missing_file_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as for wrong arguments."""
    assert main(["import-config", "nowhere.json"]) == 2
    assert "nowhere.json" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["import-config"], ["import-config", "a", "--nope"]])
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's own exit code."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_the_command_is_light() -> None:
    """Showing an import loads neither Airflow nor boto3."""
    code = (
        "import sys; from sosw_airflow.cli import main; "
        f"assert main(['import-config', {str(DOCUMENTED)!r}]) == 0; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'airflow', 'boto3', 'botocore', 'sosw'}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_what_airflow_says_is_shown_when_it_refuses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Airflow that does not take the Variables makes the command fail with Airflow's own words."""
    fake = tmp_path / "fake" / "airflow"
    fake.mkdir(parents=True)
    (fake / "__init__.py").touch()
    (fake / "__main__.py").write_text("print('0 of 2 variables successfully updated.')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(fake.parent))
    assert main(["import-config", file(SCHEDULER), "--apply"]) == 1
    printed = capsys.readouterr().err
    assert "airflow variables import" in printed
    assert "0 of 2 variables" in printed


@pytest.mark.slow
def test_apply_writes_into_a_real_airflow(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented configuration, applied twice, is then the Connection and the Variables of this Airflow."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/airflow.db")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")  # so that the database can be read without another Airflow
    airflow("db", "migrate")
    for bucket in ("old-bucket", "some-bucket"):
        text = DOCUMENTED.read_text(encoding="utf-8").replace("some-bucket", bucket)
        (tmp_path / "config.py").write_text(text, encoding="utf-8")
        assert main(["import-config", str(tmp_path / "config.py"), "--apply"]) == 0, capsys.readouterr().err
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
        connections = database.execute("SELECT conn_id, conn_type, extra FROM connection WHERE conn_id LIKE 'sosw%'")
        [(conn_id, conn_type, extra)] = connections.fetchall()
        variables = dict(database.execute("SELECT key, val FROM variable").fetchall())
    assert (conn_id, conn_type, json.loads(extra)["queue_bucket"]) == ("sosw_default", "sosw", "some-bucket")
    assert {name: json.loads(text) for name, text in variables.items()} == {
        "sosw_labourers": documented.TASK_CLIENT_CONFIG["labourers"],
        "sosw_job_schemas": {"default": {"chunkable_attrs": []}},
    }


def airflow(*arguments: str) -> None:
    """Run a command of the real Airflow."""
    command = [sys.executable, "-m", "airflow", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert result.returncode == 0, result.stdout + result.stderr


def test_only_the_owner_may_read_what_is_written(capsys: pytest.CaptureFixture[str], file: Any, tmp_path: Path) -> None:
    """Also where a former run has left a file that others may read."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "variables.json").touch(mode=0o644)
    imported(capsys, tmp_path, file(SCHEDULER))
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}
