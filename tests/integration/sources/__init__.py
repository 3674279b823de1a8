"""Reading sources: objects of S3 in moto, databases in SQLite."""
