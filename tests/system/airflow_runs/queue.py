"""What is in sosw's queue after Airflow has run, by the job that each row belongs to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sosw_airflow.jobs import job_of, task_id
from sosw_airflow.jobs.identity import JobIdentity
from tests.support.upstream.scheduler import upstream_rows
from tests.system.airflow_runs.dag_files import LABOURER, SCHEMA
from tests.system.airflow_runs.deployment import Run


def job_id(run: Run, generation: int, *, map_index: int = -1, rerun: int = 0) -> str:
    """The id of the job that an Airflow task `schedule` of this run and generation makes.

    rerun: how many runs of this id were deleted before.
    """
    return JobIdentity(run.dag_id, run.run_id, "schedule", map_index, generation, LABOURER, rerun=rerun).job_id


def upstream_payloads(job: Mapping[str, Any], run: Run) -> list[dict[str, Any]]:
    """The payloads that sosw's own Scheduler makes of the job on the day on which the run is due."""
    rows = upstream_rows({**job, "lambda_name": LABOURER}, SCHEMA, run.due)
    return [_without_labourer(row) for row in rows]


def _without_labourer(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("labourer_id", "lambda_name")}


@dataclass(frozen=True)
class Queue:
    """sosw's tables behind a DynamoDB client."""

    dynamodb: Any
    s3: Any
    bucket: str

    def rows(self) -> list[dict[str, Any]]:
        """All rows of `sosw_tasks`, in the order in which they are due."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName="sosw_tasks")
        return sorted((row for page in pages for row in page["Items"]), key=lambda row: int(row["greenfield"]["N"]))

    def tasks(self, *jobs: str) -> Counter[str]:
        """How many rows each of these jobs has; without jobs, each job that has any."""
        counted = Counter(job_of(row["task_id"]["S"]) for row in self.rows())
        return Counter({job: counted[job] for job in jobs or counted})

    def payloads(self, job: str) -> list[dict[str, Any]]:
        """The payloads of a job, in order. Its ids are those of the indexes from 0, without a gap."""
        return self.payloads_of([job])[0]

    def payloads_of(self, jobs: Sequence[str]) -> list[list[dict[str, Any]]]:
        """The same for each of these jobs."""
        rows: dict[str, list[dict[str, Any]]] = {job: [] for job in jobs}
        for row in self.rows():
            rows.get(job_of(row["task_id"]["S"]), []).append(row)
        for job, found in rows.items():
            assert [row["task_id"]["S"] for row in found] == [task_id(job, index) for index in range(len(found))]
        return [[json.loads(row["payload"]["S"]) for row in rows[job]] for job in jobs]

    def files(self) -> list[str]:
        """The ids of the jobs whose queue file is there."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [each["Key"].rpartition("_")[2].removesuffix(".txt") for each in listed]
