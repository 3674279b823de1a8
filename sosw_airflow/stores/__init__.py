"""Things at rest in DynamoDB and S3, one module for each: tables, job record, queue file, task queue, closed tasks.

Here: reading and writing one kind of item or object, and the errors of AWS in words. Clients come in as arguments.
Not here: decisions. What to write, and when, is up to `scheduling` and `waiting`; nothing here knows Airflow.
"""
