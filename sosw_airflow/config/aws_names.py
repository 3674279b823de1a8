"""AWS's rules for names and addresses that a Connection has: bucket, prefix, table, region, endpoint.

Each function gives what is wrong with a value, or None. The rules are those of botocore, which refuses such a value at
the first request with an error of its own.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sosw_airflow.stores.s3_url import split_s3_url

__all__ = ["bucket_problem", "endpoint_problem", "prefix_problem", "region_problem", "table_problem"]

_BUCKET = re.compile(r"[a-zA-Z0-9.\-_]{1,255}")
_TABLE = re.compile(r"[a-zA-Z0-9_.\-]{1,255}|arn:[^:]+:dynamodb:[^:]*:\d{12}:table/[a-zA-Z0-9_.\-]{1,255}")
_LABEL = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
_HOST = re.compile(
    r"(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)*(?!-)[a-z0-9-]{1,63}(?<!-)\.?|[0-9a-f:.]+(?:%.+)?", re.IGNORECASE
)

#: Bytes of a prefix, so that the name of a queue file behind it fits into a key's 1,024.
_PREFIX_BYTES = 900


def bucket_problem(value: str) -> str | None:
    """Of a bucket: its name, or the ARN of an access point."""
    if value.startswith("arn:"):
        if split_s3_url(f"s3://{value}/key") == (value, "key") and "/" in value:
            return None
        return f"must be the name of a bucket or the ARN of an access point (arn:...:accesspoint/NAME), not {value!r}"
    if "/" in value:
        return f"must be the name of the bucket alone (the folder goes into s3_prefix), not {value!r}"
    return None if _BUCKET.fullmatch(value) else f"must consist of letters, digits, '.', '-' and '_', not {value!r}"


def prefix_problem(value: str) -> str | None:
    """Of the prefix of keys."""
    if value.startswith("s3://"):
        return f"must be the prefix alone (the bucket goes into queue_bucket), not {value!r}"
    if {".", ".."}.intersection(value.split("/")):
        return f"must have no part '.' or '..', not {value!r}"
    if not value.isprintable():
        return f"must have no control characters, not {value!r}"
    size = len(value.encode("utf-8", "surrogatepass"))
    return None if size <= _PREFIX_BYTES else f"must have at most {_PREFIX_BYTES} bytes, not {size:,}"


def table_problem(value: str) -> str | None:
    """Of a table or an index."""
    return None if _TABLE.fullmatch(value) else f"must consist of letters, digits, '.', '-' and '_', not {value!r}"


def region_problem(value: str) -> str | None:
    """Of a region."""
    return None if _LABEL.fullmatch(value) else f"must be a region such as 'us-west-2', not {value!r}"


def endpoint_problem(value: str) -> str | None:
    """Of an endpoint. A user name and a password in it are not shown."""
    try:
        url = urlsplit(value)
        good = url.scheme in ("http", "https") and url.port != 0 and bool(_HOST.fullmatch(url.hostname or ""))
    except ValueError:
        good = False
    if good:
        return None
    return f"must be http://HOST[:PORT] or https://HOST[:PORT]{'' if '@' in value else f', not {value!r}'}"
