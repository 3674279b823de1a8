"""Figures that anyone can repeat: ``python -m benchmarks NAME``. See README.md beside this file."""

#: What ``python -m benchmarks all`` runs, with these arguments.
ALL: dict[str, list[str]] = {
    "expansion": [],
    "growth": [],
    "plan": [],
    "parse_time": [],
    "start_up": [],
    "provider_scale": [],
    "orchestration": [],
    "invoking": [],
    "results": [],
    "sources": [],
    "writer": ["--parts", "sosw", "floor", "resume", "--sosw-tasks", "500", "--resume-tasks", "1000000"],
}

#: Name on the command line → module. Each module has ``ABOUT`` (one line), ``add_arguments(parser)``, and
#: ``run(arguments)``, which gives a `benchmarks.report.Report`.
BENCHMARKS = {
    "cost": "benchmarks.cost",
    "expansion": "benchmarks.expansion",
    "growth": "benchmarks.growth",
    "in_airflow": "benchmarks.in_airflow",
    "invoking": "benchmarks.invoking",
    "plan": "benchmarks.plan",
    "polling": "benchmarks.polling",
    "orchestration": "benchmarks.orchestration",
    "pages": "benchmarks.pages",
    "parse_time": "benchmarks.parse_time",
    "provider_scale": "benchmarks.provider_scale",
    "results": "benchmarks.results",
    "sources": "benchmarks.sources",
    "start_up": "benchmarks.start_up",
    "whole_job": "benchmarks.whole_job",
    "writer": "benchmarks.writer",
}
