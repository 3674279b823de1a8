"""Take the values of a job from a file in S3 instead of writing them into the job.

The operator reads the file once, while it plans the job. Set this Variable once:

    airflow variables set sosw_labourers '{"greet_customers": {}}'
"""

from datetime import datetime, timezone

from airflow import DAG

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

from sosw_airflow import source
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswScheduleOperator

BUCKET = "sosw-demo-queue"  # a bucket of yours

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_sources",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):

    @task
    def export(ds=None):
        """In your deployment another system writes this file, with as many lines as it likes."""
        rows = "id,mail\n1,ada@example.com\n2,grace@example.com\n3,edsger@example.com\n"
        SoswHook().client("s3").put_object(Bucket=BUCKET, Key=f"customers/{ds}.csv", Body=rows.encode())

    schedule = SoswScheduleOperator(
        task_id="schedule",
        labourer="greet_customers",
        job_schema={"chunkable_attrs": ["mail"]},
        job={
            "mails": source.s3(f"s3://{BUCKET}/customers/{{{{ ds }}}}.csv", column="mail", on_empty="skip"),
            "max_mails_per_batch": 2,
        },
    )

    export() >> schedule
# --8<-- [end:dag]
