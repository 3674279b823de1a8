"""The extras of a Connection of type ``sosw``: the names and addresses of a deployment."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from sosw_airflow.config.aws_names import (
    bucket_problem,
    endpoint_problem,
    prefix_problem,
    region_problem,
    table_problem,
)
from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.rows import LAMBDA_PAYLOAD_LIMIT
from sosw_airflow.stores.object_encryption import SERVER_SIDE_ENCRYPTIONS
from sosw_airflow.stores.tables import TableNames

__all__ = ["SoswSettings"]

#: The settings that name tables, each of which must be another one.
_TABLES = ("tasks_table", "closed_tasks_table", "retry_tasks_table", "jobs_table", "meta_table")

#: What is wrong with the text of a setting, or None.
_PROBLEMS: dict[str, Callable[[str], str | None]] = {
    "queue_bucket": bucket_problem,
    "s3_prefix": prefix_problem,
    "region_name": region_problem,
    "endpoint_url": endpoint_problem,
    **dict.fromkeys((*_TABLES, "index_greenfield", "closed_tasks_index"), table_problem),
}

_NUMBERS: dict[str, type[int | float]] = {"max_rows_per_second": float, "lambda_payload_limit": int}

#: How much of a setting's name another extra must have to be refused as a misspelling: ``region`` for ``region_name``.
_ALIKE = 0.65

#: How much it must have for the setting to be named as the nearest one.
_NEAR = 0.3


@dataclass(frozen=True)
class SoswSettings:
    """The names and addresses of a deployment of sosw. The defaults are sosw's names.

    :ivar queue_bucket: S3 bucket of the queue files, or the ARN of an access point. The only setting without a default.
    :ivar s3_prefix: prefix of their keys.
    :ivar aws_conn_id: the AWS Connection for credentials; empty for boto3's own search (environment, role, ...).
    :ivar region_name: None for the AWS Connection's.
    :ivar endpoint_url: of an emulator or a private endpoint, for DynamoDB and S3 alike; None for AWS's own.
    :ivar meta_table: upstream's optional history of tasks; None if it is not kept.
    :ivar max_rows_per_second: a limit on the writing, None for as fast as the table allows.
    :ivar lambda_payload_limit: bytes that the payload of an invocation may have.
    :ivar namespace: a name of this Airflow deployment, if another one uses the same tables; it becomes part of every
        job's identity.
    :ivar server_side_encryption: encryption that is asked for with every object (``AES256``, ``aws:kms``,
        ``aws:kms:dsse``), for buckets whose policy demands the header; None for the bucket's own default.
    :ivar kms_key_id: id or ARN of the KMS key of those objects; None for the key that AWS manages.
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
    server_side_encryption: str | None = None
    kms_key_id: str | None = None

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
            Fault(f"Connection {conn_id}, extra {name}", problem)
            for name, value in values.items()
            if name in _PROBLEMS and (problem := _PROBLEMS[name](value))
        ]
        faults += [
            Fault(f"Connection {conn_id}, extra {name}", "is missing")
            for name, each in known.items()
            if each.default is MISSING and name not in values and not any(name in fault.path for fault in faults)
        ]
        if not faults:
            settings = cls(**values)
            faults = [Fault(f"Connection {conn_id}, extra {name}", problem) for name, problem in settings._conflicts()]
        if faults:
            raise InvalidConfiguration(faults)
        return settings

    @classmethod
    def ignored(cls, extra: Mapping[str, Any], *, conn_id: str) -> Iterator[str]:
        """A sentence for each extra that is no setting, with the name of the nearest one. Values are not shown."""
        known = [each.name for each in fields(cls)]
        for name in extra:
            if name not in known:
                nearest = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
                hint = f" The nearest setting is {nearest[0]!r}." if nearest else ""
                yield f"Connection {conn_id}, extra {name}: is not a setting and has no effect.{hint}"

    def _conflicts(self) -> Iterator[tuple[str, str]]:
        """Settings that do not go together, and why."""
        seen: dict[str, str] = {}
        for name in _TABLES:
            table = getattr(self, name)
            if table in seen:
                yield name, f"must be another table than {seen[table]}, not {table!r} for both"
            elif table is not None:
                seen[table] = name
        wanted = self.server_side_encryption
        if wanted is not None and wanted not in SERVER_SIDE_ENCRYPTIONS:
            yield "server_side_encryption", f"must be {' or '.join(map(repr, SERVER_SIDE_ENCRYPTIONS))}, not {wanted!r}"
        elif self.kms_key_id and not (wanted or "").startswith("aws:kms"):
            yield "kms_key_id", "needs server_side_encryption 'aws:kms' or 'aws:kms:dsse'"

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
