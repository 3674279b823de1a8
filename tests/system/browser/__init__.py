"""Airflow's UI in a headless Chromium: `make test-browser`."""
