"""Drain a queue file that a Scheduler of sosw has left in S3: each of its tasks enters the queue once.

`sosw-airflow doctor` lists such files. Trigger the DAG with the name of one. Set this Variable once:

    airflow variables set sosw_labourers '{"archive_mail": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswDrainQueueOperator

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_drain_queue_file",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    params={"queue_file": "tasks_queue_0a1b2c.txt"},
    tags=["sosw"],
):
    SoswDrainQueueOperator(task_id="drain", queue_file="{{ params.queue_file }}")
# --8<-- [end:dag]
