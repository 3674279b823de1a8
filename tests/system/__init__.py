"""Tests with a whole Airflow, a browser, Celery, or the built wheel."""
