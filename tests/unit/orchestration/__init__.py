"""Tests of the pure parts of `sosw_airflow.orchestration`."""
