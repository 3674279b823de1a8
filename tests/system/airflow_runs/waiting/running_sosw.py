"""sosw's own Orchestrator, WorkerAssistant and Scavenger, which work on the queue of one labourer until told to stop.

with running_sosw(emulator, log_path):
    ...  # rows of `WORKED_ON` are invoked, completed, retried, archived

A task whose payload has a word that begins with `bad` is never completed: it expires, is retried, and is archived dead.
They have a process of their own: sosw makes its clients from the environment, as in a Lambda function.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.emulators.emulator import Emulator
    from tests.support.upstream.components import Upstream

#: The labourer whose tasks are worked on.
WORKED_ON = "worked_on"

_ROOT = Path(__file__).parents[4]


@contextlib.contextmanager
def running_sosw(emulator: Emulator, log_path: Path) -> Iterator[None]:
    """Let sosw work. Raises AssertionError: it has ended by itself, because of what the end of its log says."""
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.system.airflow_runs.waiting.running_sosw",
                json.dumps(emulator.environment()),
            ],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        died = process.poll() is not None
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.wait(60)
        assert not died, log_path.read_text()[-3000:]


def main() -> None:
    """Work until standard input closes."""
    import boto3

    from tests.conftest import Aws
    from tests.support.upstream.components import upstream

    os.environ.update(json.loads(sys.argv[1]))  # tests.conftest has just taken away whatever was there

    told = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), told.set()), daemon=True).start()
    aws = Aws(dynamodb=boto3.client("dynamodb"), s3=boto3.client("s3"))
    with upstream(aws, labourers={WORKED_ON: {"max_simultaneous_invocations": 50, "max_attempts": 3}}) as sosw:
        while not told.is_set():
            _round(sosw)
            told.wait(0.2)


def _round(sosw: Upstream) -> None:
    """One run of each component, and what the workers do in between."""
    begun = time.monotonic()
    sosw.orchestrator({})
    invoked = [payload for _, payload in sosw.invocations]
    sosw.invocations.clear()
    for payload in invoked:
        if any(str(word).startswith("bad") for word in payload.get("words", ())):
            sosw.expire(payload["task_id"])
        else:
            sosw.complete(payload["task_id"])
    sosw.scavenger({})
    delayed = _delayed(sosw)
    for task_id in delayed:
        sosw.end_delay(WORKED_ON, task_id)
    if invoked or delayed:
        print(f"{len(invoked)} invoked, {len(delayed)} delayed, {time.monotonic() - begun:.1f} s", flush=True)


def _delayed(sosw: Upstream) -> list[str]:
    found: dict[str, Any] = sosw.aws.dynamodb.query(
        TableName=sosw.aws.names.retry_tasks_table,
        KeyConditionExpression="labourer_id = :labourer",
        ExpressionAttributeValues={":labourer": {"S": WORKED_ON}},
    )
    return [item["task_id"]["S"] for item in found["Items"]]


if __name__ == "__main__":
    main()
