"""Periods and backfills: a weekly job whose dates follow the DAG run, so that any week of the past can run today.

Each run schedules one task for each shop and each of the seven days before it: 14 tasks. Set this Variable once:

    airflow variables set sosw_labourers '{"pull_orders": {}}'

Then run the first quarter of 2026 (on Airflow 2: `airflow dags backfill`):

    airflow backfill create --dag-id sosw_backfill --from-date 2026-01-01 --to-date 2026-03-31
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_backfill",
    schedule="@weekly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # one week after the other, so that the queue has the oldest week first
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="pull_orders",
        job_schema={"chunkable_attrs": ["shop"]},
        job={
            "period": "last_7_days",
            "isolate_days": True,
            "shops": ["berlin", "lisbon"],
            "isolate_shops": True,
        },
        on_clear="resume",  # a backfill that reprocesses a week adds only what is missing
    )
# --8<-- [end:dag]
