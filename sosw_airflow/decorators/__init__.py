"""The decorator `@task.sosw` of TaskFlow. Not here: what becomes of the job that it returns (`operators`)."""
