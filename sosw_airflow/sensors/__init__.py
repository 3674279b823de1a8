"""The sensor that waits for a job of another DAG."""
