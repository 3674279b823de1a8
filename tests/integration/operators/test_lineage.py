"""What OpenLineage learns, where its provider is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from sosw_airflow.exceptions import JobFailed
from sosw_airflow.operators.lineage import facets_of
from sosw_airflow.operators.sosw import SoswScheduleOperator
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext
from tests.support.closing import close
from tests.support.deferrals import finish

Schedule = Callable[..., SoswScheduleOperator]

#: Only the environment of the newest Airflow has the provider. There a test that cannot import it fails.
pytestmark = pytest.mark.skipif(Version(airflow_version) < Version("3.3"), reason="openlineage's provider is not there")


def test_the_labourers_queue_is_what_was_produced(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """Under the same name as its asset `sosw://<labourer>`."""
    operator = schedule(tutorial_job)
    operator.execute(context())
    (output,) = operator.get_openlineage_facets_on_complete(None).outputs
    assert ("sosw", LABOURER) == (output.namespace, output.name)


def test_nothing_was_scheduled(schedule: Schedule, tutorial_job: Any) -> None:
    """So nothing was produced."""
    assert not schedule(tutorial_job).get_openlineage_facets_on_complete(None).outputs


def facet(lineage: Any) -> dict[str, Any]:
    """The run facet as OpenLineage sends it."""
    from openlineage.client.serde import Serde

    found = Serde.to_dict(lineage.run_facets["sosw_job"])
    return {name: value for name, value in found.items() if not name.startswith("_")}


def test_a_job_that_was_scheduled(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any
) -> None:
    """Its id and its size; counts are not known yet."""
    operator = schedule(tutorial_job)
    job_id = operator.execute(context())["job_id"]
    assert facet(operator.get_openlineage_facets_on_complete(None)) == {
        "jobId": job_id,
        "labourer": LABOURER,
        "referenceDate": "2026-03-02",
        "state": "written",
        "tasks": 8,
    }


def test_a_job_that_has_completed(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrals: Any
) -> None:
    """With its counts."""
    operator = schedule(tutorial_job, wait_for_completion=True, poll_interval=0.01, tolerated_failures=2)

    def meanwhile(job_id: str) -> None:
        close(installation, job_id, range(6))
        close(installation, job_id, range(6, 8), completed=False)

    finish(operator, context(), deferrable=False, meanwhile=meanwhile)
    found = facet(operator.get_openlineage_facets_on_complete(None))
    assert (8, 6, 2, "closed") == (found["tasks"], found["completed"], found["failed"], found["state"])


def test_a_job_that_has_failed(
    installation: Aws, schedule: Schedule, context: MakeContext, tutorial_job: Any, deferrals: Any
) -> None:
    """The same, when the Airflow task fails."""
    operator = schedule(tutorial_job, wait_for_completion=True, poll_interval=0.01)
    with pytest.raises(JobFailed):
        finish(
            operator,
            context(),
            deferrable=False,
            meanwhile=lambda job_id: close(installation, job_id, range(8), completed=False),
        )
    found = facet(operator.get_openlineage_facets_on_failure(None))
    assert (0, 8) == (found["completed"], found["failed"])


def test_a_job_that_was_refused(installation: Aws, schedule: Schedule, context: MakeContext) -> None:
    """Nothing was scheduled, so nothing is reported."""
    operator = schedule({"words": [1], "max_words_per_batch": "many"})
    with pytest.raises(Exception, match="max_words_per_batch"):
        operator.execute(context())
    assert not operator.get_openlineage_facets_on_failure(None).run_facets


def test_a_repair_names_the_job_that_it_repairs() -> None:
    """As its parent."""
    lineage = facets_of({"job_id": "b" * 20, "labourer": "pull", "tasks": 1, "repairs": "a" * 20})
    assert "a" * 20 == facet(lineage)["parentJobId"]
