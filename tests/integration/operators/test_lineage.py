"""What OpenLineage learns, where its provider is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from sosw_airflow.operators.sosw import SoswScheduleOperator
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, MakeContext

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
