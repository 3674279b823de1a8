"""Tolerate and repair: accept some failed tasks, then schedule exactly those again.

Up to half of the tasks may fail without failing the first Airflow task. The second one schedules the failed tasks
again, and accepts no failure. Set this Variable once:

    airflow variables set sosw_labourers '{"import_invoices": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswRepairOperator, SoswScheduleOperator

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_tolerate_and_repair",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    imported = SoswScheduleOperator(
        task_id="schedule",
        labourer="import_invoices",
        job_schema={"chunkable_attrs": ["customer"]},
        job={"customers": ["anna", "ben", "carla", "dan"], "isolate_customers": True, "period": "yesterday"},
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,
        tolerated_failures="50%",
        on_clear="failed",  # when you clear this Airflow task, it repairs its job too
    )

    SoswRepairOperator(
        task_id="repair",
        job_id=imported.output,
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,
    )
# --8<-- [end:dag]
