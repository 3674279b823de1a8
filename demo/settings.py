"""What the demo puts into AWS and into Airflow before it runs the DAG: the same documents that a user would write."""

from __future__ import annotations

import json
from typing import Any

REGION = "us-west-2"
QUEUE_BUCKET = "sosw-demo-queue"
ACCESS_KEY = "123456789012"  # ministack takes it for the account id
SECRET_KEY = "demo-secret"  # noqa: S105 ministack takes any

LABOURERS: dict[str, dict[str, Any]] = {
    name: {"arn": f"arn:aws:lambda:{REGION}:123456789012:function:{name}", "max_simultaneous_invocations": 3}
    for name in (
        "archive_mail",
        "bill_customers",
        "charge_cards",
        "count_posts",
        "get_page",
        "greet_customers",
        "import_invoices",
        "make_pages",
        "measure_station",
        "pull_air_quality",
        "pull_orders",
        "pull_product_sales",
        "pull_traffic",
        "pull_trending",
        "pull_weather",
        "refresh_prices",
        "reindex_days",
        "render_frames",
        "resize_images",
        "score_leads",
        "sitemap",
        "sosw_tutorial_pull_tweeter_hashtags",
        "translate_reviews",
    )
}
#: Labourers that Airflow itself invokes -> how often their function fails. The embedded AWS runs it.
ORCHESTRATED = {
    "count_posts": 0.0,
    "get_page": 0.0,
    "make_pages": 0.0,
    "reindex_days": 0.0,
    "score_leads": 0.0,
    "sitemap": 0.0,
    "sosw_tutorial_pull_tweeter_hashtags": 0.0,
    "translate_reviews": 0.2,
}
for each in ORCHESTRATED:
    LABOURERS[each] |= {"invocation": "request", "max_simultaneous_invocations": 6, "retry_delay": 5}

JOB_SCHEMAS = {
    "default": {"chunkable_attrs": ["topic", "word"]},
    "retail": {"chunkable_attrs": ["section", "store", "product"]},
}


def connections(endpoint_url: str) -> dict[str, dict[str, Any]]:
    """Return the document for `airflow connections import`."""
    place = {"region_name": REGION, "endpoint_url": endpoint_url}
    sosw = {
        "conn_type": "sosw",
        "extra": json.dumps({"aws_conn_id": "aws_default", **place, "queue_bucket": QUEUE_BUCKET}),
    }
    return {
        "aws_default": {"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY},
        "sosw_default": sosw,
        "sosw_partner": sosw,  # the embedded AWS has one account
    }


def variables() -> dict[str, Any]:
    """Return the document for `airflow variables import`."""
    return {"sosw_labourers": LABOURERS, "sosw_job_schemas": JOB_SCHEMAS}
