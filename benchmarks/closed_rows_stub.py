"""DynamoDB on the wire that has every row of a closed job: each is made when it is asked for, so no size is too large.

Its index of closed tasks has those of some jobs in turn, up to the number that `close_up_to` has named. Run as a
program it prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any
from urllib.request import urlopen

from benchmarks.labourer_stub import serve_until_the_end
from benchmarks.stub_process import stub_process
from sosw_airflow.stores.job_record import Header, JobState

__all__ = ["CREATED_AT", "FAILED", "close_up_to", "closed_rows_stub", "figures", "job_id", "requests_of"]


#: One task in so many has failed.
FAILED = 100

#: Seconds since 1970. In rows tasks are closed a hundred a second.
CREATED_AT = 1_795_431_000


def closed_rows_stub(rate: int = 100) -> AbstractContextManager[str]:
    """The URL of a stub in a process of its own.

    :param rate: tasks that are closed in a second, in the index.
    """
    return stub_process(__name__, rate)


def requests_of(url: str) -> int:
    """The requests so far."""
    with urlopen(f"{url}/requests") as reply:  # noqa: S310 - the stub
        return int(json.load(reply)["requests"])


def job_id(number: int) -> str:
    """The id of one of the jobs."""
    return f"{number:020x}"


def close_up_to(url: str, tasks: int, jobs: int) -> None:
    """So many tasks are closed: the first one of each of so many jobs, then the second ones."""
    with urlopen(f"{url}/closed/{tasks}/{jobs}"):  # noqa: S310 - the stub
        pass


def figures(url: str) -> dict[str, float]:
    """Requests and read units so far, by operation."""
    with urlopen(f"{url}/figures") as reply:  # noqa: S310 - the stub
        found: dict[str, float] = json.load(reply)
        return found


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


#: Bytes of an entry of the index, and tasks of one page of it at most: 1 MB.
_ENTRY, _PAGE = 140, 7_000

#: Bytes of one read unit; an eventually consistent read takes half of one.
_UNIT = 4096


class _Stub:
    """Answers requests for rows, for entries of the index and for headers, and counts them."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.requests = 0
        self.figures: dict[str, float] = {}
        self.closed, self.jobs = 0, 1

    async def answer(self, target: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """The answer to one request."""
        if path == "/requests":
            return 200, {"requests": self.requests}
        if path == "/figures":
            return 200, self.figures
        if path.startswith("/closed/"):
            self.closed, self.jobs = (int(part) for part in path.split("/")[2:])
            return 200, {}
        self.requests += 1
        operation = target.rpartition(".")[2]
        answers = {"BatchGetItem": self._batch, "Query": self._query, "GetItem": self._header}
        if operation not in answers:
            return 400, {"__type": f"com.amazonaws.dynamodb.v20120810#NoStubFor{target}"}
        document, size = answers[operation](json.loads(body))
        self._count(operation, size)
        return 200, document

    def _count(self, operation: str, size: int) -> None:
        for name, value in ((operation, 1), (f"{operation} units", max(1, -(-size // _UNIT)) / 2)):
            self.figures[name] = self.figures.get(name, 0) + value

    def _batch(self, request: dict[str, Any]) -> tuple[dict[str, Any], int]:
        ((table, wanted),) = request["RequestItems"].items()
        rows = [_row(key["task_id"]["S"]) for key in wanted["Keys"]] if table == "sosw_closed_tasks" else []
        return {"Responses": {table: rows}, "UnprocessedKeys": {}}, _UNIT * len(rows)

    def _query(self, request: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """Entries of the index: completed ones and failed ones, in the order of their ends."""
        values = request["ExpressionAttributeValues"]
        failed = values[":status"]["S"].endswith("_0")
        place = int(request.get("ExclusiveStartKey", {}).get("place", {}).get("N", -1)) + 1
        number = max((int(values[":from"]["N"]) - CREATED_AT) * self.rate, place, 0)
        if failed:
            numbers = iter(range(number + -number % FAILED, self.closed, FAILED))
        else:
            numbers = (each for each in range(number, self.closed) if each % FAILED)
        most = min(request.get("Limit", _PAGE), _PAGE)
        found = list(islice(numbers, most))
        entries = []
        for number in found:
            index, job = divmod(number, self.jobs)
            closed_at = CREATED_AT + number // self.rate
            entries.append({"task_id": {"S": f"{job_id(job)}{index:012x}"}, "closed_at": {"N": str(closed_at)}})
        more = {"LastEvaluatedKey": {"place": {"N": str(found[-1])}}} if len(found) == most else {}
        return {"Items": entries, **more}, _ENTRY * len(entries)

    def _header(self, request: dict[str, Any]) -> tuple[dict[str, Any], int]:
        header = Header(
            job_id=request["Key"]["job_id"]["S"],
            state=JobState.WRITTEN,
            labourer_id="worker",
            fingerprint="f" * 64,
            outline="{}",
            tasks=10**9 // self.jobs,
            pages=1,
            page_rows=99,
            page_units=0,
            greenfield_base=0,
            greenfield_step=1,
            queue_bucket="bucket",
            queue_key="key",
            queue_bytes=1,
            reference_date="2026-11-23",
            dag_id="dag",
            run_id="run",
            task_id="task",
            map_index=-1,
            generation=0,
            created_at=CREATED_AT,
            updated_at=CREATED_AT,
            expires_at=CREATED_AT,
        )
        return {"Item": header.item()}, 1000


if __name__ == "__main__":
    serve_until_the_end(_Stub(int(sys.argv[1])))
