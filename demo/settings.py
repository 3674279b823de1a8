"""What the demo puts into AWS and into Airflow before it runs the DAG: the same documents that a user would write."""

from __future__ import annotations

import json
from typing import Any

REGION = "us-west-2"
QUEUE_BUCKET = "sosw-demo-queue"
ACCESS_KEY = "demo"
SECRET_KEY = "demo-secret"  # noqa: S105 moto takes any

LABOURERS = {
    name: {"arn": f"arn:aws:lambda:{REGION}:123456789012:function:{name}", "max_simultaneous_invocations": 3}
    for name in (
        "archive_mail",
        "bill_customers",
        "import_invoices",
        "measure_station",
        "pull_air_quality",
        "pull_orders",
        "pull_product_sales",
        "pull_traffic",
        "pull_trending",
        "pull_weather",
        "refresh_prices",
        "render_frames",
        "resize_images",
        "sosw_tutorial_pull_tweeter_hashtags",
        "translate_reviews",
    )
}
#: Invoked by Airflow itself, in the DAG `sosw_orchestrate`; the embedded AWS has its function.
ORCHESTRATED = "translate_reviews"
LABOURERS[ORCHESTRATED]["invocation"] = "request"

JOB_SCHEMAS = {
    "default": {"chunkable_attrs": ["topic", "word"]},
    "retail": {"chunkable_attrs": ["section", "store", "product"]},
}


def connections(endpoint_url: str) -> dict[str, dict[str, Any]]:
    """Return the document for `airflow connections import`."""
    place = {"region_name": REGION, "endpoint_url": endpoint_url}
    return {
        "aws_default": {"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY},
        "sosw_default": {
            "conn_type": "sosw",
            "extra": json.dumps({"aws_conn_id": "aws_default", **place, "queue_bucket": QUEUE_BUCKET}),
        },
    }


def variables() -> dict[str, Any]:
    """Return the document for `airflow variables import`."""
    return {"sosw_labourers": LABOURERS, "sosw_job_schemas": JOB_SCHEMAS}
