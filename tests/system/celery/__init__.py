"""The same DAG on CeleryExecutor: Redis as the broker, Postgres for the metadata, two workers (`make test-celery`)."""
