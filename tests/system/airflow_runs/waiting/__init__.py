"""Waiting for the workers, in a real Airflow with a triggerer."""
