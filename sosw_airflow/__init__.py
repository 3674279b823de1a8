"""Schedule sosw jobs from Apache Airflow.

Importing this package loads nothing: Airflow imports it while its own configuration is still being read, and on every
parse of a DAG file. The public names live in `sosw_airflow.jobs` (the pure core), `sosw_airflow.operators.sosw` and
`sosw_airflow.hooks.sosw`.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
