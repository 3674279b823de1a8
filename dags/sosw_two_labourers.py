"""One job over two labourers in sequence: what the first one finds is the work of the second.

The first job lists the pages of each site, the second fetches each page. An Airflow task between them reads the
results, one after the other. Set this Variable once:

    airflow variables set sosw_labourers '{"sitemap": {"invocation": "request"}, "get_page": {"invocation": "request"}}'
"""

from datetime import datetime, timezone

from airflow import DAG

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswScheduleOperator

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_two_labourers",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    listed = SoswScheduleOperator(
        task_id="schedule",
        labourer="sitemap",  # returns {page: its size}
        job_schema={"chunkable_attrs": ["site"]},
        job={"period": "yesterday", "sites": ["news", "blog", "shop"], "isolate_sites": True},
        orchestrate=True,
    )

    @task.sosw(labourer="get_page", job_schema={"chunkable_attrs": ["page"]}, orchestrate=True)
    def fetch(job):
        """Make the second job of the results of the first; its tasks are in the order of the sites."""
        results = SoswHook().results(job, state="completed")
        return {"pages": (page for each in results for page in each.result), "isolate_pages": True}

    fetch(listed.output)
# --8<-- [end:dag]
