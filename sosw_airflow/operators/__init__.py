"""Operators that schedule, repair, drain and check sosw jobs.

Here: arguments (`sosw`, `base`), the work of `execute` (`execution`), waiting, cancellation, lineage.
Not here: anything that works without Airflow, which is in `scheduling` and `waiting`.
"""
