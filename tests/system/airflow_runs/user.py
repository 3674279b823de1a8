"""Does in Airflow 2 what a user does in its UI: each line is a JSON list of the function's name and its arguments."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from functools import cache
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.models.dagbag import DagBag
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState


def clear(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> None:
    """Clear an Airflow task, or one of its mapped instances."""
    with create_session() as session:
        # First: it ends the transaction, and what was found before would be cleared for itself alone.
        dag = DagBag(read_dags_from_db=True).get_dag(dag_id)
        wanted = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id)
        if map_index is not None:
            wanted = wanted.filter_by(map_index=map_index)
        cleared = wanted.all()
        clear_task_instances(cleared, session, dag=dag)
        for ti in cleared:
            # Airflow leaves that to its triggerer, which also deletes the trigger: a worker that starts in the same
            # second writes the old id back, and fails on the foreign key before any code of an operator.
            ti.trigger_id = None


def trigger(dag_id: str, run_id: str, day: str) -> None:
    """Make a run by hand."""
    trigger_dag(dag_id, run_id=run_id, execution_date=datetime.fromisoformat(day).replace(tzinfo=timezone.utc))


def mark(dag_id: str, run_id: str, task_id: str, state: str) -> None:
    """Mark an Airflow task as failed or successful."""
    with create_session() as session:
        dag = DagBag(read_dags_from_db=True).get_dag(dag_id)
        dag.set_task_instance_state(task_id=task_id, run_id=run_id, state=TaskInstanceState(state), session=session)


def links(dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
    """The extra links of an Airflow task by their names, as the UI gets them."""
    with create_session() as session:
        task = DagBag(read_dags_from_db=True).get_dag(dag_id).get_task(task_id)
        (ti,) = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id)
        return {name: task.get_extra_links(ti, name) for name in task.extra_links}


@cache
def web_server() -> Any:
    """A client of Airflow's web server in this process, signed in as an administrator."""
    from airflow.www.app import create_app

    app = create_app({"WTF_CSRF_ENABLED": False, "RATELIMIT_ENABLED": False}, testing=True)
    manager = app.appbuilder.sm
    manager.add_user("admin", "a", "b", "admin@localhost", manager.find_role("Admin"), password="admin")
    manager.get_session.close()
    client = app.test_client()
    client.post("/login/", data={"username": "admin", "password": "admin"})
    return client


def page(path: str) -> str:
    """A page of this provider, as HTML."""
    answer = web_server().get(path)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


if __name__ == "__main__":
    functions = {each.__name__: each for each in (clear, trigger, mark, links, page)}
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print("done", json.dumps(functions[name](*arguments)), flush=True)
