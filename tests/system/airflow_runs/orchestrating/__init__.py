"""A running Airflow that invokes the tasks of the jobs for which it waits."""
