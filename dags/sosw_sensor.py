"""Wait with a sensor: schedule a job, do something else meanwhile, and wait for the workers at the end.

The sensor takes the id of the job from the Airflow task that scheduled it. That Airflow task may also belong to another
DAG. Set this Variable once:

    airflow variables set sosw_labourers '{"resize_images": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_sensor",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    scheduled = SoswScheduleOperator(
        task_id="schedule",
        labourer="resize_images",
        job_schema={"chunkable_attrs": ["album"]},
        job={"albums": ["alps", "beach", "city", "desert"], "isolate_albums": True},
    )

    @task
    def prepare_the_page() -> str:
        """Work that needs no finished images."""
        return "prepared"

    resized = SoswJobSensor(
        task_id="wait",
        job_id=scheduled.output,
        deferrable=True,
        poke_interval=5,
        timeout=6 * 3600,
    )

    scheduled >> prepare_the_page() >> resized
# --8<-- [end:dag]
