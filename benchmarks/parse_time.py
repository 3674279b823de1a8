"""What the operator adds to the parsing of a DAG file: importing it, making operators, a whole file.

Every measurement has a fresh process, and is processor time. What Airflow has imported before is imported first:
`BaseOperator` alone, or all that a DAG processor has when it parses a DAG file, for which it forks a child.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module

from benchmarks.fresh_process import Figures, measured, medians
from benchmarks.report import Goal, Report

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "parsing DAG files: what the import of the operator adds to Airflow's own, what an operator costs"

#: What importing the operator may add to what a DAG processor has imported, in milliseconds.
LIMIT_MS = 0.5

_FILE = """
from datetime import datetime
from airflow.sdk import DAG, task
{imports}
with DAG("{name}", schedule=None, start_date=datetime(2026, 3, 1)):
    {tasks}
    @{decorator}
    def decorated():
        return {{"words": ["a"]}}
    decorated()
"""

#: A DAG file with an operator, a sensor and a decorated function: Airflow's, and ours.
FILES = {
    "airflow": _FILE.format(
        name="bare",
        imports="from airflow.sdk import BaseOperator, BaseSensorOperator",
        tasks="BaseOperator(task_id='a') >> BaseSensorOperator(task_id='b')",
        decorator="task",
    ),
    "ours": _FILE.format(
        name="ours",
        imports="from sosw_airflow.operators.sosw import SoswScheduleOperator\n"
        "from sosw_airflow.sensors.sosw import SoswJobSensor",
        tasks="SoswJobSensor(task_id='b', job_id=SoswScheduleOperator(task_id='a', labourer='w', job={}).output)",
        decorator="task.sosw(labourer='w')",
    ),
}


def measure_import() -> Figures:
    """Milliseconds for ``BaseOperator``, and for the operator after that. Runs in a process of its own."""
    start = time.process_time()
    from sosw_airflow._compat import BaseOperator

    airflow = (time.process_time() - start) * 1e3
    figures = _import_operator()
    import sosw_airflow.operators.sosw

    assert issubclass(sosw_airflow.operators.sosw.SoswScheduleOperator, BaseOperator)  # noqa: S101
    return {"airflow_ms": airflow, **figures}


def measure_in_a_dag_processor() -> Figures:
    """Milliseconds for the operator, with all that a DAG processor has imported. Runs in a process of its own."""
    _become_a_dag_processor()
    before = set(sys.modules)
    figures = _import_operator()
    assert {name.partition(".")[0] for name in set(sys.modules) - before} == {"sosw_airflow"}  # noqa: S101
    return figures


def measure_in_children() -> Figures:
    """Milliseconds for the operator, and for both `FILES`, in children that it forks. Runs in a process of its own."""
    _become_a_dag_processor()
    return {**_in_a_child(_import_operator), **_in_a_child(_airflows_file), **_in_a_child(_our_file)}


def _airflows_file() -> Figures:
    return {"airflow_ms": _parsed("airflow")}


def _our_file() -> Figures:
    return {"ours_ms": _parsed("ours")}


def _parsed(name: str) -> float:
    code = compile(FILES[name], f"{name}.py", "exec")
    start = time.process_time()
    exec(code, {"__name__": name})  # noqa: S102 - the text above
    return (time.process_time() - start) * 1e3


def _import_operator() -> Figures:
    start = time.process_time()
    import sosw_airflow.operators.sosw  # noqa: F401

    return {"added_ms": (time.process_time() - start) * 1e3}


def _become_a_dag_processor() -> None:
    """Import what it has when it parses: its own modules, all models, and the plugins, of which ours is one."""
    for module in ("dag_processing.manager", "sdk.execution_time.task_runner", "models"):
        import_module(f"airflow.{module}")
    sys.modules["airflow.models"].import_all_models()
    import sosw_airflow.ui.plugin
    from sosw_airflow._compat import BaseOperator

    assert BaseOperator, sosw_airflow.ui.plugin  # noqa: S101
    gc.collect()  # else the collection of all that Airflow has imported may happen in the middle


def _in_a_child(work: Callable[[], Figures]) -> Figures:
    """The figures of work in a forked process, as a DAG processor has one for each file."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(work()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        figures: Figures = json.load(answer)
    os.waitpid(child, 0)
    return figures


def measure_making(operators: int) -> Figures:
    """Milliseconds for the making of an operator, ours and a bare one. Runs in a process of its own."""
    from datetime import datetime, timezone

    from airflow import DAG

    from sosw_airflow._compat import BaseOperator
    from sosw_airflow.operators.sosw import SoswScheduleOperator

    figures: Figures = {}
    for name, kind, arguments in (
        ("bare", BaseOperator, {}),
        ("ours", SoswScheduleOperator, {"labourer": "worker", "job": {"words": ["a"], "isolate_words": True}}),
    ):
        with DAG(name, schedule=None, start_date=datetime(2026, 3, 1, tzinfo=timezone.utc)):
            kind(task_id="first", **arguments)
            start = time.process_time()
            for number in range(operators):
                kind(task_id=f"task_{number}", **arguments)
            figures[f"{name}_ms"] = (time.process_time() - start) * 1e3 / operators
    return figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command line."""
    parser.add_argument("--runs", type=int, default=5, help="fresh processes for each figure (default: %(default)s)")
    parser.add_argument("--operators", type=int, default=500, help="operators in the DAG (default: %(default)s)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure, and give the medians."""
    function = f"{__name__}:measure_"
    measured(f"{function}in_children")  # compiles
    imports, unforked, forked, making = (
        [measured(f"{function}{name}", **settings) for _ in range(arguments.runs)]
        for name, settings in (
            ("import", {}),
            ("in_a_dag_processor", {}),
            ("in_children", {}),
            ("making", {"operators": arguments.operators}),
        )
    )
    alone, added, child, each = medians(imports), medians(unforked)["added_ms"], medians(forked), medians(making)
    return Report(
        name="parse_time",
        title=f"Parsing DAG files: medians of {arguments.runs} processes",
        columns=[("what", "what"), ("Airflow ms", "airflow"), ("ours ms", "ours"), ("fastest ms", "fastest")],
        rows=[
            {
                "what": "import of the operator, in a process with `BaseOperator`",
                "airflow": alone["airflow_ms"],
                "ours": alone["added_ms"],
                "fastest": _fastest(imports, "added_ms"),
            },
            {
                "what": "import of the operator, with all that a DAG processor has imported",
                "ours": added,
                "fastest": _fastest(unforked, "added_ms"),
            },
            {
                "what": "the same in a child that was forked",
                "ours": child["added_ms"],
                "fastest": _fastest(forked, "added_ms"),
            },
            {
                "what": "a DAG file with operator, sensor, decorated function, in a child",
                "airflow": child["airflow_ms"],
                "ours": child["ours_ms"],
                "fastest": _fastest(forked, "ours_ms"),
            },
            {
                "what": "one operator",
                "airflow": each["bare_ms"],
                "ours": each["ours_ms"],
                "fastest": _fastest(making, "ours_ms"),
            },
        ],
        goals=[
            Goal("import of the operator module", f"≤ {LIMIT_MS} ms", f"{added:.2f} ms", added <= LIMIT_MS),
        ],
        notes=[
            f"Processor time. The import may add {LIMIT_MS} ms to what a DAG processor has imported.",
            "Airflow, ours: `BaseOperator` and `SoswScheduleOperator`; of the file, Airflow's own classes and ours.",
            "A process with `BaseOperator` alone imports `BaseOperatorLink` for our links; every DAG processor has it.",
            "A child copies each page of memory that it writes to. Airflow's own imports pay that as well.",
        ],
    )


def _fastest(runs: list[Figures], name: str) -> float:
    return min(each[name] for each in runs)
