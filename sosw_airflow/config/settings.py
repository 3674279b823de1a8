"""The extras of a Connection of type ``sosw``: the names and places of tables, bucket and credentials."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.rows import LAMBDA_PAYLOAD_LIMIT
from sosw_airflow.stores.tables import TableNames

__all__ = ["SoswSettings"]

_NUMBERS: dict[str, type[int | float]] = {"max_rows_per_second": float, "lambda_payload_limit": int}

#: How much of a setting's name another extra must have to be taken for a misspelling: ``region`` for ``region_name``.
_ALIKE = 0.65


@dataclass(frozen=True)
class SoswSettings:
    """The names and places of an installation of sosw. The defaults are sosw's names.

    :ivar queue_bucket: S3 bucket of the queue files. The only setting without a default.
    :ivar s3_prefix: prefix of their keys.
    :ivar aws_conn_id: the AWS Connection for credentials; empty for boto3's own search (environment, role, ...).
    :ivar region_name: None for the AWS Connection's.
    :ivar endpoint_url: of an emulator or a private endpoint, for DynamoDB and S3 alike; None for AWS's own.
    :ivar meta_table: upstream's optional history of tasks; None if it is not kept.
    :ivar max_rows_per_second: a limit on the writing, None for as fast as the table allows.
    :ivar lambda_payload_limit: bytes that the payload of an invocation may have.
    :ivar namespace: a name of this Airflow deployment, if another one uses the same tables; it becomes part of every
        job's identity.
    """

    queue_bucket: str
    s3_prefix: str = "sosw/scheduler"
    aws_conn_id: str = "aws_default"
    region_name: str | None = None
    endpoint_url: str | None = None
    tasks_table: str = "sosw_tasks"
    index_greenfield: str = "sosw_tasks_greenfield"
    closed_tasks_table: str = "sosw_closed_tasks"
    closed_tasks_index: str = "labourer_task_status_with_time"
    retry_tasks_table: str = "sosw_retry_tasks"
    jobs_table: str = "sosw_jobs"
    meta_table: str | None = None
    max_rows_per_second: float | None = None
    lambda_payload_limit: int = LAMBDA_PAYLOAD_LIMIT
    namespace: str = ""

    @classmethod
    def of(cls, extra: Mapping[str, Any], *, conn_id: str) -> SoswSettings:
        """The settings from a Connection's extras.

        :raises InvalidConfiguration: names every fault.
        """
        known = {each.name: each for each in fields(cls)}
        faults = []
        values: dict[str, Any] = {}
        for name, value in extra.items():
            path = f"Connection {conn_id}, extra {name}"
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
                if close:
                    faults.append(Fault(path, f"is not a setting; {close[0]!r} is meant"))
            elif value is None or (isinstance(value, str) and not value.strip()):
                if name == "aws_conn_id":
                    values[name] = ""
            elif name in _NUMBERS:
                number = _positive(value)
                if number is None or (_NUMBERS[name] is int and number < 1):
                    faults.append(Fault(path, f"must be a positive number, not {excerpt(value)}"))
                else:
                    values[name] = _NUMBERS[name](number)
            elif isinstance(value, str):
                values[name] = value.strip()
            else:
                faults.append(Fault(path, f"must be text, not {excerpt(value)}"))
        faults += [
            Fault(f"Connection {conn_id}, extra {name}", "is missing")
            for name, each in known.items()
            if each.default is MISSING and name not in values and not any(name in fault.path for fault in faults)
        ]
        if faults:
            raise InvalidConfiguration(faults)
        return cls(**values)

    def table_names(self) -> TableNames:
        """The names of tables and indexes."""
        return TableNames(
            tasks_table=self.tasks_table,
            index_greenfield=self.index_greenfield,
            closed_tasks_table=self.closed_tasks_table,
            closed_tasks_index=self.closed_tasks_index,
            retry_tasks_table=self.retry_tasks_table,
            jobs_table=self.jobs_table,
            meta_table=self.meta_table,
        )


def _positive(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None
