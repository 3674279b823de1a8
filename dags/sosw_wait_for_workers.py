"""Wait until the workers are done, then go on with what they did; clear to repair what failed.

The first Airflow task schedules 6 tasks and is deferred until each of them is closed, which takes no worker slot. With
more than one failed task it fails, and names them; clearing it then schedules only those again. It needs, once:

    airflow variables set sosw_labourers '{"measure_station": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

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
        poll_interval=5,
        tolerated_failures=1,
        on_clear="failed",
    )

    @task
    def report(job: dict) -> str:
        """The summary has the counts."""
        return f"{job['completed']} of {job['tasks']} stations were measured, {job['failed']} failed"

    report(measured.output)
