"""From documents to settings, checked: the extras of a Connection, the Variables, upstream's configuration files.

Not here: fetching the documents, which `hooks` (from Airflow) and `cli` (from files) do. No Airflow in here.
"""
