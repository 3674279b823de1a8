"""An AWS in memory that answers boto3's clients at their wire edge, and gives the same answers in every run.

`DeterministicAws` has DynamoDB, S3 and Lambda; `connect` makes clients that reach the one in use.
"""
