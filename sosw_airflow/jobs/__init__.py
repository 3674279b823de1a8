"""The pure core: from a job to its tasks. No Airflow, no boto3, no clock, no I/O.

Here: checks of a job, periods, chunking, rows, pages, identity, the plan.
Not here: whatever is read or written, and the settings of a deployment (`config`).

>>> from datetime import date
>>> from sosw_airflow.jobs import expand
>>> job = {"sections": {"a": None, "b": None}, "isolate_sections": True}
>>> [task["sections"] for task in expand(job, schema={"chunkable_attrs": ["section"]}, reference_date=date(2026, 3, 2))]
[['a'], ['b']]
"""

from sosw_airflow.jobs.event import JobRequest, function_name, parse_event
from sosw_airflow.jobs.expansion import Expansion, JobWarning, expand
from sosw_airflow.jobs.identity import JobIdentity, job_of, task_id, task_index
from sosw_airflow.jobs.schema import JobSchema

__all__ = [
    "Expansion",
    "JobIdentity",
    "JobRequest",
    "JobSchema",
    "JobWarning",
    "expand",
    "function_name",
    "job_of",
    "parse_event",
    "task_id",
    "task_index",
]
