"""Links from an Airflow task to what it works on in the AWS console."""
