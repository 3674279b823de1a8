"""Jobs written into an emulator by the real sosw (0.7.51): its Scheduler, its TaskManager, its DynamoDB client."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.fresh_process import Figures
from benchmarks.round_trips import RoundTrips
from benchmarks.sosw_process import emulator_session, function_arn, prepare_sosw
from benchmarks.writer_ours import BUCKET, LABOURER, SCHEMA, add_latency, job

__all__ = ["measure_upstream"]


def measure_upstream(endpoint_url: str, tasks: int, latency: float, limit: bool, meta: bool = False) -> Figures:
    """``process_file`` on the queue file of a job, with all time in the world. Expansion and file are made before.

    :param limit: put a ``Limit`` into the query for the newest greenfield. Without it each task reads all the tasks
        before it, up to 1 MB.
    :param meta: write the history of each task as well.
    """
    session = emulator_session(endpoint_url)
    trips = RoundTrips(session)
    add_latency(session, latency)
    scheduler = _scheduler(meta)
    if limit:
        _limit_queries(scheduler.task_client.dynamo_db_client)
    scheduler.parse_job_to_file({"lambda_name": LABOURER, **job(tasks)})
    trips.spans.clear()
    wall, processor = time.perf_counter(), time.process_time()
    scheduler.process_file()
    figures = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    return {"rows": tasks, **figures, **trips.figures()}


def _scheduler(meta: bool) -> Any:
    prepare_sosw("sosw_scheduler")
    from sosw.scheduler import Scheduler

    schema = {"chunkable_attrs": [(name, {}) for name in SCHEMA]}
    arn = function_arn(LABOURER)
    return Scheduler(
        custom_config={
            "queue_bucket": BUCKET,
            "task_config": {"labourers": {LABOURER: {"arn": arn, "max_simultaneous_invocations": 1}}},
            "meta_handler_config": {"write_meta_to_ddb": meta},
            "job_schema": schema,
            "job_schema_variants": {"default": schema},
        }
    )


def _limit_queries(client: Any) -> None:
    construct = client._query_constructor  # noqa: SLF001 - this is the patch

    def with_limit(*arguments: Any, **settings: Any) -> dict[str, Any]:
        query: dict[str, Any] = construct(*arguments, **settings)
        return {**query, "Limit": settings["max_items"]} if settings.get("max_items") else query

    client._query_constructor = with_limit  # noqa: SLF001
