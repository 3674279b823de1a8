"""Addresses of the AWS console."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sosw_airflow.config.registry import Labourer
from sosw_airflow.config.settings import SoswSettings
from sosw_airflow.exceptions import UnknownLabourer
from sosw_airflow.links.console import Console, log_of_tasks
from sosw_airflow.links.pages import JOB_KEY
from sosw_airflow.links.sosw import LINKS, JobPageLink, push_links
from sosw_airflow.waiting.task_results import TaskResult, TaskState

CONSOLE_LINKS = LINKS[1:]


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


def test_the_events_of_a_time_in_the_log() -> None:
    """In milliseconds, as the console's own address of a search has it."""
    address = Console("eu-west-1").function_logs("pull", (1_795_431_000, 1_795_431_120))
    assert address.endswith("/log-events$3Fstart$3D1795431000000$26end$3D1795431120000")


def test_the_log_of_a_function_that_several_labourers_have() -> None:
    """It is the function's, whatever the labourer is called."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:pull:live"
    log_of = log_of_tasks(hook_of(partition="aws", region="eu-west-1", arn=arn), "pull-2")
    task = TaskResult(0, "a" * 32, TaskState.FAILED)
    assert log_of(task) == Console("eu-west-1").function_logs("pull")


@pytest.mark.parametrize(
    ("invoked_at", "closed_at", "between"),
    [
        (1000, 1100, (940, 1160)),
        (1000, 9000, (940, 1960)),  # sosw's Scavenger closed it long after its attempt
        (1000, None, (940, 1960)),
        (1000, 990, (940, 1060)),  # clocks differ
    ],
)
def test_the_log_of_a_task(invoked_at: int, closed_at: int | None, between: tuple[int, int]) -> None:
    """From a minute before its last attempt until a minute after its end."""
    log_of = log_of_tasks(hook_of(partition="aws", region="eu-west-1", arn=None), "pull")
    task = TaskResult(0, "a" * 32, TaskState.FAILED, invoked_at=invoked_at, closed_at=closed_at)
    assert log_of(task) == Console("eu-west-1").function_logs("pull", between)


def test_the_log_of_a_task_whose_attempt_is_not_known() -> None:
    """The log group, in the region of the function."""
    arn = "arn:aws-cn:lambda:cn-northwest-1:123456789012:function:pull"
    log_of = log_of_tasks(hook_of(partition="aws-cn", region="cn-north-1", arn=arn), "pull")
    task = TaskResult(0, "a" * 32, TaskState.FAILED)
    assert log_of(task) == Console("cn-northwest-1", "aws-cn").function_logs("pull")


def test_the_log_of_a_labourer_that_is_no_longer_registered() -> None:
    """It is sought where the tables are."""
    hook = hook_of(partition="aws", region="eu-west-1", arn=None)
    hook.labourer = lambda name: (_ for _ in ()).throw(UnknownLabourer(name, []))
    assert "region=eu-west-1" in log_of_tasks(hook, "pull")(TaskResult(0, "a" * 32, TaskState.FAILED))


def test_the_log_of_a_task_in_an_emulator() -> None:
    """It has no console."""
    hook = hook_of(partition="aws", region="eu-west-1", arn=None, endpoint_url="http://127.0.0.1:4566")
    assert log_of_tasks(hook, "pull")(TaskResult(0, "a" * 32, TaskState.FAILED)) == ""


def hook_of(*, partition: str, region: str, arn: str | None, endpoint_url: str | None = None) -> Any:
    """What the addresses need of a hook."""
    meta = SimpleNamespace(region_name=region, partition=partition)
    settings = SoswSettings(queue_bucket="queue", endpoint_url=endpoint_url)
    deployment = SimpleNamespace(dynamodb=SimpleNamespace(meta=meta))
    labourer = Labourer("pull", {"arn": arn} if arn else {})
    return SimpleNamespace(
        settings=settings, deployment=lambda: deployment, labourer=lambda name: labourer, sosw_conn_id="sosw_default"
    )


def pushed(*, partition: str, region: str, arn: str | None, endpoint_url: str | None = None) -> dict[str, str]:
    """The links to the console that an Airflow task pushes."""
    found: dict[str, str] = {}
    hook = hook_of(partition=partition, region=region, arn=arn, endpoint_url=endpoint_url)
    ti = SimpleNamespace(xcom_push=lambda key, value: found.update({key: value}), dag_id="dag")
    push_links(ti, hook, hook.labourer("pull"), "0123456789abcdef0123")
    return {key: found[key] for key in found if key not in (JOB_KEY, JobPageLink().xcom_key)}


def test_the_tables_are_where_the_connection_is_the_function_where_its_arn_says() -> None:
    """They may be in different regions."""
    links = pushed(
        partition="aws-cn", region="cn-north-1", arn="arn:aws-cn:lambda:cn-northwest-1:123456789012:function:pull"
    )
    assert {link.xcom_key for link in CONSOLE_LINKS} == set(links)
    assert all(address.startswith("https://console.amazonaws.cn/") for address in links.values())
    regions = [("cn-northwest-1" in links[link.xcom_key]) for link in CONSOLE_LINKS]
    assert [False, False, True, True] == regions


def test_a_labourer_without_an_arn_is_where_the_tables_are() -> None:
    """As sosw takes it to be."""
    links = pushed(partition="aws-us-gov", region="us-gov-east-1", arn=None)
    assert all("console.amazonaws-us-gov.com" in address for address in links.values())
    assert all("region=us-gov-east-1" in address for address in links.values())


def test_an_emulator_has_no_console() -> None:
    """So there are no links."""
    assert {} == pushed(partition="aws", region="us-west-2", arn=None, endpoint_url="http://127.0.0.1:4566")
