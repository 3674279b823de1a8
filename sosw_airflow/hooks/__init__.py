"""Hooks: Connections and Variables of Airflow, and the AWS clients that they describe.

Not here: checks of their content, which `config` does without Airflow.
"""
