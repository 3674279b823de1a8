"""What the operator adds to the parsing of a DAG file: importing it, and making operators.

Every measurement has a fresh process, in which ``BaseOperator`` is imported first.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.fresh_process import Figures, measured, medians
from benchmarks.report import Goal, Report

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "parsing DAG files: what the import of the operator adds to Airflow's own, what an operator costs"

#: What importing the operator may add to `import BaseOperator`, in milliseconds.
LIMIT_MS = 0.5


def measure_import() -> Figures:
    """Milliseconds for ``BaseOperator``, and for the operator after that. Runs in a process of its own."""
    start = time.perf_counter()
    from sosw_airflow._compat import BaseOperator

    airflow = time.perf_counter()
    import sosw_airflow.operators.sosw

    ours = time.perf_counter()
    assert issubclass(sosw_airflow.operators.sosw.SoswScheduleOperator, BaseOperator)  # noqa: S101
    return {"airflow_ms": (airflow - start) * 1e3, "added_ms": (ours - airflow) * 1e3}


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
            start = time.perf_counter()
            for number in range(operators):
                kind(task_id=f"task_{number}", **arguments)
            figures[f"{name}_ms"] = (time.perf_counter() - start) * 1e3 / operators
    return figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command line."""
    parser.add_argument("--runs", type=int, default=7, help="fresh processes for each figure (default: %(default)s)")
    parser.add_argument("--operators", type=int, default=500, help="operators in the DAG (default: %(default)s)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure, and give the medians."""
    processes = [measured(f"{__name__}:measure_import") for _ in range(arguments.runs + 1)][
        1:
    ]  # the first one compiles
    imports, fastest = medians(processes), min(each["added_ms"] for each in processes)
    making = medians(
        [measured(f"{__name__}:measure_making", operators=arguments.operators) for _ in range(arguments.runs)]
    )
    return Report(
        name="parse_time",
        title=f"Parsing DAG files: medians of {arguments.runs} processes",
        columns=[("what", "what"), ("Airflow ms", "airflow"), ("SoswScheduleOperator ms", "ours")],
        rows=[
            {"what": "import, ours beyond Airflow's", "airflow": imports["airflow_ms"], "ours": imports["added_ms"]},
            {"what": "one operator", "airflow": making["bare_ms"], "ours": making["ours_ms"]},
        ],
        goals=[
            Goal(
                "import of the operator module",
                f"≤ {LIMIT_MS} ms",
                f"{imports['added_ms']:.2f} ms",
                imports["added_ms"] <= LIMIT_MS,
            )
        ],
        notes=[
            f"The import may add {LIMIT_MS} ms. Fastest process: {fastest:.3g} ms.",
            "Airflow: `BaseOperator`. Ours includes Airflow's `BaseOperatorLink`, which its links need.",
        ],
    )
