"""Jobs written into an emulator by the real sosw (0.7.51): its Scheduler, its TaskManager, its DynamoDB client."""

from __future__ import annotations

import os
import time
import uuid
from types import SimpleNamespace
from typing import Any

from benchmarks.fresh_process import Figures
from benchmarks.writer_ours import BUCKET, LABOURER, SCHEMA, add_latency, job
from tests.support.emulators.emulator import ACCESS_KEY, REGION, SECRET_KEY

__all__ = ["measure_upstream"]


def measure_upstream(endpoint_url: str, tasks: int, latency: float, limit: bool, meta: bool = False) -> Figures:
    """``process_file`` on the queue file of a job, with all time in the world. Expansion and file are made before.

    :param limit: put a ``Limit`` into the query for the newest greenfield. Without it each task reads all the tasks
        before it, up to 1 MB.
    :param meta: write the history of each task as well.
    """
    scheduler = _scheduler(endpoint_url, latency, meta)
    if limit:
        _limit_queries(scheduler.task_client.dynamo_db_client)
    scheduler.parse_job_to_file({"lambda_name": LABOURER, **job(tasks)})
    wall, processor = time.perf_counter(), time.process_time()
    scheduler.process_file()
    figures = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    return {"rows": tasks, **figures}


def _scheduler(endpoint_url: str, latency: float, meta: bool) -> Any:
    for name in ("STAGE", "autotest", "AWS_PROFILE"):
        os.environ.pop(name, None)
    os.environ.update(
        AWS_ACCESS_KEY_ID=ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY=SECRET_KEY,
        AWS_DEFAULT_REGION=REGION,
        AWS_ENDPOINT_URL=endpoint_url,
        NO_PROXY="127.0.0.1",
    )
    import boto3

    boto3.setup_default_session()
    add_latency(boto3.DEFAULT_SESSION, latency)
    from tests.support.upstream import quiet  # noqa: F401 - before anything of sosw

    # isort: split
    from sosw import app
    from sosw.scheduler import Scheduler

    app.get_config = lambda _: {}
    app.global_vars.lambda_context = SimpleNamespace(
        aws_request_id=uuid.uuid4().hex,
        function_name="sosw_scheduler",
        log_stream_name="log",
        invoked_function_arn=f"arn:aws:lambda:{REGION}:{ACCESS_KEY}:function:sosw_scheduler",
        get_remaining_time_in_millis=lambda: 900_000,
    )
    schema = {"chunkable_attrs": [(name, {}) for name in SCHEMA]}
    arn = f"arn:aws:lambda:{REGION}:{ACCESS_KEY}:function:{LABOURER}"
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
