"""The links to the job's page and the AWS console are there while an Airflow task waits, in the right partition."""

from __future__ import annotations

import pytest

from tests.system.airflow_runs.waiting.dags import BY_HAND
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits, job_id

pytestmark = pytest.mark.slow


def test_links_of_an_airflow_task_that_is_deferred(airflow: AirflowThatWaits) -> None:
    """The queue file and the rows are in the Connection's region, the function where its ARN says: here GovCloud."""
    run = airflow.in_state("linked", "deferred")
    links = airflow.user.links(run.dag_id, run.run_id, "schedule")
    page, queue_file, rows, function, logs = (
        str(links.pop(name)) for name in ("sosw job", "sosw queue file", "sosw tasks", "Labourer", "Labourer's logs")
    )
    assert {} == links
    assert page == f"/sosw/c/sosw_without_endpoint/dags/linked/jobs/{job_id(run, BY_HAND)}"
    assert queue_file.startswith("https://console.aws.amazon.com/s3/buckets/sosw-queue?region=us-west-2&")
    assert queue_file.endswith(f"locked_tasks_queue_{job_id(run, BY_HAND)}")
    assert rows.startswith("https://console.aws.amazon.com/dynamodbv2/home?region=us-west-2#")
    assert rows.endswith(f"&pk={BY_HAND}")
    there = "https://console.amazonaws-us-gov.com"
    assert f"{there}/lambda/home?region=us-gov-west-1#/functions/{BY_HAND}" == function
    assert logs.startswith(f"{there}/cloudwatch/home?region=us-gov-west-1#")
