"""Clears Airflow tasks of Airflow 2 as its UI does: one JSON list `[dag_id, run_id, task_id, map_index]` a line."""

from __future__ import annotations

import json
import sys

from airflow.models.dagbag import DagBag
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.session import create_session


def clear(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> int:
    """Clear, and say how many."""
    with create_session() as session:
        wanted = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id)
        if map_index is not None:
            wanted = wanted.filter_by(map_index=map_index)
        instances = wanted.all()
        clear_task_instances(instances, session, dag=DagBag(read_dags_from_db=True).get_dag(dag_id))
        return len(instances)


if __name__ == "__main__":
    for line in sys.stdin:
        print("cleared", clear(*json.loads(line)), flush=True)
