"""The trigger that waits for a job in Airflow's triggerer, and the polling that all triggers of a process share."""
