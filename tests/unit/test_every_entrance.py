"""Whatever comes from outside is accepted, or refused with an error of this package: never one of Python's own.

Each test is one entrance. In CI a few hundred inputs each; `make fuzz` is the large run. What is stored, and
what AWS and Airflow answer, is in test_every_stored_entrance.py.
"""

from __future__ import annotations

import gzip
import io
import json
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sosw_airflow import source
from sosw_airflow.cli.upstream_files import read_upstream_file
from sosw_airflow.config.options import max_tasks_from, period_modules_from
from sosw_airflow.config.registry import job_schema_from, job_schemas_from, labourers_from
from sosw_airflow.config.upstream import from_upstream
from sosw_airflow.jobs.blocks import blocks_of
from sosw_airflow.jobs.event import function_name, parse_event
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import fingerprint, outline, parse_job_id, parse_job_ids
from sosw_airflow.jobs.lint import advice_on
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.schema import JobSchema
from sosw_airflow.jobs.sources import SourcedJob, find_sources
from sosw_airflow.orchestration.health import health_of
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.sources.job_sources import read_sources
from sosw_airflow.waiting.tolerance import Tolerance
from tests.support.entrances import bounded_memory, enter, many, own_folder, patient, seeds
from tests.support.hostile import Hostile

__all__ = ["bounded_memory", "own_folder"]

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

pytestmark = patient


def scheduled(given: Any, schema: Any = SCHEMA) -> None:
    """What an operator does with a job, up to the lines of its queue file."""
    job = parse_event(given)
    find_sources(job.job, schema)
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


SOURCES: dict[str, dict[str, Any]] = {
    "s3": {
        "url": "s3://b/a.csv",
        "format": "csv",
        "compression": "none",
        "column": "a",
        "header": True,
        "delimiter": ";",
        "type": "number",
        "on_bad_line": "skip",
    },
    "s3_listing": {"url": "s3://b/in/", "suffix": ".csv", "modified_since": "2026-03-02", "value": "key"},
    "s3_inventory": {"url": "s3://b/manifest.json", "prefix": "in/", "modified_before": "2026-03-02T00:00:00Z"},
    "sql": {"conn_id": "warehouse", "query": "SELECT 1", "parameters": [1]},
}


@seeds
@many
def test_a_source_in_a_job(seed: int) -> None:
    """From DAG code, a template, or `dag_run.conf`."""
    hostile = Hostile(seed)
    kind = hostile.choice(*SOURCES)
    document = hostile.damaged({"kind": kind, "on_empty": "skip", **SOURCES[kind]})
    if hostile.choice(False, False, True):
        document["modified_since"] = hostile.date()
    job = hostile.choice(
        {"sections": {"$source": document}},
        {"sections": {"a": {"stores": {"$source": hostile.choice(document, hostile.value())}}}},
        {"sections": [hostile.value(), {"$source": document}], "note": {"$source": document}},
    )
    sourced = enter(partial(find_sources, job, SCHEMA))
    if sourced is not None:
        enter(partial(scheduled, {**sourced.with_stand_ins(), "isolate_sections": True}))


class OneObject:
    """An S3 with one object under every key."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def head_object(self, **_: Any) -> dict[str, Any]:
        """Its size."""
        return {"ContentLength": len(self._content), "ETag": '"1"'}

    def get_object(self, **where: Any) -> dict[str, Any]:
        """A part of it."""
        start = int(where["Range"].removeprefix("bytes=").partition("-")[0])
        return {"Body": io.BytesIO(self._content[start:]), "ContentRange": f"bytes */{len(self._content)}"}


def _json_text(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except ValueError:  # an integer that Python does not write
        return b"1" * 5000


@seeds
@many
def test_what_a_source_names(seed: int) -> None:
    """Objects of any content, read as any kind."""
    hostile = Hostile(seed)
    manifest = {
        "sourceBucket": "b",
        "destinationBucket": "b",
        "fileFormat": "CSV",
        "fileSchema": "Key, Size",
        "files": [],
    }
    text = hostile.choice(
        hostile.text().encode("utf-8", "surrogatepass"),
        hostile.bytes(),
        b"a;b\n1;" + hostile.bytes() + b"\n2;3\n",
        _json_text(hostile.json_value()),
        _json_text([hostile.json_value(), 1, {"a": hostile.json_value()}]),
        _json_text(hostile.damaged(manifest)),
    )
    settings = {name: SOURCES["s3"][name] for name in ("column", "delimiter", "type") if hostile.choice(True, False)}
    form, packed = hostile.choice("csv", "jsonl", "json", "parquet"), hostile.choice("none", "gzip")
    given = source.s3("s3://b/a", format=form, compression=packed, **settings)
    if hostile.choice(False, False, True):
        given = source.s3_inventory("s3://b/manifest.json")
    if packed == "gzip" and hostile.choice(False, True):
        text = gzip.compress(text)
    access = SimpleNamespace(s3=lambda _: OneObject(text))

    def read() -> None:
        with read_sources(SourcedJob.of({"sections": given}, SCHEMA), access) as job:
            isolated = {**job.job, "isolate_sections": True}
            expansion = Expansion(isolated, schema=SCHEMA, reference_date=MONDAY, max_tasks=MAX_TASKS)
            assert sum(block.tasks for block in blocks_of(expansion, LineCodec("worker"))) == expansion.tasks

    enter(read)


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
def test_the_options_of_airflow(seed: int) -> None:
    """And arguments of operators that are text or numbers."""
    hostile = Hostile(seed)
    for read in (max_tasks_from, period_modules_from):
        enter(partial(read, hostile.text()))
    for read in (parse_job_id, parse_job_ids, Tolerance.of, function_name):
        enter(partial(read, hostile.value()))
        enter(partial(read, hostile.text()))


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
