"""Sections, stores, products: three levels of one job, cut at the stores, for each day since the first of March.

With `catchup` Airflow makes a run for every day that has passed, and each run schedules the tasks of its own day. The
job schema is a named one, for an installation whose labourers cut their jobs in different ways. It needs, once:

    airflow variables set sosw_labourers '{"pull_product_sales": {}}'
    airflow variables set sosw_job_schemas '{"retail": {"chunkable_attrs": ["section", "store", "product"]}}'
"""

from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

with DAG(
    dag_id="sosw_product_sales",
    schedule="@daily",
    start_date=datetime(2026, 3, 1, tzinfo=timezone.utc),
    catchup=True,
    # One day after the other, so that the queue has the oldest day first.
    max_active_runs=1,
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="pull_product_sales",
        job_schema="retail",
        job={
            "period": "yesterday",
            # One task for each store, with all of its products in it.
            "isolate_stores": True,
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
                        # None stands for everything there is.
                        "turin": None,
                    },
                },
            },
        },
    )
