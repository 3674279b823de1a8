"""The demo of `make demo`: an embedded AWS, an Airflow of its own, one DAG run, and what it put into sosw's queue."""
