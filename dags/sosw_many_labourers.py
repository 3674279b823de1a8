"""Mapped jobs: several labourers at once, one mapped Airflow task for each job.

Each job names its labourer. When you clear one map index, it schedules its own job again and leaves the others alone.
Set this Variable once:

    airflow variables set sosw_labourers '{"pull_weather": {}, "pull_traffic": {}, "pull_air_quality": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

# --8<-- [start:dag]
REGIONS = ["north", "east", "south", "west"]

with DAG(
    dag_id="sosw_many_labourers",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    SoswScheduleOperator.partial(
        task_id="schedule",
        job_schema={"chunkable_attrs": ["region"]},  # the schema itself, instead of the name of a variant
    ).expand(
        job=[
            {"lambda_name": "pull_weather", "period": "yesterday", "regions": REGIONS, "isolate_regions": True},
            {"lambda_name": "pull_traffic", "period": "last_3_days", "regions": REGIONS, "max_regions_per_batch": 2},
            {"lambda_name": "pull_air_quality", "period": "last_7_days", "isolate_days": True, "regions": REGIONS},
        ],
    )
# --8<-- [end:dag]
