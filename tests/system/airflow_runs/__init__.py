"""Real Airflows with an embedded AWS beside them, and what DAG runs in them do to sosw's queue (see README.md)."""
