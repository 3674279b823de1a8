"""Mapped jobs with one limit over all: a job for each customer, six invocations at once together.

The limit is the labourer's, so it holds over mapped jobs, DAG runs and DAGs. One wait invokes the tasks of all. Set
this Variable once:

    airflow variables set sosw_labourers '{"make_pages": {"max_simultaneous_invocations": 6, "invocation": "request"}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_mapped_limit",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    scheduled = SoswScheduleOperator.partial(
        task_id="schedule",
        labourer="make_pages",  # its max_simultaneous_invocations is the limit over all jobs
        job_schema={"chunkable_attrs": ["page"]},
        max_running=3,  # and no customer takes more than half of it
    ).expand(
        job=[
            {"customer": customer, "pages": list(range(pages)), "isolate_pages": True}
            for customer, pages in {"north": 5, "south": 3, "east": 1}.items()
        ]
    )
    processed = SoswOrchestrateOperator(task_id="process", labourers=["make_pages"], until="idle", deferrable=True)
    checked = SoswJobSensor(task_id="check", job_id=scheduled.output, poke_interval=5, timeout=600)

    scheduled >> processed >> checked
# --8<-- [end:dag]
