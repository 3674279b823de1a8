"""Hand over by an asset: a DAG starts when the workers of another DAG have done their job, and knows which job.

The asset `sosw://<labourer>` stands for the queue of a labourer. The first DAG names it as its outlet and waits for the
workers, so Airflow starts the second DAG when the job is done. Its event carries the job's id, counts, result files and
reference date. Set this Variable once:

    airflow variables set sosw_labourers '{"refresh_prices": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.assets import create_asset, triggering_jobs
from sosw_airflow.operators.sosw import SoswScheduleOperator

try:
    from airflow.sdk import get_current_context, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.operators.python import get_current_context

# --8<-- [start:dag]
prices = create_asset(labourer="refresh_prices")

with DAG(
    dag_id="sosw_assets",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="refresh_prices",
        job_schema={"chunkable_attrs": ["market"]},
        job={"markets": ["north", "south", "overseas"], "isolate_markets": True},
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,
        results="s3://sosw-demo-queue/prices/",  # a bucket of yours
        outlets=[prices],
    )

with DAG(
    dag_id="sosw_assets_report",
    schedule=[prices],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    tags=["sosw"],
):

    @task
    def publish() -> list[str]:
        """Use the refreshed prices: of one job, or of several that were done before this run began."""
        jobs = triggering_jobs(get_current_context())
        return [
            f"{job['completed']} markets for {job['reference_date']}, in {job['results']['completed']}" for job in jobs
        ]

    publish()
# --8<-- [end:dag]
