"""A nightly backfill that leaves room for others: the last week is computed again each night, at most two days at once.

The job waits behind all others, and other jobs of the labourer pass it while two of its tasks run. What is not done in
the morning is cancelled; the next night takes it up. Set this Variable once:

    airflow variables set sosw_labourers '{"reindex_days": {"invocation": "request"}}'
"""

from datetime import datetime, timedelta, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_nightly_backfill",
    schedule="0 22 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="reindex_days",
        job_schema={},
        job={"period": "last_7_days", "isolate_days": True},
        max_running=2,  # of the labourer's places; `sosw-airflow set JOB --max-running N` changes it
        orchestrate=True,
        timeout=timedelta(hours=8),
        timeout_action="cancel",  # what waits is taken back; what runs ends
    )
# --8<-- [end:dag]
