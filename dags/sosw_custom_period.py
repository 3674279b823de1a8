"""A period of your own: `last_4_mondays`, made by a function in the DAG file.

The function gets the period and the reference date of the DAG run, and returns dates. It must depend on these two
alone, since a retry calls it again. Set this Variable once:

    airflow variables set sosw_labourers '{"bill_customers": {}}'
"""

from datetime import date, datetime, timedelta, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator


# --8<-- [start:dag]
def last_mondays(period: str, reference_date: date) -> list[date]:
    """`last_4_mondays`: the newest four Mondays before the reference date."""
    number = int(period.split("_")[1])
    monday = reference_date - timedelta(days=reference_date.weekday() or 7)
    return [monday - timedelta(weeks=weeks) for weeks in range(number - 1, -1, -1)]


with DAG(
    dag_id="sosw_custom_period",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="bill_customers",
        job_schema={
            "chunkable_attrs": ["customer"],
            "custom_period_patterns": {"last_[0-9]+_mondays": last_mondays},
        },
        job={"period": "last_4_mondays", "isolate_days": True, "customers": ["anna", "ben"]},
    )
# --8<-- [end:dag]
