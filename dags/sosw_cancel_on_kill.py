"""Cancel on kill: when you mark the Airflow task as failed, the tasks that no worker has got leave the queue.

Without `cancel_on_kill` they stay, and a later attempt resumes the job. Set this Variable once:

    airflow variables set sosw_labourers '{"render_frames": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_cancel_on_kill",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="render_frames",
        job_schema={"chunkable_attrs": ["frame"]},
        job={"frames": list(range(1, 101)), "max_frames_per_batch": 10},
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,
        cancel_on_kill=True,
    )
# --8<-- [end:dag]
