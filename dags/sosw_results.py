"""Use the results of a job: map over them, or read the file that has them all.

Airflow invokes the labourer, any Lambda function, and keeps what it returns. Set this Variable once:

    airflow variables set sosw_labourers '{"count_posts": {"invocation": "request"}}'
"""

import json
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
    dag_id="sosw_results",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    counted = SoswScheduleOperator(
        task_id="schedule",
        labourer="count_posts",  # returns {topic: number of posts}
        job_schema={"chunkable_attrs": ["topic"]},
        job={"period": "yesterday", "topics": ["cars", "food", "music", "travel"], "isolate_topics": True},
        orchestrate=True,
        results="s3://sosw-demo-queue/results/",  # a bucket of yours
    )

    @task
    def find_topics(job):
        """Read one result after the other, however many tasks the job has."""
        results = SoswHook().results(job, state="completed")
        return [topic for each in results for topic, posts in each.result.items() if posts]

    @task
    def report(topic):
        """One mapped Airflow task for each topic."""
        return f"{topic} has posts"

    @task
    def total(job):
        """Or read the file: with pandas, `pandas.read_json(job["results"]["completed"], lines=True)`."""
        bucket, _, key = job["results"]["completed"].removeprefix("s3://").partition("/")
        lines = SoswHook().client("s3").get_object(Bucket=bucket, Key=key)["Body"].iter_lines()
        return sum(sum(json.loads(line)["result"].values()) for line in lines)

    report.expand(topic=find_topics(counted.output))
    total(counted.output)
# --8<-- [end:dag]
