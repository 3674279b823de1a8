"""Figures that anyone can repeat: ``python -m benchmarks NAME``. See README.md beside this file."""

#: What ``python -m benchmarks all`` runs, with these arguments: half an hour in sum, on two quiet cores.
ALL: dict[str, list[str]] = {
    "start_up": [],
    "parse_time": [],
    "expansion": [],
    "growth": ["--jobs", "days", "flat", "--ten-million"],
    "plan": ["--repeat", "3"],
    "sources": [],
    "writer": ["--parts", "sosw", "floor", "resume", "--sosw-tasks", "1", "1000", "--resume-tasks", "200000"],
    "orchestration": [
        *("--idle-minutes", "1", "--cases", "100 tasks of 5 s, limit 10"),
        *("1,000 short tasks, 10 ms an answer", "100,000 queued, 10,000 of them processed"),
    ],
    "calls": [],
    "invoking": [],
    "results": ["--tasks", "10000", "100000"],
    "polling": [],
    "provider_scale": [],
    "scale": [],
    "partition": [],
}

#: The same, so small that it takes minutes, to see that everything works: its figures say nothing.
QUICK: dict[str, list[str]] = {
    "start_up": ["--runs", "2"],
    "parse_time": ["--runs", "2", "--operators", "20"],
    "expansion": ["--tasks", "2000", "--repeat", "2"],
    "growth": ["--jobs", "days", "--repeat", "1"],
    "plan": ["--tasks", "20000", "--repeat", "2"],
    "sources": ["--lines", "20000"],
    "writer": [
        *("--parts", "sosw", "floor", "resume", "--repeat", "2"),
        *("--sosw-tasks", "20", "--floor-tasks", "400", "--resume-tasks", "1000"),
    ],
    "orchestration": ["--idle-minutes", "0", "--repeat", "2", "--cases", "1,000 short tasks, 10 ms an answer"],
    "calls": ["--turns", "2", "--runs", "1"],
    "invoking": ["--queues", "200", "--pairs", "2"],
    "results": ["--tasks", "1000"],
    "polling": ["--closed", "200", "--rates", "5", "--jobs", "3"],
    "provider_scale": ["--seconds", "300"],
    "scale": ["--seconds", "60"],
    "partition": ["--labourers", "1", "2", "--tasks", "400", "--repeat", "1"],
}

#: Too long for `all`; it has them if they are named.
NAMED: dict[str, list[str]] = {"in_airflow": [], "whole_job": ["--tasks", "1000000"]}

#: Name on the command line → module. Each module has ``ABOUT`` (one line), ``add_arguments(parser)``, and
#: ``run(arguments)``, which gives a `benchmarks.report.Report`.
BENCHMARKS = {
    "calls": "benchmarks.calls",
    "cost": "benchmarks.cost",
    "expansion": "benchmarks.expansion",
    "first_poll": "benchmarks.first_poll",
    "growth": "benchmarks.growth",
    "in_airflow": "benchmarks.in_airflow",
    "invoking": "benchmarks.invoking",
    "plan": "benchmarks.plan",
    "polling": "benchmarks.polling",
    "orchestration": "benchmarks.orchestration",
    "pages": "benchmarks.pages",
    "parse_time": "benchmarks.parse_time",
    "partition": "benchmarks.partition",
    "provider_scale": "benchmarks.provider_scale",
    "results": "benchmarks.results",
    "scale": "benchmarks.scale",
    "sources": "benchmarks.sources",
    "start_up": "benchmarks.start_up",
    "whole_job": "benchmarks.whole_job",
    "writer": "benchmarks.writer",
}
