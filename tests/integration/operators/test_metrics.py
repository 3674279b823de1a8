"""The metrics as a StatsD server and an OpenTelemetry collector receive them, from real `Stats` of this Airflow."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow.cli import main
from sosw_airflow.hooks.metrics import AirflowMetrics, reporter
from sosw_airflow.jobs.metrics import LATENCY, METRICS, SCHEDULED, unreported
from sosw_airflow.operators.sosw import SoswDrainQueueOperator, SoswRepairOperator, SoswScheduleOperator
from sosw_airflow.orchestration.orchestrator import Orchestrator
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.turn import Clients
from sosw_airflow.stores.tables import TableNames
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.support.closing import close

Schedule = Callable[..., SoswScheduleOperator]


class StatsD:
    """A StatsD server: it keeps the lines that it receives."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]

    def lines(self) -> list[str]:
        """All lines since the last call."""
        found: list[str] = []
        try:
            while True:
                found += self.socket.recv(65_536).decode().splitlines()
        except TimeoutError:
            return found


class Collector(BaseHTTPRequestHandler):
    """An OpenTelemetry collector's OTLP receiver over HTTP: it keeps the messages."""

    def do_POST(self) -> None:
        """Take an export."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.server.exports.append(ExportMetricsServiceRequest.FromString(body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep the test's output quiet."""


def forget_stats() -> None:
    """Let `Stats` read the configuration again, as a new process does."""
    if "airflow.sdk.observability.stats" in sys.modules or _is_3_2():
        from airflow.sdk._shared.observability.metrics import stats

        if hasattr(stats, "_factory"):
            stats._factory = stats._backend = None
        else:  # Airflow 3.2
            stats.Stats.factory = stats.Stats.instance = None
        return
    from airflow.stats import Stats

    Stats.instance = None
    for kind in (type(Stats),):
        if "factory" in vars(kind):
            del kind.factory
    type(Stats).__init__(Stats)


def _is_3_2() -> bool:
    try:
        import airflow.sdk.observability.stats  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets options of the section `[metrics]`; Airflow has its own again afterwards."""

    def configure(**options: Any) -> None:
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__{name.upper()}", str(value))
        forget_stats()

    yield configure
    monkeypatch.undo()
    forget_stats()


@pytest.fixture
def statsd(configured: Callable[..., None]) -> StatsD:
    """A server to which Airflow sends its metrics, with tags."""
    server = StatsD()
    configured(
        statsd_on=True,
        statsd_host="127.0.0.1",
        statsd_port=server.port,
        statsd_influxdb_enabled=True,
        timer_unit_consistency=True,
    )
    return server


class Function:
    """A Lambda client whose function ends well, after one refusal."""

    def __init__(self) -> None:
        self.refusals = 1

    def get_function_configuration(self, **_: Any) -> dict[str, Any]:
        """A short function."""
        return {"Timeout": 5}

    def get_function_event_invoke_config(self, **_: Any) -> dict[str, Any]:
        """No repeats."""
        return {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}

    def invoke(self, **_: Any) -> dict[str, Any]:
        """Refuse once, then answer."""
        from io import BytesIO

        from botocore.exceptions import ClientError

        if self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")
        return {"Payload": BytesIO(b'"done"')}


def process(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orchestrate the labourer's queue until it is empty."""
    for name in ("_BUSY", "_QUIET", "_BESIDE"):
        monkeypatch.setattr(f"sosw_airflow.orchestration.turn.{name}", 0.01)
    function = Function()
    policy = LabourerPolicy.of(LABOURER, {"invocation": "request"})
    clients = Clients(aws.dynamodb, aws.dynamodb, function, function)
    Orchestrator([policy], clients, TableNames(), concurrency=1, metrics=reporter("orchestrate")).run(until_idle=True)


def test_a_statsd_server_gets_every_metric_of_a_job(
    installation: Aws,
    statsd: StatsD,
    schedule: Schedule,
    context: MakeContext,
    tutorial_job: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight tasks are scheduled, invoked and completed, with the labourer and the DAG as tags."""
    schedule(tutorial_job).execute(context())
    written = statsd.lines()
    tags = f"dag_id={context()['ti'].dag_id},labourer={LABOURER}"
    assert f"airflow.sosw.tasks.scheduled,{','.join(sorted(tags.split(',')))}:8|c" in map(_sorted, written)
    assert any(line.startswith("airflow.sosw.write.pages,") and line.endswith(":1|c") for line in written)
    process(installation, monkeypatch)
    found = statsd.lines()
    counts = {name: sum(_value(line) for line in found if _name(line) == f"airflow.sosw.{name}") for name in COUNTED}
    assert counts == {"tasks.invoked": 8, "tasks.completed": 8, "invoke.throttled": 1}
    assert sum(_name(line) == "airflow.sosw.invoke.latency" and line.endswith("|ms") for line in found) == 9
    assert all("dag_id=orchestrate" in line and f"labourer={LABOURER}" in line for line in found if ".sosw." in line)
    depths = [_value(line) for line in found if _name(line) == "airflow.sosw.queue.depth"]
    assert depths
    assert any(_name(line) == "airflow.sosw.queue.oldest_seconds" for line in found)


def _scheduled(statsd: StatsD) -> list[tuple[float, set[str]]]:
    """How many tasks were reported as scheduled, with which tags; and that their pages were."""
    lines = statsd.lines()
    assert any(_name(line) == "airflow.sosw.write.pages" for line in lines)
    found = [line for line in lines if _name(line) == "airflow.sosw.tasks.scheduled"]
    return [(_value(line), set(line.partition(":")[0].split(",")[1:])) for line in found]


@pytest.mark.parametrize("command", [False, True])
def test_a_queue_file_that_is_drained(installation: Aws, statsd: StatsD, context: MakeContext, command: bool) -> None:
    """Its tasks count as scheduled, by the operator with its DAG and by the command without one."""
    lines = [json.dumps({"labourer_id": LABOURER, "words": [word]}) for word in "abc"]
    key = "sosw/scheduler/tasks_queue_left.txt"
    installation.s3.put_object(Bucket=installation.bucket, Key=key, Body="\n".join(lines).encode())
    if command:
        assert main(["drain", "tasks_queue_left.txt"]) == 0
    else:
        SoswDrainQueueOperator(task_id="drain", queue_file="tasks_queue_left.txt").execute(context())
    tags = {f"labourer={LABOURER}"} if command else {f"labourer={LABOURER}", "dag_id=hashtags"}
    assert _scheduled(statsd) == [(3, tags)]


@pytest.mark.parametrize("command", [False, True])
def test_a_job_that_is_repaired(
    installation: Aws, statsd: StatsD, schedule: Schedule, context: MakeContext, tutorial_job: Any, command: bool
) -> None:
    """Its failed tasks count as scheduled again."""
    job_id = schedule(tutorial_job).execute(context())["job_id"]
    close(installation, job_id, range(6))
    close(installation, job_id, [6, 7], completed=False)
    statsd.lines()
    if command:
        assert main(["repair", job_id]) == 0
    else:
        SoswRepairOperator(task_id="repair", job_id=job_id).execute(context())
    tags = {f"labourer={LABOURER}"} if command else {f"labourer={LABOURER}", "dag_id=hashtags"}
    assert _scheduled(statsd) == [(2, tags)]


COUNTED = ("tasks.invoked", "tasks.completed", "invoke.throttled")


def _name(line: str) -> str:
    return line.partition(":")[0].partition(",")[0]


def _value(line: str) -> float:
    return float(line.rpartition(":")[2].partition("|")[0])


def _sorted(line: str) -> str:
    head, colon, value = line.partition(":")
    name, *tags = head.split(",")
    return ",".join([name, *sorted(tags)]) + colon + value


REPORTING = """
from sosw_airflow.hooks.metrics import reporter
from sosw_airflow.jobs.metrics import METRICS

report = reporter("nightly")
for metric in METRICS:
    report(metric, 3, "puller")

from opentelemetry import metrics
metrics.get_meter_provider().force_flush()
metrics.get_meter_provider().shutdown()
"""


def test_an_opentelemetry_collector_gets_counts_gauges_and_times(tmp_path: Path) -> None:
    """Over OTLP, with the tags as attributes. Another process reports: OpenTelemetry's provider is there for good."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.exports = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {"otel_on": True, "otel_host": "127.0.0.1", "otel_port": server.server_port, "otel_ssl_active": False}
    environment = {f"AIRFLOW__METRICS__{name.upper()}": str(value) for name, value in options.items()}
    endpoint = {
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{server.server_port}/v1/metrics",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    subprocess.run(
        [sys.executable, "-c", REPORTING],
        env=os.environ | environment | endpoint,
        check=True,
        timeout=100,
        cwd=tmp_path,
    )
    server.shutdown()
    found = {
        each.name: each
        for export in server.exports  # type: ignore[attr-defined]
        for part in export.resource_metrics
        for scope in part.scope_metrics
        for each in scope.metrics
    }
    assert {f"airflow.{metric.name}" for metric in METRICS} <= found.keys()
    (point,) = found["airflow.sosw.tasks.scheduled"].sum.data_points
    attributes = {each.key: each.value.string_value for each in point.attributes}
    assert (3, "puller", "nightly") == (point.as_int or point.as_double, attributes["labourer"], attributes["dag_id"])


def test_without_a_backend_nothing_is_reported_or_measured(configured: Callable[..., None]) -> None:
    """So no request is made for a gauge that no one sees."""
    configured(statsd_on=False, otel_on=False)
    assert reporter("nightly") is unreported


def test_a_backend_that_fails_stops_no_work(caplog: pytest.LogCaptureFixture) -> None:
    """The log says it once."""

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise OSError("no route to the collector")

    report = AirflowMetrics(Broken(), "nightly")
    report(SCHEDULED, 1, "puller")
    report(LATENCY, 1, "puller")
    assert ["Metrics cannot be reported (no route to the collector). The work continues without them."] == [
        each.message for each in caplog.records
    ]
