"""Hooks: Connections and Variables of Airflow, and the AWS clients that they lead to."""
