"""The pages in Airflow's UI: labourers, their queues, jobs and tasks.

One site answers requests with HTML, whatever serves it: `api_server` for Airflow 3.1 and later, `web_server` for
Airflow 2. Not here: what is read (`waiting`, `orchestration`), and what an action does (`scheduling`).
"""
