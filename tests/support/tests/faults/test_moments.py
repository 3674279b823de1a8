"""What happens at the boundary of a request: functions, kills, gates."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectionClosedError

from tests.support.faults.faults import Call, Gate, Kill
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import nth, on
from tests.support.faults.sample_rows import TASKS, puts, stored

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator

# A worker that writes five pages of one row, one after the other.
_WORKER = """
import boto3
from tests.support.faults.sample_rows import puts
client = boto3.client("dynamodb")
for index in range(5):
    client.transact_write_items(TransactItems=puts(index))
"""


def _run_worker(emulator: Emulator, proxy: FaultProxy, kill: Any) -> int:
    workers: list[subprocess.Popen[bytes]] = []
    proxy.add(on("TransactWriteItems"), kill(lambda: workers[0].pid), when=nth(3))
    environment = {**os.environ, **emulator.environment(proxy.url)}
    repository = Path(__file__).resolve().parents[4]
    workers.append(subprocess.Popen([sys.executable, "-c", _WORKER], env=environment, cwd=repository))
    code = workers[0].wait(60)
    proxy.wait_idle()
    return code


@pytest.mark.parametrize(("applied", "rows"), [(False, 2), (True, 3)], ids=["before", "after"])
def test_worker_is_killed_at_its_third_transaction(
    emulator: Emulator, proxy: FaultProxy, direct: Any, applied: bool, rows: int
) -> None:
    """A process dies exactly before its third transaction is applied, or exactly after it was."""
    code = _run_worker(emulator, proxy, lambda pid: Kill(pid, applied=applied))
    assert code == -signal.SIGKILL
    assert stored(direct) == rows
    assert [entry.applied for entry in proxy.journal.entries] == [True, True, applied]


def test_functions_are_called_before_and_after(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """The first function sees the table as it was, the second one as it is."""
    seen: list[tuple[str, int]] = []
    fault = Call(
        before_request=lambda request: seen.append((request.operation, stored(direct))),
        after_request=lambda request: seen.append((request.operation, stored(direct))),
    )
    proxy.add(on("TransactWriteItems"), fault)
    dynamodb.transact_write_items(TransactItems=puts(0, 1))
    assert seen == [("TransactWriteItems", 0), ("TransactWriteItems", 2)]


def test_called_function_may_use_the_proxy(proxy: FaultProxy, dynamodb: Any, emulator: Emulator) -> None:
    """A function can send requests through the same proxy."""
    other = emulator.client("dynamodb", endpoint_url=proxy.url)
    counts: list[int] = []
    proxy.add(on("TransactWriteItems"), Call(after_request=lambda request: counts.append(stored(other))))
    dynamodb.transact_write_items(TransactItems=puts(0))
    assert counts == [1]


def test_failure_of_a_called_function_fails_the_test(emulator: Emulator) -> None:
    """What a function raises inside of the proxy is raised again when the proxy stops."""

    def fail(request: object) -> None:
        raise ValueError("seen too much")

    proxy = FaultProxy(emulator.endpoint_url)
    proxy.start()
    proxy.add(on("ListTables"), Call(before_request=fail))
    with pytest.raises(ConnectionClosedError):
        emulator.client("dynamodb", endpoint_url=proxy.url).list_tables()
    with pytest.raises(ValueError, match="seen too much"):
        proxy.stop()


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_gate_holds_a_request(proxy: FaultProxy, dynamodb: Any, direct: Any, applied: bool) -> None:
    """A gate holds a request before it is applied or before it is answered, until the test opens it."""
    gate = Gate(applied=applied)
    proxy.add(on("TransactWriteItems", table=TASKS), gate, when=nth(1))
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(dynamodb.transact_write_items, TransactItems=puts(0))
        assert gate.arrived.wait(10)
        assert stored(direct) == int(applied)
        assert not pending.done()
        gate.open()
        pending.result(10)
    assert stored(direct) == 1
