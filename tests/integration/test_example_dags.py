"""Each DAG in dags/ is what a user can copy: it is imported, its preparation suffices, and it runs."""

from __future__ import annotations

import ast
import json
import re
import sqlite3
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from demo import embedded_aws
from demo.airflow_home import AirflowHome
from demo.queue import Queue
from demo.settings import LABOURERS, ORCHESTRATED, connections
from sosw_airflow.jobs import expand
from sosw_airflow.testing.kit import Sosw

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))

#: DAG -> labourer -> tasks of a run for one day. The Airflow task that schedules them is named `schedule`.
EXPECTED: dict[str, dict[str, int]] = {
    "sosw_alerts": {"charge_cards": 3},
    "sosw_assets": {"refresh_prices": 3},
    "sosw_backfill": {"pull_orders": 14},
    "sosw_cancel_on_kill": {"render_frames": 10},
    "sosw_custom_period": {"bill_customers": 4},
    "sosw_decorated_job": {"pull_trending": 3},
    "sosw_drain_queue_file": {"archive_mail": 2},
    "sosw_hashtags": {"sosw_tutorial_pull_tweeter_hashtags": 36},
    "sosw_many_labourers": {"pull_weather": 4, "pull_traffic": 2, "pull_air_quality": 7},
    "sosw_mapped_limit": {"make_pages": 5 + 3 + 1},
    "sosw_nightly_backfill": {"reindex_days": 7},
    "sosw_orchestrate": {"translate_reviews": 5},
    "sosw_other_account": {"score_leads": 2},
    "sosw_product_sales": {"pull_product_sales": 5},
    "sosw_results": {"count_posts": 4},
    "sosw_sensor": {"resize_images": 4},
    "sosw_sources": {"greet_customers": 2},
    "sosw_tolerate_and_repair": {"import_invoices": 4 + 1},  # one task fails, and is scheduled again
    "sosw_two_labourers": {"sitemap": 3, "get_page": 3},
    "sosw_wait_for_workers": {"measure_station": 6},
}
#: What the function of `sosw_results` returns for each topic on the day before the run.
POSTS = [zlib.crc32(f"{topic} 2026-03-01".encode()) % 10_000 for topic in ("cars", "food", "music", "travel")]
#: Whose tasks the workers do; all others stay in the queue.
WORKED_ON = ["charge_cards", "refresh_prices", "render_frames", "resize_images", "import_invoices", "measure_station"]
#: The parts of DAGs that other DAGs start.
STARTED_BY_ASSETS = ["sosw_assets_report"]


def variables_of(file: Path) -> dict[str, Any]:
    """The Variables that the file's docstring asks the user to set."""
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    return {name: json.loads(value) for name, value in re.findall(r"airflow variables set (\w+) '(.+)'", docstring)}


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    """All DAGs of the folder, by id; the folder imports without an error."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag

    bag = DagBag(str(DAGS))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_every_file_has_its_dag(dags: dict[str, Any]) -> None:
    """One DAG a file, named as the file, and those that its assets start."""
    assert set(dags) - set(STARTED_BY_ASSETS) == {file.stem for file in FILES} == set(EXPECTED)


def test_each_feature_has_an_example() -> None:
    """Ten at least."""
    assert len(FILES) >= 10


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_docstring_names_the_labourers(file: Path) -> None:
    """Its commands register the labourers that the DAG uses, and no others."""
    assert set(variables_of(file)["sosw_labourers"]) == set(EXPECTED[file.stem])


def test_the_demo_knows_the_labourers() -> None:
    """`make up` runs each example."""
    assert set(LABOURERS) == {labourer for tasks in EXPECTED.values() for labourer in tasks}


MADE_LATER = (
    "sosw_decorated_job",
    "sosw_drain_queue_file",
    "sosw_sources",
    "sosw_tolerate_and_repair",
    "sosw_two_labourers",
)


@pytest.mark.parametrize("file", [each for each in FILES if each.stem not in MADE_LATER], ids=lambda file: file.stem)
def test_docstring_says_what_the_dag_needs(file: Path, dags: dict[str, Any]) -> None:
    """With the job schemas of the docstring, and no others, the jobs become the expected tasks."""
    operator = dags[file.stem].get_task("schedule")
    if hasattr(operator, "expand_input"):
        jobs, settings = operator.expand_input.value["job"], operator.partial_kwargs
    else:
        jobs, settings = [operator.job], vars(operator)
    schema = settings["job_schema"]
    if isinstance(schema, str):
        schema = variables_of(file)["sosw_job_schemas"][schema]
    tasks: Counter[str] = Counter()
    for job in jobs:
        labourer = job.get("lambda_name") or settings["labourer"]
        tasks[labourer] += len(list(expand(job, schema=schema, reference_date=date(2026, 3, 2))))
    assert tasks == EXPECTED[file.stem]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], dict[str, Any]]:
    """How many tasks each labourer got from a run of every DAG in a real Airflow, prepared as their docstrings say."""
    state = tmp_path_factory.mktemp("example_dags")
    variables: dict[str, dict[str, Any]] = {}
    for file in FILES:
        for name, value in variables_of(file).items():
            variables.setdefault(name, {}).update(value)
    aws = embedded_aws.start(state)
    try:
        queue = Queue(aws.url)
        queue.create_what_is_missing()
        for labourer_id in ORCHESTRATED:
            queue.create_function(labourer_id, failures=0)
        queue.leave_queue_file("tasks_queue_0a1b2c.txt", "archive_mail", [{"folder": "inbox"}, {"folder": "sent"}])
        airflow = AirflowHome(state)
        airflow.set_up(connections(aws.url), variables)
        with workers(queue.sosw()):
            runs = airflow.run(date(2026, 3, 2), *EXPECTED)
        runs["sosw_assets"]["events"] = events_of(state / "airflow" / "airflow.db")
        return {labourer: tasks_of(labourer, queue.sosw()) for labourer in LABOURERS}, runs
    finally:
        embedded_aws.stop(state)


def tasks_of(labourer: str, sosw: Sosw) -> int:
    """How many tasks this labourer has got, wherever they are now."""
    return len(sosw.tasks(labourer)) + len(sosw.running(labourer)) + sum(sosw.closed(labourer).values())


def events_of(database: Path) -> list[dict[str, Any]]:
    """What the events of assets carry, in the order in which they came. The `dag.test()` of Airflow 2 leaves none."""
    with closing(sqlite3.connect(database)) as connection:
        try:
            rows = connection.execute("SELECT extra FROM asset_event ORDER BY id")
        except sqlite3.OperationalError:  # Airflow 2
            return []
        return [json.loads(extra) for (extra,) in rows]


@contextmanager
def workers(sosw: Sosw) -> Iterator[None]:
    """Do the tasks of the labourers in `WORKED_ON`; the first invoice fails."""
    stop = threading.Event()

    def work() -> None:
        failed = 0
        while not stop.wait(0.5):
            for labourer in WORKED_ON:
                if labourer == "import_invoices" and not failed:
                    failed = sosw.fail(labourer, limit=1)
                sosw.finish(labourer)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("dag_id", EXPECTED)
def test_dag_runs(dag_id: str, ran: tuple[dict[str, int], dict[str, Any]]) -> None:
    """Run by Airflow for one day, the DAG succeeds and gives each labourer its tasks."""
    tasks, runs = ran
    assert runs[dag_id]["state"] == "success"
    assert {labourer: tasks[labourer] for labourer in EXPECTED[dag_id]} == EXPECTED[dag_id]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dag_id", "task_id", "expected"),
    [
        ("sosw_wait_for_workers", "report", "6 of 6 stations were measured, 0 failed"),
        ("sosw_sensor", "wait", {"tasks": 4, "completed": 4, "failed": 0, "state": "closed"}),
        ("sosw_cancel_on_kill", "schedule", {"completed": 10, "state": "closed"}),
        ("sosw_assets", "schedule", {"completed": 3, "state": "closed"}),
        (
            "sosw_orchestrate",
            "process",
            {"translate_reviews": {"invoked": 5, "completed": 5, "failed": 0, "retried": 0}},
        ),
        ("sosw_hashtags", "schedule", {"tasks": 36, "completed": 36, "failed": 0, "state": "closed"}),
        ("sosw_results", "schedule", {"tasks": 4, "completed": 4, "failed": 0}),
        ("sosw_results", "total", sum(POSTS)),
        ("sosw_alerts", "schedule", {"completed": 3, "state": "closed"}),
        ("sosw_nightly_backfill", "schedule", {"completed": 7, "state": "closed"}),
        ("sosw_other_account", "schedule", {"completed": 2, "state": "closed"}),
        ("sosw_two_labourers", "fetch", {"completed": 3, "state": "closed"}),
        ("sosw_orchestrate", "check", {"tasks": 5, "completed": 5, "failed": 0, "state": "closed"}),
        ("sosw_tolerate_and_repair", "schedule", {"completed": 3, "failed": 1, "state": "closed"}),
        ("sosw_tolerate_and_repair", "repair", {"tasks": 1, "completed": 1, "failed": 0, "state": "closed"}),
    ],
)
def test_result(dag_id: str, task_id: str, expected: Any, ran: tuple[dict[str, int], dict[str, Any]]) -> None:
    """An Airflow task that waits returns the counts."""
    result = ran[1][dag_id]["results"][task_id]
    assert ({name: result[name] for name in expected} if isinstance(expected, dict) else result) == expected


@pytest.mark.slow
def test_the_event_of_an_asset(ran: tuple[dict[str, int], dict[str, Any]]) -> None:
    """Airflow stores what the DAG that it starts reads: the job, its counts, its files, its day."""
    if version("apache-airflow").startswith("2."):
        pytest.skip("a running Airflow 2 does: tests/system/airflow_runs/sensors/test_assets.py")
    (event,) = ran[1]["sosw_assets"]["events"]
    summary = ran[1]["sosw_assets"]["results"]["schedule"]
    assert {name: summary[name] for name in event} == event
    assert {"job_id", "completed", "failed", "results", "reference_date"} <= set(event)
