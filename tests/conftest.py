"""Fixtures for the whole suite: a throw-away environment, no network beyond this machine, AWS made by moto."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from sosw_airflow.stores.tables import TableNames, create_missing_tables
from sosw_airflow.testing.memory_aws import one_at_a_time
from tests.support.aws_models import shared

pytest_plugins = ["tests.support.emulators.fixtures"]

REGION = "us-west-2"
BUCKET = "sosw-queue"
NAMES = TableNames(meta_table="sosw_tasks_meta")

# Set before anything imports boto3, sosw or Airflow, each of which reads some of these only once. Nothing here may
# come from the machine: a developer's credentials, profile or Airflow database must be out of reach of a test.
for _name in [name for name in os.environ if name.startswith(("AWS_", "AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_"))]:
    del os.environ[_name]
for _name in ("STAGE", "autotest"):  # they switch sosw to its own test tables
    os.environ.pop(_name, None)
os.environ.update(
    AWS_ACCESS_KEY_ID="123456789012",  # twelve digits: ministack takes them for the account
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION=REGION,
    AWS_REGION=REGION,
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_EC2_METADATA_DISABLED="true",
    AIRFLOW_HOME=tempfile.mkdtemp(prefix="sosw_airflow_tests_"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a report that can be sent as UTF-8: pytest-xdist breaks off at a lone surrogate, and hides the failure."""
    report = yield
    report.sections = [(name, _sendable(text)) for name, text in report.sections]
    if report.longrepr is not None and not isinstance(report.longrepr, tuple):
        text = str(report.longrepr)
        report.longrepr = report.longrepr if _sendable(text) == text else _sendable(text)
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test named by an address of memory: pytest-xdist runs no test if its workers disagree on a name."""
    if unstable := [item.nodeid for item in items if re.search(" at 0x[0-9a-f]{8}", item.nodeid)]:
        raise pytest.UsageError(f"Another name in each process: {unstable}. Fix: pytest.param(..., id=...)")


def pytest_configure() -> None:
    """Search Airflow's modules for garbage ten times less often: full collections took a tenth of the tests' time."""
    gc.set_threshold(700, 10, 100)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.fixture(autouse=True, scope="session")
def one_loader() -> Iterator[None]:
    """All boto3 sessions share what they read of botocore's models."""
    with shared():
        yield


@pytest.fixture(autouse=True, scope="session")
def hearing_signals() -> None:
    """A shell's ``&`` lets its command ignore SIGINT, nohup SIGHUP; what the tests start would inherit that."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def forgotten_secrets() -> Iterator[None]:
    """What Airflow learns to mask in one test, be it one letter, stays readable in the next."""
    before = [(masker, set(masker.patterns), masker.replacer) for masker in _maskers()]
    yield
    for masker in _maskers():
        masker.patterns, masker.replacer = set(), None
    for masker, patterns, replacer in before:
        masker.patterns, masker.replacer = patterns, replacer


def _maskers() -> list[Any]:
    found = []
    places = ("sdk._shared", "_shared", "sdk.execution_time", "utils.log")
    for module in filter(None, (sys.modules.get(f"airflow.{place}.secrets_masker") for place in places)):
        with suppress(AttributeError, RuntimeError):  # a module that only leads to another one; no masker yet
            found.append(module._secrets_masker())
    return found


@pytest.fixture
def same_environment() -> Iterator[None]:
    """AWS's and Airflow's variables are the same after the test.

    `monkeypatch` ends after moto and the test kit, and restores what they had set. A command declares in its own
    environment that it is no Airflow task.
    """
    ours = ("AWS_", "AIRFLOW_", "_AIRFLOW_")
    before = {name: value for name, value in os.environ.items() if name.startswith(ours)}
    yield
    for name in [name for name in os.environ if name.startswith(ours)]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def no_network(same_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that would leave this machine fails the test at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        local = self.family not in (socket.AF_INET, socket.AF_INET6) or address[0].startswith(("127.", "::1"))
        assert local, f"a test tried to reach {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@dataclass(frozen=True)
class Aws:
    """The AWS of one test: all of sosw's tables and an empty queue bucket, in moto."""

    dynamodb: Any
    s3: Any
    names: TableNames = field(default=NAMES)
    bucket: str = BUCKET
    region: str = REGION

    def rows(self, table: str | None = None) -> list[dict[str, Any]]:
        """All items of a table (default: the task rows), raw as DynamoDB keeps them."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table or self.names.tasks_table)
        return [item for page in pages for item in page["Items"]]

    def queue_files(self) -> dict[str, str]:
        """Key and text of every object of the bucket."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {
            o["Key"]: self.s3.get_object(Bucket=self.bucket, Key=o["Key"])["Body"].read().decode("utf-8")
            for o in listed
        }


@pytest.fixture
def mocked_aws() -> Iterator[None]:
    """moto with nothing in it. Lambda functions are not executed."""
    with mock_aws(config={"lambda": {"use_docker": False}}), one_at_a_time():
        yield


#: The tables as moto keeps them, empty. To create them by requests takes most of a short test's time.
_TABLES: dict[str, Any] = {}


def _make_tables(dynamodb: Any) -> None:
    tables = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables
    if not _TABLES:
        create_missing_tables(dynamodb, names=NAMES)
        _TABLES.update(deepcopy(dict(tables)))
    tables.update(deepcopy(_TABLES))


@pytest.fixture
def aws(mocked_aws: None) -> Aws:
    """moto with the tables and the queue bucket."""
    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    _make_tables(dynamodb)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return Aws(dynamodb=dynamodb, s3=s3)
