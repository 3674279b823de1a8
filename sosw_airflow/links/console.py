"""Addresses in the AWS console, for each partition of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["Console"]

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

    def s3_object(self, bucket: str, key: str) -> str:
        """An object."""
        return f"https://{self._host()}/s3/object/{quote(bucket)}?region={self.region}&prefix={quote(key)}"

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
