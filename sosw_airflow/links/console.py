"""Addresses in the AWS console: objects, rows, Lambda functions and what they have logged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.waiting.task_results import TaskResult

__all__ = ["Console", "console_of_deployment", "console_of_function", "function_name", "log_of_tasks"]

#: Seconds before and behind an attempt: clocks differ, and logs come late.
_AROUND = 60

#: Seconds of the longest invocation of a Lambda function.
_LONGEST_ATTEMPT = 900

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

    def function_logs(self, name: str, between: tuple[int, int] | None = None) -> str:
        """The log group of a Lambda function. This part of the console wants its % as $, and quoted twice.

        :param between: seconds since 1970: its events of this time, instead of its streams.
        """
        group = quote(quote(f"/aws/lambda/{name}", safe=""), safe="").replace("%", "$")
        address = f"https://{self._host()}/cloudwatch/home?region={self.region}#logsV2:log-groups/log-group/{group}"
        if between is None:
            return address
        first, last = (1000 * second for second in between)
        return f"{address}/log-events$3Fstart$3D{first}$26end$3D{last}"

    def _host(self) -> str:
        return _DOMAINS.get(self.partition, _DOMAINS["aws"])


def console_of_deployment(hook: SoswHook) -> Console | None:
    """The console of the region of the tables. None: an emulator has no console."""
    endpoint = hook.settings.endpoint_url
    if endpoint and "amazonaws.com" not in endpoint:
        return None
    meta = hook.deployment().dynamodb.meta
    return Console(meta.region_name, meta.partition)


def console_of_function(arn: str | None, otherwise: Console) -> Console:
    """The console of the region of a Lambda function.

    :param otherwise: if its ARN is not configured.
    """
    return Console.of_arn(arn or "") or otherwise


def function_name(labourer_id: str, arn: str | None) -> str:
    """The name of the function, which several labourers may have: from its ARN, if it is configured.

    >>> function_name("pull-2", "arn:aws:lambda:eu-west-1:123456789012:function:pull:7"), function_name("pull", None)
    ('pull', 'pull')
    """
    parts = (arn or "").split(":")
    return parts[6] if len(parts) > 6 and parts[5] == "function" else labourer_id


def log_of_tasks(hook: SoswHook, labourer_id: str) -> Callable[[TaskResult], str]:
    """A function that gives the address of what the labourer's function logged during a task's last attempt.

    It gives an empty text for an emulator, which has no console.
    """
    from sosw_airflow.exceptions import SoswError

    here = console_of_deployment(hook)
    if here is None:
        return lambda _: ""
    try:
        arn = hook.labourer(labourer_id).arn
    except SoswError:  # it was registered when the job was scheduled
        arn = None
    console, function = console_of_function(arn, here), function_name(labourer_id, arn)

    def log_of(result: TaskResult) -> str:
        if result.invoked_at is None:
            return console.function_logs(function)
        last = result.invoked_at + _LONGEST_ATTEMPT
        last = last if result.closed_at is None else min(last, max(result.closed_at, result.invoked_at))
        return console.function_logs(function, (result.invoked_at - _AROUND, last + _AROUND))

    return log_of
