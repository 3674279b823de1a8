"""Run DAGs for one logical date, in this process: `python -m demo.run_dags DAGS_FOLDER RESULT_FILE DATE DAG_ID...`.

`airflow dags test` would do the same, but on Airflow 3 it names the run after the present moment: a second test of the
same date would be another run, with a right to tasks of its own. Here the run is named after its date.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

try:
    from airflow.dag_processing.dagbag import DagBag

    def run_for(dag: Any, moment: datetime) -> Any:
        """Run the DAG and return its DagRun."""
        dag.deadline = None  # Airflow 3.3 stops at one of a DAG that its database does not have yet
        return dag.test(logical_date=moment, run_after=moment)

except ImportError:  # Airflow 2
    from airflow.models.dagbag import DagBag  # type: ignore[no-redef]

    def run_for(dag: Any, moment: datetime) -> Any:
        """Run the DAG and return its DagRun."""
        return dag.test(execution_date=moment)


def main(dags_folder: str, result_file: str, day: str, *dag_ids: str) -> None:
    """Write `run_id`, `state` and the XCom `results` of each run into the file, by DAG id."""
    bag = DagBag(dags_folder)
    missing = set(dag_ids) - set(bag.dags)
    if missing:
        sys.exit(f"There is no DAG {', '.join(sorted(missing))} in {dags_folder}. Import errors: {bag.import_errors}")
    moment = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
    runs = {}
    for dag_id in dag_ids:
        run = run_for(bag.dags[dag_id], moment)
        results = {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in run.get_task_instances() if ti.map_index < 0}
        runs[dag_id] = {"run_id": run.run_id, "state": str(run.state), "results": results}
    Path(result_file).write_text(json.dumps(runs))


if __name__ == "__main__":
    main(*sys.argv[1:])
