"""The stores: what the provider keeps in S3 and DynamoDB. Clients come in as arguments; nothing here knows Airflow."""
