"""Whatever comes from outside is accepted, or refused with an error of this package: never one of Python's own.

Each test is one entrance. In CI a few hundred inputs each; SOSW_TEST_INPUTS=20000 is the large run.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import date, timedelta, timezone
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sosw_airflow.cli.orchestrate import add_arguments
from sosw_airflow.cli.plan_sources import UsageError, planned_job
from sosw_airflow.cli.upstream_files import read_upstream_file
from sosw_airflow.config.options import max_invocations_from, max_tasks_from, period_modules_from
from sosw_airflow.config.registry import job_schema_from, job_schemas_from, labourers_from
from sosw_airflow.config.settings import SoswSettings
from sosw_airflow.config.upstream import from_upstream
from sosw_airflow.exceptions import SoswError, UnknownLabourer
from sosw_airflow.hooks.orchestration import labourer_ids_of
from sosw_airflow.hooks.sosw import extras_of
from sosw_airflow.jobs.blocks import blocks_of
from sosw_airflow.jobs.event import function_name, parse_event
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import fingerprint, outline, parse_job_id
from sosw_airflow.jobs.json_values import is_utf8
from sosw_airflow.jobs.lint import advice_on
from sosw_airflow.jobs.partitions import partition_days
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.schema import JobSchema
from sosw_airflow.orchestration.health import health_of
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.task_rows import event_of, row_of
from sosw_airflow.run_context import reference_date
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile
from sosw_airflow.stores.closed_tasks import _closed_task
from sosw_airflow.stores.job_record import Header
from sosw_airflow.waiting.tolerance import Tolerance
from tests.support.hostile import Hostile

INPUTS = int(os.environ.get("SOSW_TEST_INPUTS", "300"))
#: Settings of a labourer that its orchestration reads, but for the nested ones.
ORCHESTRATION = (
    "max_simultaneous_invocations",
    "max_invocations_per_minute",
    "max_attempts",
    "invocation",
    "scavenger",
    "duration",
    "cooldown",
    "expiry",
)
SCHEMA = JobSchema(("section", "store", "product"))
MONDAY = date(2026, 11, 23)
MAX_TASKS = 10_000

#: Processor seconds for one input, and megabytes that all inputs of an entrance may add to the process.
MOST_SECONDS, MOST_MEGABYTES = 1.0, 300

#: Seconds for one entrance: the large run takes minutes for each.
pytestmark = pytest.mark.timeout(max(600, INPUTS // 5))

seeds = given(st.integers(0, 2**64))
many = settings(
    max_examples=INPUTS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
)


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Fails the test if its inputs have made the process grow."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MOST_MEGABYTES


def enter(entrance: Callable[[], Any]) -> Any:
    """Give one input. Returns what the entrance makes of it, None if it refuses.

    The clock counts this thread on a processor, without the garbage of the inputs before, whose collection can
    take longer than any input.
    """
    gc.disable()
    began = time.thread_time()
    made, problem = None, None
    try:
        made = entrance()
    except SoswError as error:
        problem = _unfit(str(error))
    finally:
        seconds = time.thread_time() - began
        gc.enable()
    assert problem is None
    assert seconds < MOST_SECONDS
    return made


def _unfit(message: str) -> str | None:
    """Why a log or a terminal cannot show the message."""
    if len(message) > 20_000:
        return f"{len(message)} characters, from {message[:200]}"
    return None if is_utf8(message) else f"not UTF-8: {ascii(message)[:200]}"


def scheduled(given: Any, schema: Any = SCHEMA) -> None:
    """What an operator does with a job, up to the lines of its queue file."""
    job = parse_event(given)
    expansion = Expansion(
        job, schema=schema, reference_date=MONDAY, data_interval=(MONDAY, MONDAY), max_tasks=MAX_TASKS
    )
    codec = LineCodec(job.lambda_name or "worker")
    tasks = 0
    for block in blocks_of(expansion, codec):
        tasks += block.tasks
        codec.payload(block.lines()[0]).encode("ascii")
    assert tasks == expansion.tasks
    fingerprint(expansion.job, expansion.schema, MONDAY, None)
    outline(expansion.job, expansion.schema, MONDAY)
    advice_on(expansion, MONDAY)


@seeds
@many
def test_a_job_as_an_object(seed: int) -> None:
    """From DAG code, an XCom or `dag_run.conf`."""
    enter(partial(scheduled, Hostile(seed).document()))


@seeds
@many
def test_an_event_as_text(seed: int) -> None:
    """From a template, an argument, or S3."""
    hostile = Hostile(seed)
    enter(partial(scheduled, hostile.choice(hostile.text, hostile.bytes)()))


@seeds
@many
def test_a_job_with_payload_text(seed: int) -> None:
    """The text is merged into the payload if it is JSON."""
    hostile = Hostile(seed)
    enter(partial(scheduled, {"sections": ["a", "b"], "isolate_sections": True, "payload": hostile.text()}))


@seeds
@many
def test_a_job_schema(seed: int) -> None:
    """From an argument of the operator."""
    hostile = Hostile(seed)
    schema = enter(partial(JobSchema.of, hostile.choice(hostile.document, hostile.value)()))
    if schema is not None:
        enter(partial(scheduled, {"sections": ["a"], "isolate_sections": True, "period": "today"}, schema))


@seeds
@many
def test_the_variables(seed: int) -> None:
    """As text, or as the object that a file of secrets gives."""
    hostile = Hostile(seed)
    given = hostile.choice(hostile.text, hostile.document)()
    for labourer in (enter(partial(labourers_from, given)) or {}).values():
        assert labourer.arn is None or function_name(labourer.labourer_id or "x")
        enter(partial(LabourerPolicy.of, labourer.labourer_id, labourer.settings))
    enter(partial(job_schemas_from, given))
    enter(partial(job_schema_from, given, "default"))


@seeds
@many
def test_the_settings_of_an_orchestration(seed: int) -> None:
    """Of one labourer, from the Variable or a Connection."""
    hostile = Hostile(seed)
    settings = hostile.document(json_only=True)
    metric: dict[str, Any] = {"details": {"Name": "CPU", "Namespace": "AWS/RDS"}, "feelings": {"4": 20}}
    for part, name in ((metric, "feelings"), (metric, "feeling_comparison_operator"), (metric, "details")):
        if hostile.choice(*[False] * 3, True):
            part[name] = hostile.json_value()
    for name in ("Statistics", "Dimensions", "Namespace", "Name"):
        if isinstance(metric["details"], dict) and hostile.choice(*[False] * 3, True):
            metric["details"][name] = hostile.json_value()
    settings["health_metrics"] = hostile.choice({hostile.choice("cpu", hostile.text()): metric}, hostile.json_value())
    settings["retry_delay"] = hostile.choice(
        {"seconds": hostile.json_value(), "factor": hostile.json_value()}, hostile.json_value()
    )
    for name in ORCHESTRATION:
        if hostile.choice(False, True):
            settings[name] = hostile.choice("7", " 7 ", "\u00b2", "1_0", hostile.json_value())
    policy = enter(partial(LabourerPolicy.of, hostile.choice("worker", hostile.text()), settings))
    if policy is not None:
        for attempts in (0, 1, policy.max_attempts):
            assert 0 <= enter(partial(policy.retry_after, attempts)) <= 366 * 86_400
        health_of(policy.health_metrics, {"cpu": 5.0})


@seeds
@many
def test_the_arguments_of_orchestrate(seed: int) -> None:
    """Of the command, which are what a shell gives, and of the operator."""
    hostile = Hostile(seed)
    words = [hostile.choice("--once", "--until-idle", "--conn-id", "worker", hostile.text()) for _ in range(3)]
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    with suppress(SystemExit, argparse.ArgumentError), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        arguments = parser.parse_args(words)
        for each in arguments.labourers:
            enter(partial(missing, each))
    enter(partial(labourer_ids_of, hostile.choice(hostile.value(), hostile.text(), [hostile.value()])))
    enter(partial(max_invocations_from, hostile.text()))


def missing(labourer_id: str) -> None:
    """No labourer has this id."""
    raise UnknownLabourer(labourer_id, ["worker"])


@seeds
@many
def test_a_row_in_the_queue(seed: int) -> None:
    """Of any program; the orchestration reads it, and sends what can be sent."""
    hostile = Hostile(seed)
    item: dict[str, Any] = {
        "task_id": {"S": "0" * 32},
        "labourer_id": {"S": "worker"},
        "created_at": {hostile.choice("N", "N", "N", "S"): hostile.choice("1795431000.5", "9.9e125", "-1")},
        "greenfield": {hostile.choice("N", "N", "N", "S"): hostile.choice("1000", "1e125", "0.5", "-1")},
        "attempts": {"N": hostile.choice("0", "3", "0.5", "9" * 38)},
        "payload": {hostile.choice("S", "S", "S", "M"): hostile.choice(hostile.text(), '{"a": 1}')},
    }
    for name in list(item):
        if hostile.choice(*[False] * 8, True):
            del item[name]
    row = enter(partial(row_of, item))
    if not row.fault:
        enter(partial(json.dumps, event_of(row)))
    assert is_utf8(row.fault)
    assert len(row.fault) < 1000


@seeds
@many
def test_the_date_of_a_run(seed: int) -> None:
    """From `reference_date`, which may be rendered, or from the key of its partition."""
    hostile = Hostile(seed)
    text = hostile.choice(hostile.text(), hostile.date())
    zone = hostile.choice(timezone.utc, timezone(timedelta(hours=-12)), timezone(timedelta(hours=14)))
    enter(partial(partition_days, text, zone, dated=hostile.choice(True, False)))
    context: Any = {"dag": SimpleNamespace(timezone=zone), "dag_run": SimpleNamespace(run_type="scheduled")}
    enter(partial(reference_date, context, hostile.choice(text, hostile.value() or "x")))
    context["partition_key"] = text
    enter(partial(reference_date, context, None))


@seeds
@many
def test_the_connections_extras(seed: int) -> None:
    """The settings, or a refusal."""
    hostile = Hostile(seed)
    connection = SimpleNamespace(extra=hostile.text(), conn_type="sosw", extra_dejson={})
    enter(partial(extras_of, connection, "sosw_default"))
    enter(partial(SoswSettings.of, hostile.document(), conn_id="sosw_default"))


@seeds
@many
def test_the_options_of_airflow(seed: int) -> None:
    """And arguments of operators that are text or numbers."""
    hostile = Hostile(seed)
    for read in (max_tasks_from, period_modules_from):
        enter(partial(read, hostile.text()))
    for read in (parse_job_id, Tolerance.of, function_name):
        enter(partial(read, hostile.value()))
        enter(partial(read, hostile.text()))


@seeds
@many
def test_the_files_of_a_plan(seed: int) -> None:
    """Job, job schema and labourers."""
    hostile = Hostile(seed)
    for name in ("job", "schema", "labourers"):
        Path(name).write_bytes(hostile.bytes())
    arguments = argparse.Namespace(
        job="job",
        labourer="worker",
        schema=hostile.choice("schema", "{" + hostile.text()),
        schema_name="default",
        labourers=hostile.choice(None, "labourers"),
        data_interval=None,
        dag_id=None,
        task_id=None,
    )
    try:
        enter(partial(planned_job, arguments, MONDAY))
    except UsageError as error:
        str(error).encode()


@seeds
@many
def test_a_file_with_the_configuration_of_sosw(seed: int) -> None:
    """JSON, or Python that is not executed."""
    hostile = Hostile(seed)
    name = hostile.choice("config.json", "config.py")
    data = hostile.bytes()
    if name == "config.py":
        data = b"SCHEDULER_CONFIG = " + data.replace(b"true", b"True").replace(b"null", b"None") + b"\n"
    Path(name).write_bytes(data)
    enter(partial(read_upstream_file, Path(name)))
    enter(partial(from_upstream, hostile.document(), orchestrator=hostile.choice(None, hostile.document())))


@seeds
@many
def test_a_queue_file(seed: int) -> None:
    """Of sosw's Scheduler, or whatever lies under its name."""
    hostile = Hostile(seed)
    lines = [b'{"labourer_id": "worker", "a": 1}', hostile.bytes().replace(b"\n", b" ")]
    lines.append(b'{"labourer_id": "worker", ' + hostile.text().encode("utf-8", "surrogatepass")[1:])
    enter(partial(drained, b"\n".join(lines[hostile.choice(0, 1) :])))


def drained(content: bytes) -> None:
    """What the drain does with a claimed file, up to the lines of its own queue file."""
    stored = StoredFile(content)
    file = LeftFile(stored, stored, "bucket", "tasks.txt")
    labourer_id = file.labourer_id()
    request = DrainRequest(SimpleNamespace(labourer_id=labourer_id), file, MONDAY)  # type: ignore[arg-type]
    codec = LineCodec(str(labourer_id))
    for block in request.blocks(codec):
        for line in block.lines():
            codec.payload(line).encode("ascii")


class StoredFile:
    """S3 with one object."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def head_object(self, **_: Any) -> dict[str, Any]:
        """The object is there."""
        return {"Metadata": {}}

    def get_object(self, **_: Any) -> dict[str, Any]:
        """The whole object."""
        body = SimpleNamespace(read=lambda: self._content, close=lambda: None)
        return {"Body": body, "Metadata": {}}


@seeds
@many
def test_a_header_of_a_job_record(seed: int) -> None:
    """As DynamoDB gives it, damaged."""
    hostile = Hostile(seed)
    whole = Header(**{name: _example(kind) for name, kind in Header.__annotations__.items()}).item()
    for name in list(whole):
        damage = hostile.choice(*["none"] * 12, "gone", "text", "number")
        if damage == "gone":
            del whole[name]
        elif damage != "none":
            whole[name] = (
                {"S": hostile.text()} if damage == "text" else {"N": hostile.choice("1e5", "-1", "9" * 38, "0.5")}
            )
    whole["outline"] = {"S": hostile.text()}
    header = enter(partial(Header.of, whole))
    if header is not None:
        enter(header.outline_parts)


def _example(kind: str) -> Any:
    from sosw_airflow.stores.job_record import JobState

    return JobState.PLANNED if "JobState" in kind else 1 if kind == "int" else "2026-01-01"


@seeds
@many
def test_a_closed_row(seed: int) -> None:
    """Its payload is JSON, the text of a Python object, or anything else."""
    hostile = Hostile(seed)
    payload = hostile.choice(
        hostile.text(), repr(hostile.document(json_only=True)), "{[]: 1}", "{'a': {1, 2}}", "-" * 1000
    )
    item = {
        "task_id": {"S": "0" * 32},
        "labourer_id_task_status": {"S": hostile.text()},
        "attempts": {"N": hostile.choice("1", "1e125", "0.5", "-1")},
        "payload": {hostile.choice("S", "S", "S", "M", "B"): payload},
    }
    if hostile.choice(True, False):
        del item[hostile.choice("attempts", "payload", "labourer_id_task_status")]
    row = enter(partial(_closed_task, item))
    str(row).encode("utf-8", "strict")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of an input are written here."""
    monkeypatch.chdir(tmp_path)
