"""What the triggers of a process share, and what they keep off its event loop."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest

from sosw_airflow.triggers import polling
from sosw_airflow.triggers.attempt import Verdict
from sosw_airflow.triggers.sosw import SoswJobTrigger
from sosw_airflow.waiting.progress import ProgressReader
from tests.conftest import REGION, Aws

ROOT = Path(__file__).parents[3]
JOB = "0123456789abcdef0123"


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a triggerer that has just started."""
    monkeypatch.setattr(polling, "_known", {})


@pytest.fixture
def connect(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the Connection, with what is given for it to say besides."""

    def write(**extra: Any) -> None:
        known = {"queue_bucket": aws.bucket, "region_name": REGION, "aws_conn_id": "aws_of_a_test", **extra}
        monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": known}))

    monkeypatch.setenv("AIRFLOW_CONN_AWS_OF_A_TEST", json.dumps({"conn_type": "aws"}))
    write()
    return write


def clients_of(polls: int, between: Callable[[], None] = lambda: None) -> list[Any]:
    """The clients with which so many triggers poll, in turn."""

    async def poll() -> list[Any]:
        found = []
        for number in range(polls):
            if number:
                between()
            found.append((await polling._access_of("sosw_default")).dynamodb)
        return found

    return asyncio.run(poll())


def test_triggers_share_a_client(connect: Callable[..., None]) -> None:
    """Those of one Connection."""
    assert 1 == len({id(client) for client in clients_of(3)})


def test_a_connection_that_was_not_edited(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read again, but the client stays: to make one holds up the event loop."""
    monkeypatch.setattr(polling, "_FRESH", -1.0)
    assert 1 == len({id(client) for client in clients_of(3)})


def test_a_connection_that_was_edited(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A triggerer lives for weeks."""
    monkeypatch.setattr(polling, "_FRESH", -1.0)
    first, second = clients_of(2, lambda: connect(endpoint_url="http://127.0.0.1:9"))
    assert "http://127.0.0.1:9" not in first.meta.endpoint_url
    assert "http://127.0.0.1:9" == second.meta.endpoint_url


def test_credentials_that_were_edited(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the AWS Connection count, too."""
    monkeypatch.setattr(polling, "_FRESH", -1.0)
    other = json.dumps({"conn_type": "aws", "login": "other", "password": "not a secret"})
    first, second = clients_of(2, lambda: monkeypatch.setenv("AIRFLOW_CONN_AWS_OF_A_TEST", other))
    assert first is not second


def test_a_faulty_connection_is_fixed(connect: Callable[..., None]) -> None:
    """Its error is not kept."""
    connect(max_rows_per_second="many")

    async def poll_twice() -> Any:
        with pytest.raises(Exception, match="max_rows_per_second"):
            await polling._access_of("sosw_default")
        connect()
        return await polling._access_of("sosw_default")

    assert asyncio.run(poll_twice()).dynamodb is not None


def test_a_connection_that_cannot_be_read_any_more(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its former state is used: hundreds of Airflow tasks would come back for a backend that is away."""
    monkeypatch.setattr(polling, "_FRESH", -1.0)
    first, second = clients_of(2, lambda: connect(max_rows_per_second="many"))
    assert first is second


def test_a_trigger_that_is_cancelled_leaves_the_client_to_the_others(connect: Callable[..., None]) -> None:
    """Also while it is being made."""

    async def poll() -> Any:
        first = asyncio.create_task(polling._access_of("sosw_default"))
        second = asyncio.create_task(polling._access_of("sosw_default"))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(poll()).dynamodb is not None


def test_nothing_that_takes_long_is_imported_on_the_event_loop(tmp_path: Path) -> None:
    """What a trigger needs is imported by threads, from its first poll on."""
    program = """
        import asyncio, sys, threading
        import airflow.triggers.base
        from sosw_airflow.triggers.sosw import SoswJobTrigger

        found = set()

        class Finder:
            def find_spec(self, name, path=None, target=None):
                if threading.current_thread() is threading.main_thread():
                    found.add(name)

        sys.meta_path.insert(0, Finder())

        async def main():
            trigger = SoswJobTrigger(sosw_conn_id="sosw_default", job_id="0123456789abcdef0123", poll_interval=0.01)
            return [event.payload["status"] async for event in trigger.run()]

        assert asyncio.run(main()) == ["look"]  # there is no AWS
        assert "sosw_airflow.waiting.progress" in sys.modules
        print(sorted(name for name in found if name.startswith(("sosw_airflow", "boto", "airflow.providers"))))
    """
    extra = {"queue_bucket": "b", "region_name": REGION, "aws_conn_id": "", "endpoint_url": "http://127.0.0.1:9"}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "_AIRFLOW_PROCESS_CONTEXT": "server",
        "AWS_MAX_ATTEMPTS": "1",  # nobody answers
        "AIRFLOW_CONN_SOSW_DEFAULT": json.dumps({"conn_type": "sosw", "extra": extra}),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "[]") == (done.returncode, done.stdout.strip().splitlines()[-1]), done.stderr[-3000:]


@pytest.mark.parametrize("news_first", [True, False])
def test_a_wait_that_is_cancelled_when_there_is_news(news_first: bool) -> None:
    """It ends: a triggerer of Airflow 2 cancels a trigger once, which would poll and orchestrate until the job ends."""

    async def run() -> None:
        orchestration = polling.Orchestration("sosw_default", None)
        wake = orchestration.waker()
        wait = asyncio.ensure_future(orchestration.sleep(60))
        await asyncio.sleep(0)
        if news_first:
            wake()
            for _ in range(2):  # the news is there, and has not ended the wait yet
                await asyncio.sleep(0)
        wait.cancel()
        wake()
        with pytest.raises(asyncio.CancelledError):
            await wait
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_wait_ends_with_news_or_in_time() -> None:
    """News from before it began counts, once."""

    async def run() -> list[float]:
        orchestration, loop = polling.Orchestration("sosw_default", None), asyncio.get_running_loop()
        orchestration.waker()()
        await asyncio.sleep(0)
        lasted = []
        for seconds in (60, 0.05):
            before = loop.time()
            await orchestration.sleep(seconds)
            lasted.append(loop.time() - before)
        return lasted

    first, second = asyncio.run(run())
    assert first < 30
    assert second >= 0.04


def test_each_poll_happens_in_a_thread(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop's own thread never asks AWS."""
    import threading

    threads = []

    def poll(*_: Any, **__: Any) -> Any:
        threads.append(threading.current_thread())
        raise ValueError("this is enough")

    read = create_autospec(ProgressReader.read, side_effect=poll)
    monkeypatch.setattr("sosw_airflow.waiting.progress.ProgressReader.read", read)

    async def run() -> list[Any]:
        return [event.payload async for event in SoswJobTrigger(sosw_conn_id="sosw_default", job_id=JOB).run()]

    monkeypatch.setattr("sosw_airflow.triggers.sosw._SPREAD", 0.0)
    event = {"status": "look", "job_id": JOB, "reason": "ValueError: this is enough", "hops": 1}
    assert [event] == asyncio.run(run())
    assert threading.main_thread() not in threads
    assert 1 == len(threads)


def test_a_cancellation_continues_when_its_trigger_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.3 cancels a trigger each second until it has ended, also while its `on_kill` works."""
    done = []

    async def slow(call: Any) -> Any:
        await asyncio.sleep(0.05)
        done.append(call)
        return Verdict.KILLED

    monkeypatch.setattr(polling, "_with_connections", slow)
    monkeypatch.setattr(polling, "_in_thread", slow)
    trigger = SoswJobTrigger(sosw_conn_id="sosw_default", job_id=JOB, cancel_on_kill=True)

    async def kill() -> None:
        cancellation = asyncio.create_task(trigger.on_kill())
        await asyncio.sleep(0.01)
        cancellation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancellation
        await asyncio.gather(*polling._cancellations)

    asyncio.run(kill())
    # The question, the Connection, the cancellation.
    assert 3 == len(done)
    assert set() == polling._cancellations
