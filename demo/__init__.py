"""The demo of `make demo`: an embedded AWS, an Airflow of its own, one DAG run, and a look at sosw's queue."""
