"""Reading the values that a job names instead of having them: objects in S3, listings, inventories, queries.

Here: one module a kind of source, and the temporary file in which their values wait. Needs boto3, some kinds more.
Not here: the documents in a job (`jobs`), which Connections a source may use (`hooks`), the functions for DAG files
(`sosw_airflow.source`).
"""
