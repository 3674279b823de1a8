"""Run one DAG for one logical date, in this process: `python -m demo.run_dag DAGS_FOLDER DAG_ID DATE RESULT_FILE`.

`airflow dags test` would do the same, but on Airflow 3 it names the run after the present moment: a second test of the same
date would be another run, with a right to tasks of its own. Here the run is named after its date.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag


def main(dags_folder: str, dag_id: str, day: str, result_file: str) -> None:
    """Write `run_id`, `state` and the XCom `results` of the run into the file."""
    bag = DagBag(dags_folder)
    dag = bag.dags.get(dag_id)
    if dag is None:
        sys.exit(f"There is no DAG {dag_id} in {dags_folder}. Import errors: {bag.import_errors}")
    moment = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
    run = dag.test(logical_date=moment, run_after=moment)
    results = {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in run.get_task_instances()}
    Path(result_file).write_text(json.dumps({"run_id": run.run_id, "state": str(run.state), "results": results}))


if __name__ == "__main__":
    main(*sys.argv[1:])
