"""DynamoDB on the wire that has every row of a closed job: each is made when it is asked for, so no size is too large.

Run as a program it prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any
from urllib.request import urlopen

from benchmarks.labourer_stub import serve_until_the_end
from benchmarks.stub_process import stub_process

__all__ = ["CREATED_AT", "FAILED", "closed_rows_stub", "requests_of"]


#: One task in so many has failed.
FAILED = 100

#: Seconds since 1970; tasks are closed a hundred a second.
CREATED_AT = 1_795_431_000


def closed_rows_stub() -> AbstractContextManager[str]:
    """The URL of a stub in a process of its own."""
    return stub_process(__name__)


def requests_of(url: str) -> int:
    """The requests so far."""
    with urlopen(f"{url}/requests") as reply:  # noqa: S310 - the stub
        return int(json.load(reply)["requests"])


def _row(task_id: str) -> dict[str, Any]:
    index = int(task_id[20:], 16)
    closed_at = CREATED_AT + index // 100
    failed = index % FAILED == 0
    error = {"error_type": {"S": "KeyError"}, "error_message": {"S": f"no such word: 'word-{index}'"}}
    done = {"completed_at": {"N": str(closed_at)}, "result": {"S": json.dumps({"rows": index, "place": "x" * 100})}}
    return {
        "task_id": {"S": task_id},
        "labourer_id": {"S": "worker"},
        "payload": {"S": str({"words": [f"word-{index}"], "section": "a" * 200, "isolate_words": True})},
        "created_at": {"N": str(CREATED_AT)},
        "greenfield": {"N": str(closed_at - 60 + 31_557_600)},
        "attempts": {"N": "3" if failed else "1"},
        "closed_at": {"N": str(closed_at)},
        "labourer_id_task_status": {"S": f"worker_{int(not failed)}"},
        **(error if failed else done),
    }


class _Stub:
    """Answers requests for rows, and how many there were."""

    requests = 0

    async def answer(self, target: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """The answer to one request."""
        if path == "/requests":
            return 200, {"requests": self.requests}
        self.requests += 1
        if not target.endswith("BatchGetItem"):
            return 400, {"__type": f"com.amazonaws.dynamodb.v20120810#NoStubFor{target}"}
        ((table, wanted),) = json.loads(body)["RequestItems"].items()
        rows = [_row(key["task_id"]["S"]) for key in wanted["Keys"]] if table == "sosw_closed_tasks" else []
        return 200, {"Responses": {table: rows}, "UnprocessedKeys": {}}


if __name__ == "__main__":
    serve_until_the_end(_Stub())
