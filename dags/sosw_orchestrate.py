"""Process the queue in Airflow, without sosw: schedule a job, invoke its tasks, check how they ended.

The labourer is any Lambda function. Its setting `"invocation": "request"` makes Airflow wait for each answer, so that
the function needs no other component. Set this Variable once:

    airflow variables set sosw_labourers '{"translate_reviews": {"invocation": "request", "max_attempts": 2}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_orchestrate",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    scheduled = SoswScheduleOperator(
        task_id="schedule",
        labourer="translate_reviews",
        job_schema={"chunkable_attrs": ["language"]},
        job={"period": "yesterday", "languages": ["de", "es", "fr", "it", "pt"], "isolate_languages": True},
    )
    processed = SoswOrchestrateOperator(
        task_id="process",
        labourers=["translate_reviews"],
        until="idle",  # ends when the labourer has no task any more
        deferrable=True,  # in the triggerer, which takes no worker slot
    )
    checked = SoswJobSensor(
        task_id="check",
        job_id=scheduled.output,  # fails if a task of this job failed
        poke_interval=5,
        timeout=600,
    )

    scheduled >> processed >> checked
# --8<-- [end:dag]
