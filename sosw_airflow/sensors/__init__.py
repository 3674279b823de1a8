"""The sensor that waits for jobs which another Airflow task or DAG has scheduled.

Here: its arguments and modes. Not here: the decision whether a job is over (`waiting`), and the polling while it is
deferred (`triggers`).
"""
