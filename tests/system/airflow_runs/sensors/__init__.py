"""Sensors, lists of mapped Airflow tasks and partitioned runs in a running Airflow."""
