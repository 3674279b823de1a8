"""Wait, deferred: the Airflow task ends when the workers have done every task, and the next one uses their counts.

The first Airflow task schedules 6 tasks and waits in the triggerer, which takes no worker slot. Set this Variable once:

    airflow variables set sosw_labourers '{"measure_station": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_wait_for_workers",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    measured = SoswScheduleOperator(
        task_id="schedule",
        labourer="measure_station",
        job_schema={"chunkable_attrs": ["station"]},
        job={
            "period": "last_2_days",
            "isolate_days": True,
            "stations": ["harbour", "hill", "airport"],
            "isolate_stations": True,
        },
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,  # seconds; the default of 60 costs less
        timeout=6 * 3600,
    )

    @task
    def report(job: dict) -> str:
        """Use the counts that the first Airflow task returned."""
        return f"{job['completed']} of {job['tasks']} stations were measured, {job['failed']} failed"

    report(measured.output)
# --8<-- [end:dag]
