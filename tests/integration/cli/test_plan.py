"""`sosw-airflow plan`, with files: no Airflow, no AWS."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow.cli import main
from sosw_airflow.scheduling.pace import PagePace, page_limits_for
from sosw_airflow.stores.task_queue import Capacity

JOB = {"words": ["a", "b", "c"], "isolate_words": True}
SCHEMA = '{"chunkable_attrs": ["word"]}'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with `job.json`."""
    monkeypatch.chdir(tmp_path)
    write("job.json", JOB)
    return tmp_path


def write(name: str, document: Any) -> None:
    """A JSON file in the present folder."""
    Path(name).write_text(json.dumps(document))


def plan(*arguments: str, schema: str = SCHEMA, job: str = "job.json", labourer: str = "worker") -> int:
    """The exit code."""
    return main(["plan", job, "--labourer", labourer, "--date", "2026-03-02", "--schema", schema, *arguments])


def figures(capsys: pytest.CaptureFixture[str], *arguments: str, **settings: str) -> dict[str, Any]:
    """The plan as JSON."""
    assert plan("--output", "json", *arguments, **settings) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_needs_neither_airflow_nor_aws() -> None:
    """With a schema given, neither is loaded, nor botocore."""
    script = (
        f"import sys; from sosw_airflow.cli import main\n"
        f"assert 0 == main(['plan', 'job.json', '--labourer', 'w', '--schema', {SCHEMA!r}])\n"
        f"assert not {{'airflow', 'boto3', 'botocore'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same figures, for programs."""
    plan = figures(capsys)
    assert (plan["source"], plan["tasks"], plan["labourer_id"]) == ("job.json", 3, "worker")


def test_a_job_from_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` stands for it."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"job": JOB})))
    assert figures(capsys, job="-")["tasks"] == 3


def test_the_labourer_of_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    """Is enough; an ARN is as good."""
    write("job.json", {**JOB, "lambda_name": "arn:aws:lambda:us-west-2:123456789012:function:puller"})
    assert main(["plan", "job.json", "--schema", SCHEMA, "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["labourer_id"] == "puller"


def test_today_is_the_reference_date_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    """In UTC."""
    assert main(["plan", "job.json", "--labourer", "w", "--schema", SCHEMA, "--output", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["reference_date"]) == 10


# -- schemas and labourers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {"chunkable_attrs": [["word", {}]]},
        {"default": {"chunkable_attrs": ["word"]}},
        {"job_schema_variants": {"default": {"chunkable_attrs": ["word"]}}},
    ],
)
def test_forms_of_a_schema_file(document: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One schema, named ones, a part of sosw's configuration."""
    write("schemas.json", document)
    assert figures(capsys, schema="schemas.json")["tasks"] == 3


def test_the_named_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the job, or else of the command line."""
    write("schemas.json", {"default": {}, "text": {"chunkable_attrs": ["word"]}})
    assert figures(capsys, "--schema-name", "text", schema="schemas.json")["tasks"] == 3
    write("job.json", {**JOB, "job_schema_name": "text"})
    assert figures(capsys, schema="schemas.json")["tasks"] == 3


def test_a_registered_labourer(capsys: pytest.CaptureFixture[str]) -> None:
    """Is in the file."""
    write("labourers.json", {"worker": {}})
    assert figures(capsys, "--labourers", "labourers.json")["tasks"] == 3


def test_data_interval(capsys: pytest.CaptureFixture[str]) -> None:
    """For a job that has it as its period."""
    write("job.json", {**JOB, "period": "data_interval", "isolate_days": True})
    assert figures(capsys, "--data-interval", "2026-01-01..2026-01-04")["tasks"] == 12


# -- how it is written -------------------------------------------------------------------------------------------------


def test_capacity_is_the_writers(capsys: pytest.CaptureFixture[str]) -> None:
    """Pages and pace of provisioned tables."""
    write("job.json", {**JOB, "words": [f"w{n}" for n in range(100)]})
    found = figures(capsys, "--write-units", "10", "--index-write-units", "20", "--jobs-write-units", "2")
    limits = page_limits_for(Capacity(10, 20), most_rows=99)
    pace = PagePace(Capacity(10, 20), Capacity(2), rows_per_second=None, clock=lambda: 0.0)
    assert found["pages"] == 100 // limits.units
    assert found["seconds"] == max(100 / (pace._units.rate or 0), found["pages"] / (pace._pages.rate or 0))


def test_meta_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Pages of 49, and a row more for each task."""
    write("job.json", {**JOB, "words": [f"w{n}" for n in range(100)]})
    found = figures(capsys, "--meta-table")
    assert (found["pages"], found["write_units"]["meta_table"]) == (3, 200)


# -- exit codes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "arguments", "code"),
    [
        (JOB, [], 0),
        ({**JOB, "isolated_words": 1}, [], 0),
        ({**JOB, "isolated_words": 1}, ["--strict"], 3),
        (JOB, ["--strict", "--max-tasks", "3"], 0),
        (JOB, ["--max-tasks", "2"], 3),
        ({**JOB, "period": "someday"}, [], 1),
        ({**JOB, "words": ["x" * 500_000]}, [], 1),
        ({**JOB, "lambda_name": "other"}, [], 1),
        ({**JOB, "job_schema_name": "other"}, ["--schema", '{"default": {}}'], 1),
        (JOB, ["--schema", "{"], 1),
        (JOB, ["--schema", "no.json"], 2),
        (JOB, ["--labourers", "job.json"], 1),
        (JOB, ["--labourers", "no.json"], 2),
        (JOB, ["--data-interval", "2026-01-02..2026-01-01"], 2),
        (JOB, ["--dag-id", "x", "--task-id", "y"], 2),
    ],
)
def test_exit_codes(job: Any, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """As the documentation says; whatever is wrong is on stderr, and stdout has no half of a plan."""
    write("job.json", job)
    assert plan(*arguments) == code
    printed = capsys.readouterr()
    assert (bool(printed.err), bool(printed.out)) == (code > 0, code in (0, 3))


def test_no_job_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the ways to give one."""
    assert main(["plan"]) == 2
    assert "give a file with the job, or --dag-id and --task-id" in capsys.readouterr().err


def test_dag_without_task(capsys: pytest.CaptureFixture[str]) -> None:
    """They belong together."""
    assert main(["plan", "--dag-id", "x"]) == 2


def test_no_labourer(capsys: pytest.CaptureFixture[str]) -> None:
    """Without one, no function would do the tasks."""
    assert main(["plan", "job.json", "--schema", SCHEMA]) == 2
    assert "give --labourer" in capsys.readouterr().err


@pytest.mark.slow
def test_a_million_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    """Within a minute, however busy the machine."""
    stores = {f"s{n}": {"products": [f"p{k}" for k in range(100)]} for n in range(100)}
    write("job.json", {"stores": stores, "isolate_products": True, "isolate_days": True, "period": "last_100_days"})
    assert figures(capsys, schema='{"chunkable_attrs": ["store", "product"]}')["tasks"] == 1_000_000


def test_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each piece of work that is asked for, and their sum."""
    cost = figures(capsys)["cost"]
    assert (cost["currency"], cost["region"], set(cost) & {"orchestrate", "wait", "results"}) == (
        "USD",
        "us-east-1",
        set(),
    )
    assert (cost["schedule"]["write_units"], cost["invoke"]["lambda_requests"]) == (3 * 3 + 2 + 2, 3)
    more = figures(capsys, "--orchestrate", "--results", "--seconds", "2", "--memory", "512")["cost"]
    assert more["orchestrate"]["write_units"] == 3 * 9
    assert more["invoke"]["gb_seconds"] == 3 * 2 * 0.5
    parts = ("schedule", "invoke", "orchestrate", "wait", "results")
    assert more["total"]["price"] == pytest.approx(sum(more[part]["price"] for part in parts), abs=1e-5)


def test_prices_of_your_own(capsys: pytest.CaptureFixture[str]) -> None:
    """The table says whose they are."""
    write("prices.json", {"currency": "EUR", "region": "eu-west-1", "as_of": "2026-01-01", "per_million": {}})
    assert plan("--prices", "prices.json") == 0
    assert "prices in EUR, on demand in eu-west-1, as of 2026-01-01" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (None, 2, "--prices: prices.json cannot be read"),
        ('{"per_million": {"x": 1}}', 1, "per_million.x: is not known"),
    ],
)
def test_prices_that_cannot_be_used(
    text: str | None, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there is a fault of the usage."""
    if text is not None:
        Path("prices.json").write_text(text)
    assert plan("--prices", "prices.json") == code
    assert message in capsys.readouterr().err
