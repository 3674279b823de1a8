"""What Airflow reads for us is accepted, or refused with an error of this package: dates, Connections, plans.

Each test is one entrance, as in test_every_entrance.py, and runs on each supported Airflow.
"""

from __future__ import annotations

import argparse
import io
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import date, timedelta, timezone
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sosw_airflow.cli.orchestrate import add_arguments
from sosw_airflow.cli.plan_sources import UsageError, planned_job
from sosw_airflow.config.options import max_invocations_from
from sosw_airflow.config.settings import SoswSettings
from sosw_airflow.exceptions import UnknownLabourer
from sosw_airflow.hooks.orchestration import labourer_ids_of
from sosw_airflow.hooks.sosw import extras_of
from sosw_airflow.jobs.partitions import partition_days
from sosw_airflow.run_context import reference_date
from tests.support.entrances import bounded_memory, enter, many, own_folder, patient, seeds
from tests.support.hostile import Hostile

__all__ = ["bounded_memory", "own_folder"]

MONDAY = date(2026, 11, 23)

pytestmark = patient


@seeds
@many
def test_the_arguments_of_orchestrate(seed: int) -> None:
    """Of the command, which are what a shell gives, and of the operator."""
    hostile = Hostile(seed)
    words = [hostile.choice("--once", "--until-idle", "--conn-id", "worker", hostile.text()) for _ in range(3)]
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    with suppress(SystemExit, argparse.ArgumentError), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        arguments = parser.parse_args(words)
        for each in arguments.labourers:
            enter(partial(missing, each))
    enter(partial(labourer_ids_of, hostile.choice(hostile.value(), hostile.text(), [hostile.value()])))
    enter(partial(max_invocations_from, hostile.text()))


def missing(labourer_id: str) -> None:
    """No labourer has this id."""
    raise UnknownLabourer(labourer_id, ["worker"])


@seeds
@many
def test_the_date_of_a_run(seed: int) -> None:
    """From `reference_date`, which may be rendered, or from the key of its partition."""
    hostile = Hostile(seed)
    text = hostile.choice(hostile.text(), hostile.date())
    zone = hostile.choice(timezone.utc, timezone(timedelta(hours=-12)), timezone(timedelta(hours=14)))
    enter(partial(partition_days, text, zone, dated=hostile.choice(True, False)))
    context: Any = {"dag": SimpleNamespace(timezone=zone), "dag_run": SimpleNamespace(run_type="scheduled")}
    enter(partial(reference_date, context, hostile.choice(text, hostile.value() or "x")))
    context["partition_key"] = text
    enter(partial(reference_date, context, None))


@seeds
@many
def test_the_connections_extras(seed: int) -> None:
    """The settings, or a refusal."""
    hostile = Hostile(seed)
    connection = SimpleNamespace(extra=hostile.text(), conn_type="sosw", extra_dejson={})
    enter(partial(extras_of, connection, "sosw_default"))
    enter(partial(SoswSettings.of, hostile.document(), conn_id="sosw_default"))


@seeds
@many
def test_the_files_of_a_plan(seed: int) -> None:
    """Job, job schema and labourers."""
    hostile = Hostile(seed)
    for name in ("job", "schema", "labourers"):
        Path(name).write_bytes(hostile.bytes())
    arguments = argparse.Namespace(
        job="job",
        labourer="worker",
        schema=hostile.choice("schema", "{" + hostile.text()),
        schema_name="default",
        labourers=hostile.choice(None, "labourers"),
        data_interval=None,
        dag_id=None,
        task_id=None,
    )
    try:
        enter(partial(planned_job, arguments, MONDAY))
    except UsageError as error:
        str(error).encode()
