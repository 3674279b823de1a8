"""Triggers: they wait for jobs, and process queues, in Airflow's triggerer.

Here: the polling that all triggers of a process share, and the question whether Airflow means a kill.
Not here: reading the progress of a job, which is in `waiting`, and cancelling it, which is in `scheduling`.
"""
