"""Claims on queue files: which job drains a file, decided by one conditional request.

S3 cannot rename on a condition, so two processes that read the same heads would both rename the file.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import JobRecordDamaged
from sosw_airflow.stores.aws_errors import error_code, explain_faults

__all__ = ["FileClaims"]

_CLAIM = {"S": "claim"}


class FileClaims:
    """The claims in one table of job records.

    :param dynamodb: a boto3 DynamoDB client.
    :param seconds: for which a claim is kept after it was made.
    :param now: the present, in seconds since 1970.
    """

    def __init__(self, dynamodb: Any, table: str, *, seconds: int, now: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._seconds = seconds
        self._now = now

    def owner(self, file: str) -> str:
        """The job that has claimed the file, or an empty text.

        :raises JobRecordDamaged: the claim cannot be read.
        """
        with explain_faults(action="dynamodb:GetItem", resource=self._table, setting="jobs_table"):
            reply = self._dynamodb.get_item(TableName=self._table, Key=_key(file), ConsistentRead=True)
        if "Item" not in reply:
            return ""
        owner = reply["Item"].get("claimed_by", {}).get("S")
        if owner is None:
            raise JobRecordDamaged(
                f"The claim of the queue file {file} in {self._table} cannot be read: another program has changed it. "
                f"Fix: delete the item with job_id {_key(file)['job_id']['S']} and record claim, once no Airflow task "
                f"drains this file."
            )
        return str(owner)

    def take(self, file: str, job_id: str, *, instead_of: str = "") -> bool:
        """Claim the file for a job, which may have claimed it before. False: another job has claimed it.

        :param instead_of: the job whose claim is taken over.
        """
        return self._put(file, job_id, holders={"", job_id, instead_of})

    def release(self, file: str, job_id: str) -> None:
        """Give up the job's claim, if it has one."""
        if self.owner(file) == job_id:
            self._put(file, "", holders={job_id})

    def _put(self, file: str, job_id: str, *, holders: set[str]) -> bool:
        names = {f":holder{number}": {"S": holder} for number, holder in enumerate(sorted(holders))}
        conditions = [f"claimed_by IN ({', '.join(names)})"]
        if "" in holders:
            conditions.insert(0, "attribute_not_exists(job_id)")
        with explain_faults(action="dynamodb:PutItem", resource=self._table, setting="jobs_table"):
            try:
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item={
                        **_key(file),
                        "file": {"S": file},
                        "claimed_by": {"S": job_id},
                        "expires_at": {"N": str(int(self._now()) + self._seconds)},
                    },
                    ConditionExpression=" OR ".join(conditions),
                    ExpressionAttributeValues=names,
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _key(file: str) -> dict[str, Any]:
    return {"job_id": {"S": f"file#{hashlib.sha256(file.encode()).hexdigest()[:32]}"}, "record": _CLAIM}
