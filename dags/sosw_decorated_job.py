"""`@task.sosw`: a function makes the job when the DAG runs, for example from the result of another Airflow task.

Set this Variable once:

    airflow variables set sosw_labourers '{"pull_trending": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_decorated_job",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):

    @task
    def trending() -> list[str]:
        """Ask whatever knows what is trending."""
        return ["toyota", "mazda", "nissan"]

    @task.sosw(labourer="pull_trending", job_schema={"chunkable_attrs": ["word"]}, retries=3)
    def pull(words: list[str], ds: str | None = None) -> dict:
        """Return the job."""
        return {"words": words, "isolate_words": True, "asked_for": ds}

    pull(trending())
# --8<-- [end:dag]
