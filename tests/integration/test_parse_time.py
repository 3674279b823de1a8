"""What a DAG file costs when Airflow parses it: no look-ups, little to import, and it survives serialization."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

OPERATORS = 500
ROOT = Path(__file__).parents[2]

DAG_FILE = f"""
from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

with DAG(dag_id="many", schedule="@daily", start_date=datetime(2026, 3, 1, tzinfo=timezone.utc), catchup=False) as dag:
    for number in range({OPERATORS} - 1):
        SoswScheduleOperator(
            task_id=f"schedule_{{number}}",
            labourer="{{{{ params.get('labourer', 'worker') }}}}",
            job={{
                "topics": {{"cars": {{"words": ["toyota", str(number)]}}}},
                "period": "last_2_days",
                "isolate_words": True,
            }},
            job_schema={{"chunkable_attrs": ["topic", "word"]}},
            on_clear="resume",
        )
    SoswScheduleOperator.partial(task_id="mapped", labourer="worker").expand(job=[{{"words": [each]}} for each in "ab"])
"""

#: Runs in a process of its own, in which every look-up fails while the DAG file is executed.
SCRIPT = """
import json
import runpy
import socket
import sqlite3
import sys
from unittest.mock import patch

import airflow.models  # Airflow itself may look around before it parses
import sqlalchemy
from airflow import DAG
from airflow.models import Connection, Variable
from sosw_airflow._compat import BaseHook

try:
    from airflow.sdk import Variable as OfTasks
except ImportError:
    OfTasks = Variable


def forbidden(what):
    def refuse(*arguments, **names):
        raise AssertionError(f"parsing the DAG file used {what}")

    return refuse


with (
    patch("socket.socket.connect", forbidden("the network")),
    patch("socket.getaddrinfo", forbidden("the network")),
    patch("sqlite3.connect", forbidden("a database")),
    patch("sqlite3.dbapi2.connect", forbidden("a database")),
    patch("sqlalchemy.engine.Engine.connect", forbidden("a database")),
    patch.object(Variable, "get", forbidden("a Variable")),
    patch.object(OfTasks, "get", forbidden("a Variable")),
    patch.object(BaseHook, "get_connection", forbidden("a Connection")),
):
    dag = runpy.run_path(sys.argv[1])["dag"]

loaded = sorted({name.partition(".")[0] for name in sys.modules} & {"boto3", "botocore"})

try:
    from airflow.serialization.serialized_objects import DagSerialization as Serialization
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as Serialization

once = Serialization.to_dict(dag)
back = Serialization.from_dict(json.loads(json.dumps(once)))
task, mapped = back.task_dict["schedule_7"], back.task_dict["mapped"]
print(json.dumps({
    "tasks": len(dag.task_dict),
    "back": len(back.task_dict),
    "loaded": loaded,
    "arguments": {name: getattr(task, name) for name in task.template_fields},
    "type": task.task_type,
    "mapped": "Mapped" in type(mapped).__name__,
    "same": once["dag"]["tasks"] == json.loads(json.dumps(Serialization.to_dict(dag)))["dag"]["tasks"],
}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process that parses, serializes and deserializes the file tells."""
    folder = tmp_path_factory.mktemp("parse_time")
    (folder / "many.py").write_text(DAG_FILE)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder / "many.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_nothing_is_looked_up(parsed: dict[str, Any]) -> None:
    """500 operators need no database, Variable, Connection or network to be made, and no boto3."""
    assert (OPERATORS, []) == (parsed["tasks"], parsed["loaded"])


def test_what_airflow_keeps_of_a_dag_has_all_arguments(parsed: dict[str, Any]) -> None:
    """Serialized and deserialized, each operator has its templated arguments, and the mapped one is mapped."""
    assert OPERATORS == parsed["back"]
    assert (True, True, "SoswScheduleOperator") == (parsed["mapped"], parsed["same"], parsed["type"])
    assert {
        "job": {"topics": {"cars": {"words": ["toyota", "7"]}}, "period": "last_2_days", "isolate_words": True},
        "labourer": "{{ params.get('labourer', 'worker') }}",
        "job_schema": {"chunkable_attrs": ["topic", "word"]},
        "reference_date": None,
        "results": None,
        "scheduler_function": None,
        "sosw_conn_id": "sosw_default",
        "queue_position": "back",
    } == parsed["arguments"]
