"""Links from an Airflow task to its queue file, tasks and Lambda function in the AWS console.

Their addresses are XComs, pushed before the work begins, so that the links work while it runs. Airflow 3 reads them
under these names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sosw_airflow._compat import BaseOperatorLink

if TYPE_CHECKING:
    from sosw_airflow.config.registry import Labourer
    from sosw_airflow.hooks.sosw import SoswHook

__all__ = ["LINKS", "Console", "FunctionLink", "FunctionLogsLink", "QueueFileLink", "TaskRowsLink", "push_links"]

_DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


@dataclass(frozen=True)
class Console:
    """The console of one region.

    :ivar partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.
    """

    region: str
    partition: str = "aws"

    @classmethod
    def of_arn(cls, arn: str) -> Console | None:
        """The console of the region that an ARN names, or None."""
        parts = arn.split(":")
        return cls(parts[3], parts[1]) if len(parts) > 5 and parts[1] in _DOMAINS and parts[3] else None

    def s3_objects(self, bucket: str, prefix: str) -> str:
        """The objects whose keys begin with a prefix."""
        return f"https://{self._host()}/s3/buckets/{quote(bucket)}?region={self.region}&prefix={quote(prefix)}"

    def table_rows(self, table: str, index: str, key: str) -> str:
        """The items of an index with this partition key."""
        return (
            f"https://{self._host()}/dynamodbv2/home?region={self.region}#item-explorer?maximize=true"
            f"&operation=QUERY&table={quote(table)}&index={quote(index)}&pk={quote(key)}"
        )

    def function(self, name: str) -> str:
        """A Lambda function."""
        return f"https://{self._host()}/lambda/home?region={self.region}#/functions/{quote(name)}"

    def function_logs(self, name: str) -> str:
        """The log group of a Lambda function. This part of the console wants its % as $, and quoted twice."""
        group = quote(quote(f"/aws/lambda/{name}", safe=""), safe="").replace("%", "$")
        return f"https://{self._host()}/cloudwatch/home?region={self.region}#logsV2:log-groups/log-group/{group}"

    def _host(self) -> str:
        return _DOMAINS.get(self.partition, _DOMAINS["aws"])


class _PushedLink(BaseOperatorLink):
    """A link whose address `push_links` has pushed."""

    @property
    def xcom_key(self) -> str:
        """Name of the XCom with the address. Airflow 3 has the same by default, Airflow 2 knows no such name."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """The address, or an empty text."""
        from sosw_airflow._compat import pushed_xcom

        return pushed_xcom(ti_key, self.xcom_key) or ""


class QueueFileLink(_PushedLink):
    """The queue file, which exists while the job is written."""

    name = "sosw queue file"


class TaskRowsLink(_PushedLink):
    """The labourer's rows in the table of tasks."""

    name = "sosw tasks"


class FunctionLink(_PushedLink):
    """The labourer's Lambda function."""

    name = "Labourer"


class FunctionLogsLink(_PushedLink):
    """The logs of the labourer's Lambda function."""

    name = "Labourer's logs"


LINKS = (QueueFileLink(), TaskRowsLink(), FunctionLink(), FunctionLogsLink())


def push_links(ti: Any, hook: SoswHook, labourer: Labourer, job_id: str) -> None:
    """Push the addresses. An emulator has no console, so it gets none."""
    from sosw_airflow.stores.queue_file import queue_file_prefix

    settings = hook.settings
    if settings.endpoint_url and "amazonaws.com" not in settings.endpoint_url:
        return
    meta = hook.deployment().dynamodb.meta
    here = Console(meta.region_name, meta.partition)
    there = Console.of_arn(labourer.arn or "") or here
    name = labourer.labourer_id
    addresses = (
        here.s3_objects(settings.queue_bucket, queue_file_prefix(settings.s3_prefix, job_id)),
        here.table_rows(settings.tasks_table, settings.index_greenfield, name),
        there.function(name),
        there.function_logs(name),
    )
    for link, address in zip(LINKS, addresses, strict=True):
        ti.xcom_push(key=link.xcom_key, value=address)
