"""Figures that anyone can repeat: ``python -m benchmarks NAME``. See README.md beside this file."""

#: Name on the command line → module. Each module has ``ABOUT`` (one line), ``add_arguments(parser)``, and
#: ``run(arguments)``, which gives a `benchmarks.report.Report`.
BENCHMARKS = {
    "expansion": "benchmarks.expansion",
    "parse_time": "benchmarks.parse_time",
    "writer": "benchmarks.writer",
}
