"""Hand over by an asset: a DAG starts when the workers of another DAG have done their job.

The asset `sosw://<labourer>` stands for the queue of a labourer. The first DAG names it as its outlet and waits for the
workers, so Airflow starts the second DAG when the job is done. Set this Variable once:

    airflow variables set sosw_labourers '{"refresh_prices": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.assets import create_asset
from sosw_airflow.operators.sosw import SoswScheduleOperator

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

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
        outlets=[prices],
    )

with DAG(
    dag_id="sosw_assets_report",
    schedule=[prices],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    tags=["sosw"],
):

    @task
    def publish() -> str:
        """Use the refreshed prices."""
        return "published"

    publish()
# --8<-- [end:dag]
