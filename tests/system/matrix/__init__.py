"""The releases of Airflow that are supported, each in an environment of its own (`make test-matrix`)."""
