"""DynamoDB and Lambda for one labourer on the wire, as far as an orchestrator asks: rows in memory, a fixed latency.

A task that is invoked is marked as completed after a given time, as the assistant would do it. Run as a program it
prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections import deque
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.request import urlopen

from benchmarks.stub_process import stub_process

__all__ = ["figures", "labourer_stub", "replay", "serve_until_the_end"]

_DELTA = 31_557_600


def labourer_stub(*, tasks: int, latency: float, duration: float) -> AbstractContextManager[str]:
    """The URL of a stub in a process of its own.

    :param tasks: rows in the queue.  :param latency: seconds of each answer.  :param duration: seconds of a task.
    """
    return stub_process(__name__, tasks, latency, duration)


def figures(url: str) -> dict[str, Any]:
    """Requests by operation, rows closed, the largest number running, and the integral of those running."""
    with urlopen(f"{url}/figures") as reply:  # noqa: S310 - the stub
        found: dict[str, Any] = json.load(reply)
        return found


def replay(url: str) -> None:
    """From now on each request of an operation gets the answers that the operation has given before, in order."""
    with urlopen(f"{url}/replay"):  # noqa: S310 - the stub
        pass


class _Stub:
    """The rows of the labourer, and what was asked for."""

    def __init__(self, tasks: int, latency: float, duration: float) -> None:
        self.latency, self.duration = latency, duration
        self.rows = {
            f"{number:032x}": {
                "task_id": {"S": f"{number:032x}"},
                "labourer_id": {"S": "worker"},
                "payload": {"S": json.dumps({"words": [f"word-{number}"], "section": "a" * 200})},
                "created_at": {"N": "1795431000.5"},
                "greenfield": {"N": str(1000 + number)},
                "attempts": {"N": "0"},
            }
            for number in range(tasks)
        }
        self.order = [(1000 + number, f"{number:032x}") for number in range(tasks)]
        self.requests: dict[str, int] = {}
        self.closed: set[str] = set()
        self.items: dict[str, dict[str, Any]] = {}
        self.running = self.most = self.twice = 0
        self.busy = 0.0  # seconds of slots
        self.invoked: set[str] = set()
        self.answers: dict[str, deque[tuple[int, dict[str, Any]]]] = {}
        self.replays = False

    async def answer(self, target: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """The answer to one request, after the latency."""
        if path == "/figures":
            return 200, {
                "requests": self.requests,
                "closed": len(self.closed),
                "most": self.most,
                "twice": self.twice,
                "busy": self.busy,
            }
        if path == "/replay":
            self.replays = True
            return 200, {}
        await asyncio.sleep(self.latency)
        operation = target.rpartition(".")[2] or ("Invoke" if path.endswith("/invocations") else "Function")
        if self.replays and operation != "Function":
            return self.answers[operation].popleft()
        self.requests[operation] = self.requests.get(operation, 0) + 1
        document = json.loads(body) if body else {}
        if operation == "Function":
            return 200, {"Timeout": 30, "MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
        answers = {
            "Query": self._query,
            "UpdateItem": self._update_item,
            "GetItem": self._get_item,
            "BatchWriteItem": self._batch_write_item,
            "Invoke": self._invoke,
        }
        answer = answers[operation](document)
        # Queries show rows that change: what is answered again is a copy of what was answered.
        self.answers.setdefault(operation, deque()).append(json.loads(json.dumps(answer)))
        return answer

    def _query(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if request["TableName"] != "sosw_tasks":
            return 200, {"Items": []}
        values, condition = request["ExpressionAttributeValues"], request["KeyConditionExpression"]
        limit = request.get("Limit", 10**9)
        if ":now" in values:
            now = int(values[":now"]["N"])
            if "greenfield > :now" in condition:
                wanted = self.order[bisect_right(self.order, (now, "g")) :]
            else:
                wanted = [each for each in self.order[:limit] if each[0] <= now]
        else:
            wanted = self.order[:limit]
        return 200, {"Items": [self.rows[task_id] for _, task_id in wanted]}

    def _update_item(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        values = request["ExpressionAttributeValues"]
        if request["TableName"] == "sosw_jobs":
            return 200, {}
        row = self.rows.get(request["Key"]["task_id"]["S"])
        if row is None or row["greenfield"] != values[":greenfield"] or row["attempts"] != values[":attempts"]:
            return 400, {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}
        self._move(row, values[":new"]["N"])
        row.update(attempts=values[":next"], queued_as=values[":greenfield"], claimed_by=values[":owner"])
        return 200, {}

    def _get_item(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        del request
        return 200, {}

    def _invoke(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        task_id = event["task_id"]
        self.twice += task_id in self.invoked
        self.invoked.add(task_id)
        self.running += 1
        self.most = max(self.most, self.running)
        asyncio.get_running_loop().call_later(self.duration, self._complete, task_id)
        return 202, {}

    def _complete(self, task_id: str) -> None:
        self.running -= 1
        self.busy += self.duration
        self.rows[task_id]["completed_at"] = {"N": str(int(time.time()))}
        self.rows[task_id]["result"] = {"S": '"done"'}

    def _batch_write_item(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        for table, writes in request["RequestItems"].items():
            for write in writes:
                if "PutRequest" in write:
                    self.closed.add(write["PutRequest"]["Item"]["task_id"]["S"])
                elif table == "sosw_tasks":
                    row = self.rows.pop(write["DeleteRequest"]["Key"]["task_id"]["S"], None)
                    if row is not None:
                        del self.order[bisect_left(self.order, (int(row["greenfield"]["N"]), row["task_id"]["S"]))]
        return 200, {}

    def _move(self, row: dict[str, Any], greenfield: str) -> None:
        del self.order[bisect_left(self.order, (int(row["greenfield"]["N"]), row["task_id"]["S"]))]
        row["greenfield"] = {"N": greenfield}
        insort(self.order, (int(greenfield), row["task_id"]["S"]))


class _Answers(Protocol):
    async def answer(self, target: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]: ...


async def _serve(stub: _Answers) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                path = line.split()[1].decode()
                headers = {}
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, document = await stub.answer(headers.get("x-amz-target", ""), path, body)
                text = json.dumps(document).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.0\r\n"
                    f"Content-Length: {len(text)}\r\n\r\n".encode()
                    + text
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def serve_until_the_end(stub: _Answers) -> None:
    """Print the port, and serve until the standard input ends."""

    def end() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    asyncio.run(_serve(stub))


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tasks", type=int)
    parser.add_argument("latency", type=float)
    parser.add_argument("duration", type=float)
    arguments = parser.parse_args()
    serve_until_the_end(_Stub(arguments.tasks, arguments.latency, arguments.duration))


if __name__ == "__main__":
    _main()
