"""How fast the pages in Airflow's UI are for many viewers of long queues, and what they read."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.queues_stub import JOBS, LABOURERS, TASKS, figures_of, job_id, labourer_id, queues_stub
from benchmarks.report import Report
from tests.support.emulators.server_process import free_port

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "the pages in Airflow's UI: milliseconds of a view, read units a second, memory, for many viewers"

#: Seconds between two refreshes of a viewer, and seconds after which the server has read everything once.
_REFRESH, _WARM = 5.0, 20.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many viewers, and for how long."""
    parser.add_argument("--viewers", type=int, default=200, metavar="N", help="at the same time (default: 200)")
    parser.add_argument("--seconds", type=float, default=120, metavar="S", help="measured (default: 120)")


def run(arguments: argparse.Namespace) -> Report:
    """Let the viewers of each page refresh it, all at the same time."""
    with queues_stub() as aws, _api_server(aws) as (server, port):
        asyncio.run(_watch(port, arguments.viewers, _WARM))
        before, memory, processor = figures_of(aws), server.memory_info().rss, sum(server.cpu_times()[:2])
        began = time.monotonic()
        found = asyncio.run(_watch(port, arguments.viewers, arguments.seconds))
        seconds = time.monotonic() - began
        after, grown = figures_of(aws), server.memory_info().rss - memory
        processor = sum(server.cpu_times()[:2]) - processor
    rows = [{"page": page, **_figures(times)} for page, times in found.items()]
    everything = [each for times in found.values() for each in times]
    rows.append(
        {
            "page": "all",
            **_figures(everything),
            "processor": 1000 * processor / len(everything),
            "units": (after["units"] - before["units"]) / seconds,
            "requests": (after["requests"] - before["requests"]) / seconds,
            "memory": memory / 1e6,
            "grown": grown / 1e6,
        }
    )
    return Report(
        "pages",
        f"{arguments.viewers} viewers, {LABOURERS} labourers, {LABOURERS * JOBS * TASKS:,} queued tasks",
        columns=[
            ("page", "page"),
            ("views", "views"),
            ("p50 ms", "p50"),
            ("p95 ms", "p95"),
            ("p99 ms", "p99"),
            ("ms of processor", "processor"),
            ("read units/s", "units"),
            ("requests/s to AWS", "requests"),
            ("server's MB", "memory"),
            ("MB more at the end", "grown"),
        ],
        rows=rows,
        notes=(
            f"{arguments.seconds:g} s, after {_WARM:g} s in which all was read once; a refresh every {_REFRESH:g} s.",
            "Half of the viewers watch all labourers, three in ten a labourer, two in ten a job.",
            "One process of Airflow's API server, with the viewers and the stub of DynamoDB on the same machine.",
            "It stops if an answer is not the page.",
        ),
    )


def _figures(times: list[float]) -> dict[str, Any]:
    ordered = sorted(times)
    at = {name: 1000 * ordered[int(share * (len(ordered) - 1))] for name, share in
          (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}  # fmt: skip
    return {"views": len(ordered), **at}


@contextmanager
def _api_server(aws: str) -> Iterator[tuple[psutil.Process, int]]:
    port = free_port()
    extra = {"queue_bucket": "bucket", "region_name": "us-west-2", "aws_conn_id": "", "endpoint_url": aws}
    labourers = {labourer_id(number): {} for number in range(LABOURERS)}
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))},
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW_CONN_SOSW_DEFAULT": json.dumps({"conn_type": "sosw", "extra": extra}),
            "AIRFLOW_VAR_SOSW_LABOURERS": json.dumps(labourers),
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_EC2_METADATA_DISABLED": "true",
            "_AIRFLOW_PROCESS_CONTEXT": "server",
        }
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        log = Path(home, "server.log")
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, **quiet)
        command = [sys.executable, "-m", "benchmarks.pages_server", str(port)]
        with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as process:  # noqa: S603
            try:
                asyncio.run(_until_it_answers(port))
                yield psutil.Process(process.pid), port
            except BaseException:
                sys.stderr.write(log.read_text()[-3000:])
                raise
            finally:
                process.terminate()


async def _until_it_answers(port: int) -> None:
    for _ in range(240):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.5)
    message = "the API server does not answer"
    raise TimeoutError(message)


async def _watch(port: int, viewers: int, seconds: float) -> dict[str, list[float]]:
    """The seconds of each view, by page."""
    found: dict[str, list[float]] = {"all labourers": [], "a labourer": [], "a job": []}
    until = time.monotonic() + seconds

    async def watch(number: int) -> None:
        page, path = _page(number)
        await asyncio.sleep(_REFRESH * number / viewers)
        while time.monotonic() < until:
            began = time.perf_counter()
            await _get(port, path)
            took = time.perf_counter() - began
            found[page].append(took)
            await asyncio.sleep(max(0.0, _REFRESH - took))

    await asyncio.gather(*(watch(number) for number in range(viewers)))
    return found


def _page(number: int) -> tuple[str, str]:
    """What a viewer watches: its name and its path."""
    labourer = number % LABOURERS
    if number % 10 < 5:
        return "all labourers", "/sosw/c/sosw_default"
    if number % 10 < 8:
        return "a labourer", f"/sosw/c/sosw_default/labourers/{labourer_id(labourer)}"
    return "a job", f"/sosw/c/sosw_default/dags/dag/jobs/{job_id(labourer, number % JOBS)}"


async def _get(port: int, path: str) -> None:
    """One view, over a connection of its own: the server closes an idle one after the seconds of a refresh."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    body = await reader.readexactly(size)
    writer.close()
    if " 200 " not in head.partition("\r\n")[0] or b"<h1>" not in body or b'role="alert"' in body:
        message = f"{path}: {head[:200]} {body[:2000]!r}"
        raise AssertionError(message)
