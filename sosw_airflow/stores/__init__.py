"""The stores: what the provider keeps in S3 and DynamoDB. boto3 clients come in as arguments; nothing here knows Airflow."""
