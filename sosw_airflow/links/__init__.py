"""Links from an Airflow task to what it works on, in the AWS console and in the pages of `ui`.

Here: the addresses for each partition of AWS and of the pages, and the classes that Airflow shows as buttons. Not here:
when an operator pushes what a link needs (`operators.base`).
"""
