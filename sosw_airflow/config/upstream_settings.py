"""What sosw 0.7.51 knows as settings, by the document they stand in, and what becomes of each here.

Data for `sosw_airflow.config.upstream`: settings that become extras of the Connection, and settings that have no
counterpart here, with sosw's default (a setting that repeats it can be passed over without a word) and what to say of
another value.
"""

from __future__ import annotations

from typing import Any

# What a row of sosw_tasks is made of; the types are those that sosw's components rely on.
WRITTEN_COLUMNS = {"task_id", "labourer_id", "created_at", "greenfield", "attempts", "payload"}
COLUMN_TYPES = {
    "task_id": "S",
    "labourer_id": "S",
    "created_at": "N",
    "completed_at": "N",
    "greenfield": "N",
    "attempts": "N",
    "closed_at": "N",
    "desired_launch_time": "N",
    "arn": "S",
    "payload": "S",
}
REQUIRED_FIELDS = {"task_id", "labourer_id", "created_at", "greenfield"}

# Setting of sosw -> extra of the Connection.
SCHEDULER_EXTRAS = {"queue_bucket": "queue_bucket", "s3_prefix": "s3_prefix"}
# Parts of the Scheduler's configuration that are read on their own.
SCHEDULER_PARTS = {"job_schema", "job_schema_variants", "meta_handler_config"}
TASK_EXTRAS = {
    "sosw_closed_tasks_table": "closed_tasks_table",
    "sosw_closed_tasks_labourer_status_index": "closed_tasks_index",
    "sosw_retry_tasks_table": "retry_tasks_table",
}
TABLE_EXTRAS = {"table_name": "tasks_table", "index_greenfield": "index_greenfield", "region_name": "region_name"}

# Settings without a counterpart here: sosw's defaults, with which they may be passed over, and what to say of others.
PassedOver = dict[str, tuple[tuple[Any, ...], str]]
_CLIENTS = "the clients that a process of sosw opens; there is no such process here"
_PERIODS = (
    "they name methods of your own Scheduler class; in a variant of sosw_job_schemas map each pattern to an importable "
    "function: {'custom_period_patterns': {pattern: 'package.module:function'}}"
)
_ECOLOGY = "settings of sosw's EcologyManager; leave them with the Orchestrator"
SCHEDULER_ONLY: PassedOver = {
    "init_clients": ((["Task", "s3", "Sns", "Siblings"], []), _CLIENTS),
    "queue_file": (("tasks_queue.txt",), "queue files are named after the job here"),
    "shutdown_period": ((60,), "there is no Lambda whose time runs out here"),
    "rows_to_process": ((50,), "rows are written in pages of up to 99 here"),
    "task_operational_overhead_for_ddb": ((0.03,), "the pace follows the table's capacity here"),
    "ecology_config": (({},), _ECOLOGY),
    "siblings_config": (({},), "there are no sibling Lambdas here"),
    "sns_config": (({},), "the Scheduler's SNS client has no counterpart here; use Airflow's callbacks and notifiers"),
    "custom_period_patterns": (
        ([], ()),
        _PERIODS,
    ),
}
ORCHESTRATOR_ONLY: PassedOver = {
    "init_clients": ((["Task"], []), _CLIENTS),
    "invocation_number_coefficient": (
        ({0: 0, 1: 0, 2: 0.5, 3: 0.75, 4: 1}, {"0": 0, "1": 0, "2": 0.5, "3": 0.75, "4": 1}),
        "only sosw's Orchestrator uses it",
    ),
    "default_simultaneous_invocations": ((2,), "only sosw's Orchestrator uses it"),
    "max_simultaneous_invocations": ((), "only sosw's Orchestrator uses it"),
    "ecology_config": (({},), _ECOLOGY),
}
TASK_ONLY: PassedOver = {
    "init_clients": ((["DynamoDb", "lambda", "Ecology"], []), _CLIENTS),
    "sosw_retry_tasks_greenfield_index": (("labourer_id_greenfield",), "only sosw's Scavenger reads this index"),
    "greenfield_invocation_delta": (
        (31557600,),
        "sosw's own delta of 31557600 s separates invoked tasks from queued ones; with another one they are misread",
    ),
    "greenfield_task_step": ((1000,), "new tasks stand 1000 apart here, or less in a long queue"),
    "max_closed_to_analyse_for_duration": ((10,), "only sosw's Orchestrator uses it"),
    "ecology_config": (({},), _ECOLOGY),
}
TABLE_ONLY: PassedOver = {
    "hash_key": (("task_id",), "the key of sosw_tasks is task_id here"),
    "skip_glue": ((True,), "Glue is never asked here"),
}
META_ONLY: PassedOver = {
    "init_clients": (([],), _CLIENTS),
    "dynamo_db_config.hash_key": (("task_id",), "the key of the meta table is task_id here"),
    "dynamo_db_config.row_mapper": (
        (
            {
                "task_id": "S",
                "created_at": "N",
                "author": "S",
                "invocation_id": "S",
                "log_stream_name": "S",
                "action": "S",
            },
        ),
        "the meta table has sosw's own columns here",
    ),
    "dynamo_db_config.required_fields": (
        (["task_id", "created_at", "author", "invocation_id", "log_stream_name", "action"],),
        "the meta table has sosw's own columns here",
    ),
}
LABOURER_DEFAULTS = {"max_attempts": 3, "max_simultaneous_invocations": 1}
