"""The DAGs of this folder's Airflow. They begin as soon as the scheduler does."""

from __future__ import annotations

from tests.system.airflow_runs.dag_files import FIRST
from tests.system.airflow_runs.versions import VERSION, start_date

#: The labourer whose tasks the tests close.
BY_HAND = "closed_by_hand"

#: Airflow 3.3 gives a run the date of its partition.
HAS_PARTITIONS = VERSION >= (3, 3)

MODES = ("poke", "reschedule", "deferrable")
FLAGS = ("soft_fail", "never_fail")

_HEAD = f'''"""Written by a test."""

from datetime import datetime, timezone

from airflow import DAG

try:
    from airflow.sdk import task
except ImportError:
    from airflow.decorators import task

from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.sensors.sosw import SoswJobSensor

DAY = datetime.fromisoformat("{start_date(FIRST)}").replace(tzinfo=timezone.utc)
COMMON = {{"labourer": "{BY_HAND}", "job_schema": {{"chunkable_attrs": ["word"]}}}}
JOB = {{"words": ["a", "b", "c", "d"], "isolate_words": True}}
'''

_ENDS = f"""
with DAG("ends", schedule="@daily", start_date=DAY, end_date=DAY, catchup=True):
    schedule = SoswScheduleOperator(task_id="schedule", job=JOB, **COMMON)
    later, first = [
        [
            SoswJobSensor(
                task_id=f"{{flag}}_{{mode}}_{{when}}",
                job_id=schedule.output,
                # Airflow 3.3 takes a sensor that is due again at once for one that was lost, and fails it.
                poke_interval=5,
                deferrable=mode == "deferrable",
                mode="reschedule" if mode == "reschedule" else "poke",
                allow_nested_operators=False,
                trigger_rule="all_done",
                **{{flag: True}},
            )
            for flag in {FLAGS!r}
            for mode in {MODES!r}
        ]
        for when in ("later", "first")
    ]
    for each in first:
        later >> each
"""

_LISTS = """
def louder(word):
    return word.upper()


def joined(pair):
    return "-".join(pair)


with DAG("lists", schedule="@daily", start_date=DAY, end_date=DAY, catchup=True):

    @task
    def word(number):
        return f"word_{number}"

    words = word.expand(number=[0, 1, 2])
    for name, values in {
        "plain": words,
        "mapped": words.map(louder),
        "zipped": words.zip(words).map(joined),
        "joined": words.concat(words.map(louder)),
    }.items():
        SoswScheduleOperator(task_id=name, job={"words": values, "isolate_words": True}, **COMMON)

    @task.sosw(**COMMON)
    def generated(given):
        return {"words": (louder(each) for each in given), "isolate_words": True}

    generated(words)

    several = SoswScheduleOperator.partial(task_id="several", **COMMON).expand(
        job=[{"words": [each], "isolate_words": True} for each in "abc"]
    )
    for mode in ("poke", "deferrable"):
        SoswJobSensor(
            task_id=f"all_{mode}", job_id=several.output, poke_interval=1, deferrable=mode == "deferrable"
        )
"""

_PARTITIONS = """
from airflow.sdk import Asset, CronPartitionTimetable, PartitionedAssetTimetable

DAYS = {"start_date": datetime(2026, 3, 1, tzinfo=timezone.utc), "end_date": datetime(2026, 3, 1, tzinfo=timezone.utc)}
LATER = {"start_date": datetime(2026, 1, 1, tzinfo=timezone.utc)}
BY_CRON = CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1)
BY_ASSET = PartitionedAssetTimetable(assets=Asset("daily"))


def tasks(**outlets):
    for task_id, period in {"today": "today", "interval": "data_interval"}.items():
        job = {"words": ["a"], "period": period, "isolate_days": True, "isolate_words": True}
        SoswScheduleOperator(task_id=task_id, job=job, **COMMON, **(outlets if task_id == "today" else {}))


with DAG("part_scheduled", schedule=BY_CRON, catchup=True, **DAYS):
    tasks(outlets=[Asset("daily")])

with DAG("part_backfill", schedule=BY_CRON, catchup=False, **LATER, end_date=datetime(2026, 3, 5, tzinfo=timezone.utc)):
    tasks()

with DAG("part_asset", schedule=BY_ASSET, catchup=False, **LATER):
    tasks()
"""

_ASSETS = """
from sosw_airflow.assets import create_asset, triggering_jobs

try:
    from airflow.sdk import get_current_context
except ImportError:
    from airflow.operators.python import get_current_context

WHOLE, PARTS = create_asset(labourer="whole"), create_asset(labourer="parts")


@task
def read():
    context = get_current_context()
    (job,) = triggering_jobs(context)
    return {**job, "partition": getattr(context["dag_run"], "partition_key", None)}
"""

#: DAG id → what it schedules or reads. Those that are started stand first: only an event that finds them starts them.
_ASSET_DAGS = {
    "asset_read": """
with DAG("asset_read", schedule=[WHOLE], start_date=DAY):
    read()
""",
    "asset_made": """
with DAG("asset_made", schedule="@daily", start_date=DAY, end_date=DAY, catchup=True):
    SoswScheduleOperator(task_id="schedule", job=JOB, outlets=[WHOLE], **COMMON)
""",
}
if HAS_PARTITIONS:
    _ASSET_DAGS["part_read"] = """
from airflow.sdk import PartitionedAssetTimetable, StartOfDayMapper

with DAG(
    "part_read",
    schedule=PartitionedAssetTimetable(assets=PARTS, default_partition_mapper=StartOfDayMapper()),
    start_date=DAY,
    catchup=False,
):
    read()
"""
    _ASSET_DAGS["part_made"] = """
from airflow.sdk import PartitionedAtRuntime

with DAG("part_made", schedule=PartitionedAtRuntime(), start_date=DAY):
    SoswScheduleOperator(task_id="schedule", job=JOB, outlets=[PARTS], **COMMON)
"""

#: DAG id → text. Each file has one DAG, but for the partitions.
DAGS: dict[str, str] = {"ends.py": _HEAD + _ENDS, "lists.py": _HEAD + _LISTS}
DAGS.update({f"{_dag_id}.py": _HEAD + _ASSETS + _text for _dag_id, _text in _ASSET_DAGS.items()})
PARTITIONED = ("part_scheduled", "part_backfill", "part_asset") if HAS_PARTITIONS else ()
for _dag_id in PARTITIONED:
    _others = [each for each in PARTITIONED if each != _dag_id]
    _text = _PARTITIONS
    for _other in _others:
        _before, _, _rest = _text.partition(f'with DAG("{_other}"')
        _text = _before + _rest.partition("\n\n")[2]
    DAGS[f"{_dag_id}.py"] = _HEAD + _text
