"""Schema variants: three levels of one job (section, store, product), cut at the stores.

The operator names the variant `retail` of the job schemas, so that labourers with other attributes can have their own.
With `catchup` Airflow makes a run for every day since the first of March. Set these Variables once:

    airflow variables set sosw_labourers '{"pull_product_sales": {}}'
    airflow variables set sosw_job_schemas '{"retail": {"chunkable_attrs": ["section", "store", "product"]}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

# --8<-- [start:dag]
with DAG(
    dag_id="sosw_product_sales",
    schedule="@daily",
    start_date=datetime(2026, 3, 1, tzinfo=timezone.utc),
    catchup=True,
    max_active_runs=1,  # one day after the other, so that the queue has the oldest day first
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="pull_product_sales",
        job_schema="retail",
        job={
            "period": "yesterday",
            "isolate_stores": True,  # one task for each store, with all of its products in it
            "sections": {
                "garden": {
                    "stores": {
                        "berlin": {"products": ["spade", "rake", "hose"]},
                        "lisbon": {"products": ["hose", "parasol"]},
                    },
                },
                "kitchen": {
                    "stores": {
                        "berlin": {"products": ["kettle", "pan"]},
                        "oslo": {"products": ["kettle", "pan", "grater"]},
                        "turin": None,  # all of its products
                    },
                },
            },
        },
    )
# --8<-- [end:dag]
