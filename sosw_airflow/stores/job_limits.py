"""The limit of a job's tasks that are invoked at once, which its header keeps in ``max_running``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.max_running import max_running_problem
from sosw_airflow.jobs.transitions import JobState
from sosw_airflow.stores.aws_errors import error_code, explain_faults, member
from sosw_airflow.stores.job_record import Header, header_key

__all__ = ["JobLimit", "JobLimits"]


#: Names of the states in which pages are still written.
_UNFINISHED = frozenset(state.value for state in (JobState.PLANNED, JobState.WRITING))


@dataclass(frozen=True)
class JobLimit:
    """What an orchestrator needs of a job's header.

    :ivar max_running: tasks that may be invoked at once, 0 for no limit.
    :ivar base: greenfield before the first task as it was planned, and ``last`` that of the last one.
    :ivar unfinished: tasks of it may still come into the queue.
    :ivar changed_at: seconds since 1970 of the last change of its state.
    """

    max_running: int = 0
    base: int = 0
    last: int = 0
    unfinished: bool = False
    changed_at: int = 0


@dataclass(frozen=True)
class JobLimits:
    """The limits of the jobs in one table.

    :ivar dynamodb: a boto3 DynamoDB client.
    """

    dynamodb: Any
    table: str

    def read(self, job_id: str) -> JobLimit:
        """The limit of a job: one read unit for 4 KB. A job without a record, or with one of another form, has none."""
        with explain_faults(action="dynamodb:GetItem", resource=self.table, setting="jobs_table"):
            reply = self.dynamodb.get_item(TableName=self.table, Key=header_key(job_id), ConsistentRead=True)
        return _limit_of(reply.get("Item", {}))

    def change(self, job_id: str, max_running: int) -> Header | None:
        """Set the limit of a job, and return its header from before; None if it has none.

        :param max_running: 0 removes the limit.
        :raises InvalidConfiguration: it is no limit.
        :raises JobRecordDamaged: the header cannot be read.
        """
        if max_running != 0 and (problem := max_running_problem(max_running)):
            raise InvalidConfiguration([Fault("max_running", problem)])
        values = {":limit": {"N": str(max_running)}} if max_running else {}
        with explain_faults(action="dynamodb:UpdateItem", resource=self.table, setting="jobs_table"):
            try:
                reply = self.dynamodb.update_item(
                    TableName=self.table,
                    Key=header_key(job_id),
                    UpdateExpression="SET max_running = :limit" if max_running else "REMOVE max_running",
                    ConditionExpression="attribute_exists(job_id)",
                    ReturnValues="ALL_OLD",
                    **({"ExpressionAttributeValues": values} if values else {}),
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return None
                raise
        return Header.of(member(reply, "Attributes", action="dynamodb:UpdateItem"))


def _limit_of(item: Mapping[str, Mapping[str, str]]) -> JobLimit:
    try:
        base, step, tasks = (int(item[name]["N"]) for name in ("greenfield_base", "greenfield_step", "tasks"))
        limit, changed_at = (int(item.get(name, {}).get("N", 0)) for name in ("max_running", "updated_at"))
    except (KeyError, ValueError):
        return JobLimit()
    unfinished = item.get("state", {}).get("S") in _UNFINISHED
    return JobLimit(max(limit, 0), base, base + tasks * step, unfinished, changed_at)
