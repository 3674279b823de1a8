"""A labourer in another AWS account, which also has its queue and its bucket; Airflow enters by a role.

Airflow assumes the role of the AWS Connection that the sosw Connection names. Every operator has `sosw_conn_id`, so one
Airflow serves any number of accounts. Set these once:

    airflow connections add aws_partner --conn-type aws --conn-extra
        '{"role_arn": "arn:aws:iam::210987654321:role/sosw-from-airflow", "region_name": "us-west-2"}'
    airflow connections add sosw_partner --conn-type sosw --conn-extra
        '{"aws_conn_id": "aws_partner", "queue_bucket": "partner-queue-bucket"}'
    airflow variables set sosw_labourers '{"score_leads": {"invocation": "request"}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_other_account",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        sosw_conn_id="sosw_partner",  # tables, bucket and function of the other account
        labourer="score_leads",
        job_schema={"chunkable_attrs": ["region"]},
        job={"period": "yesterday", "regions": ["emea", "apac"], "isolate_regions": True},
        orchestrate=True,
    )
# --8<-- [end:dag]
