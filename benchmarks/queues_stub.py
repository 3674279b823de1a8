"""DynamoDB on the wire with long queues of many labourers: each row is made when it is asked for.

Each of 50 labourers has 20,000 queued tasks of ten jobs, ten running ones, and 5,050 tasks that were closed in the last
ten minutes. Run as a program it prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager
from typing import Any
from urllib.request import urlopen

from benchmarks.labourer_stub import serve_until_the_end
from benchmarks.stub_process import stub_process
from sosw_airflow.jobs.transitions import JobState
from sosw_airflow.stores.job_record import Header

__all__ = ["JOBS", "LABOURERS", "TASKS", "figures_of", "job_id", "labourer_id", "queues_stub"]

LABOURERS, JOBS, TASKS = 50, 10, 2000

#: Running tasks, and tasks that were completed and failed lately, of each labourer.
_RUNNING, _CLOSED = 10, {"1": 5000, "0": 50}

_STEP, _DELTA, _RECENT = 1000, 31_557_600, 600

#: Bytes of one read unit; an eventually consistent read takes half of one.
_UNIT = 4096


def queues_stub() -> AbstractContextManager[str]:
    """The URL of a stub in a process of its own."""
    return stub_process(__name__)


def figures_of(url: str) -> dict[str, float]:
    """Requests and read units so far."""
    with urlopen(f"{url}/figures") as reply:  # noqa: S310 - the stub
        found: dict[str, float] = json.load(reply)
        return found


def labourer_id(number: int) -> str:
    """The id of a labourer."""
    return f"labourer-{number:02}"


def job_id(labourer: int, job: int) -> str:
    """The id of a job."""
    return f"{labourer:08x}{job:012x}"


class _Stub:
    """Answers requests for rows, and how much they were."""

    def __init__(self) -> None:
        self.requests, self.units, self.began = 0, 0.0, int(time.time())

    async def answer(self, target: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """The answer to one request."""
        if path == "/figures":
            return 200, {"requests": self.requests, "units": self.units}
        answers = {"Query": self._query, "GetItem": self._get_item, "BatchGetItem": self._batch_get_item}
        self.requests += 1
        answer = answers[target.rpartition(".")[2]](json.loads(body))
        units = max(1, -(-len(json.dumps(answer)) // _UNIT)) / 2
        self.units += units
        # That of a BatchGetItem is a list, by table; nothing of ours reads it.
        return 200, answer if "Responses" in answer else {**answer, "ConsumedCapacity": {"CapacityUnits": units}}

    def _get_item(self, request: dict[str, Any]) -> dict[str, Any]:
        key = request["Key"]["job_id"]["S"]
        if len(key) != 20 or request["Key"]["record"]["S"] != "header":
            return {}
        labourer, job = int(key[:8], 16), int(key[8:], 16)
        if labourer >= LABOURERS or job >= JOBS or key != job_id(labourer, job):
            return {}
        return {"Item": _header(labourer, job, self.began).item()}

    def _batch_get_item(self, request: dict[str, Any]) -> dict[str, Any]:
        ((table, wanted),) = request["RequestItems"].items()
        rows = [_row(key["task_id"]["S"]) for key in wanted["Keys"]] if table == "sosw_tasks" else []
        return {"Responses": {table: rows}, "UnprocessedKeys": {}}

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        values, condition, limit = request["ExpressionAttributeValues"], request["KeyConditionExpression"], 1000
        limit = request.get("Limit", limit)
        if request["TableName"] == "sosw_closed_tasks":
            return self._closed(request, values, limit)
        if request["TableName"] != "sosw_tasks":
            return {"Items": []}
        labourer = int(values[":labourer"]["S"].removeprefix("labourer-"))
        if "greenfield > :now" in condition:
            running = [f"{'e' * 20}{index:012x}" for index in range(_RUNNING)]
            items = [_entry(labourer, each, self.began + _DELTA) for each in running]
            return {"Items": [] if ":job" in values else items}
        total = JOBS * TASKS
        places = range(total) if request.get("ScanIndexForward", True) else range(total - 1, -1, -1)
        items = [
            _entry(labourer, f"{job_id(labourer, place // TASKS)}{place % TASKS:012x}", _STEP * (place + 1))
            for place in places[:limit]
        ]
        return {"Items": items, "LastEvaluatedKey": {"task_id": items[-1]["task_id"]}}

    def _closed(self, request: dict[str, Any], values: dict[str, Any], limit: int) -> dict[str, Any]:
        """Closings at equal distances over ten minutes."""
        total = _CLOSED[values[":status" if ":status" in values else ":failed"]["S"][-1]]
        since = max(int(each["N"]) for each in values.values() if "N" in each)
        times = range(total)
        if not request.get("ScanIndexForward", True):
            times = range(total - 1, -1, -1)
        after = int(request["ExclusiveStartKey"]["place"]["N"]) if "ExclusiveStartKey" in request else -1
        found = [each for each in times[after + 1 :] if self._at(each, total) >= since]
        items = [{"task_id": {"S": f"{'f' * 20}{each:012x}"}, "closed_at": {"N": str(self._at(each, total))}}
                 for each in found[:limit]]  # fmt: skip
        more = {"LastEvaluatedKey": {"place": {"N": str(times.index(found[limit - 1]))}}} if len(found) > limit else {}
        return {"Items": items, **more}

    def _at(self, index: int, total: int) -> int:
        return self.began - _RECENT + _RECENT * index // total


def _entry(labourer: int, task_id: str, greenfield: int) -> dict[str, Any]:
    return {
        "task_id": {"S": task_id},
        "labourer_id": {"S": labourer_id(labourer)},
        "greenfield": {"N": str(greenfield)},
        "created_at": {"N": "1795431000"},
        "attempts": {"N": "0"},
    }


def _row(task_id: str) -> dict[str, Any]:
    labourer, place = int(task_id[:8], 16), int(task_id[20:], 16)
    payload = {"words": [f"word-{place}"], "section": "a" * 200}
    return {**_entry(labourer, task_id, _STEP), "payload": {"S": json.dumps(payload)}}


def _header(labourer: int, job: int, now: int) -> Header:
    numbers = {"tasks": TASKS, "pages": 21, "page_rows": 99, "page_units": 400, "queue_bytes": 1, "map_index": -1}
    texts = {"fingerprint": "f", "outline": "{}", "queue_bucket": "b", "queue_key": "k", "reference_date": "2026-03-02"}
    origin = {"dag_id": "dag", "run_id": "run", "task_id": "schedule", "generation": 0}
    times = {"created_at": now - 900, "updated_at": now - 900, "expires_at": now + 10**7}
    places = {"greenfield_base": _STEP * TASKS * job, "greenfield_step": _STEP}
    return Header(
        job_id=job_id(labourer, job),
        state=JobState.WRITTEN,
        labourer_id=labourer_id(labourer),
        **numbers,
        **texts,
        **origin,
        **times,
        **places,
    )


if __name__ == "__main__":
    serve_until_the_end(_Stub())
