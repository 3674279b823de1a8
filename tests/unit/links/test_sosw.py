"""Addresses of the AWS console."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sosw_airflow.config.registry import Labourer
from sosw_airflow.config.settings import SoswSettings
from sosw_airflow.links.sosw import LINKS, Console, push_links


@pytest.mark.parametrize(
    ("arn", "host", "region"),
    [
        ("arn:aws:lambda:eu-west-1:123456789012:function:pull", "console.aws.amazon.com", "eu-west-1"),
        ("arn:aws-cn:lambda:cn-north-1:123456789012:function:pull", "console.amazonaws.cn", "cn-north-1"),
        (
            "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:pull:7",
            "console.amazonaws-us-gov.com",
            "us-gov-west-1",
        ),
    ],
)
def test_each_partition_has_a_console_of_its_own(arn: str, host: str, region: str) -> None:
    """With a domain of its own."""
    console = Console.of_arn(arn)
    assert console is not None
    assert f"https://{host}/lambda/home?region={region}#/functions/pull" == console.function("pull")
    assert console.function_logs("pull").startswith(f"https://{host}/cloudwatch/home?region={region}#")
    assert console.s3_objects("bucket", "a/b").startswith(f"https://{host}/s3/buckets/bucket?region={region}&prefix=")
    assert console.table_rows("t", "i", "pull").startswith(f"https://{host}/dynamodbv2/home?region={region}#")


@pytest.mark.parametrize("arn", ["", "pull", "arn:aws:lambda", "arn:aws-iso:lambda:us-iso-east-1:1:function:pull"])
def test_what_names_no_console(arn: str) -> None:
    """A bare name, or a partition whose console is not known."""
    assert Console.of_arn(arn) is None


def test_the_log_group_is_quoted_as_the_console_wants_it() -> None:
    """Twice, with $ for %."""
    address = Console("eu-west-1").function_logs("pull")
    assert address.endswith("#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fpull")


def pushed(*, partition: str, region: str, arn: str | None, endpoint_url: str | None = None) -> dict[str, str]:
    """The XComs that an Airflow task pushes."""
    found: dict[str, str] = {}
    meta = SimpleNamespace(region_name=region, partition=partition)
    settings = SoswSettings(queue_bucket="queue", endpoint_url=endpoint_url)
    deployment = SimpleNamespace(dynamodb=SimpleNamespace(meta=meta))
    hook: Any = SimpleNamespace(settings=settings, deployment=lambda: deployment)
    ti = SimpleNamespace(xcom_push=lambda key, value: found.update({key: value}))
    push_links(ti, hook, Labourer("pull", {"arn": arn} if arn else {}), "0123456789abcdef0123")
    return found


def test_the_tables_are_where_the_connection_is_the_function_where_its_arn_says() -> None:
    """They may be in different regions."""
    links = pushed(
        partition="aws-cn", region="cn-north-1", arn="arn:aws-cn:lambda:cn-northwest-1:123456789012:function:pull"
    )
    assert {link.xcom_key for link in LINKS} == set(links)
    assert all(address.startswith("https://console.amazonaws.cn/") for address in links.values())
    regions = [("cn-northwest-1" in links[link.xcom_key]) for link in LINKS]
    assert [False, False, True, True] == regions


def test_a_labourer_without_an_arn_is_where_the_tables_are() -> None:
    """As sosw takes it to be."""
    links = pushed(partition="aws-us-gov", region="us-gov-east-1", arn=None)
    assert all("console.amazonaws-us-gov.com" in address for address in links.values())
    assert all("region=us-gov-east-1" in address for address in links.values())


def test_an_emulator_has_no_console() -> None:
    """So there are no links."""
    assert {} == pushed(partition="aws", region="us-west-2", arn=None, endpoint_url="http://127.0.0.1:4566")
