"""The recipes of docs/guides/recipes.md: what their run in `test_example_dags.py` does not show."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from datetime import date, timedelta
from email import message_from_string
from pathlib import Path
from typing import Any

import boto3
import pytest

from sosw_airflow import source
from sosw_airflow.exceptions import JobFailed
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.sosw import SoswScheduleOperator
from sosw_airflow.stores.tables import create_missing_tables
from sosw_airflow.testing import Sosw, sosw_in_memory
from sosw_airflow.testing.memory_aws import REGION, memory_aws

DAGS = Path(__file__).parents[2] / "dags"
DAY = date(2026, 3, 2)


def dag_of(name: str) -> Any:
    """The DAG of a recipe."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag

    bag = DagBag(str(DAGS / f"{name}.py"))
    assert bag.import_errors == {}
    return bag.dags[name]


@pytest.fixture
def sosw() -> Iterator[Sosw]:
    """An installation in memory."""
    with sosw_in_memory() as installation:
        yield installation


class MailServer:
    """What `smtplib` connects to: it keeps the mails."""

    mails: list[Any] = []  # noqa: RUF012

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def sendmail(self, *, msg: str, **_: Any) -> None:
        """Take a mail."""
        self.mails.append(message_from_string(msg))

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def test_the_mail_names_the_causes(sosw: Sosw, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cause once, with the number of tasks, and how to repair the job."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_SMTP_DEFAULT",
        json.dumps({"conn_type": "smtp", "host": "localhost", "extra": {"disable_tls": True, "disable_ssl": True}}),
    )
    monkeypatch.setattr(MailServer, "mails", [])
    for name in ("SMTP", "SMTP_SSL"):
        monkeypatch.setattr(smtplib, name, MailServer)
    sosw.add_labourer("charge_cards")
    operator = dag_of("sosw_alerts").get_task("schedule")
    waiting = sosw.run(operator, DAY)
    sosw.fail("charge_cards", error="CardRefused: card 4711 of <b>customer</b> 12")
    with pytest.raises(JobFailed) as failed:
        waiting.resume()
    notify = operator.on_failure_callback
    for each in notify if isinstance(notify, (list, tuple)) else [notify]:
        each({**waiting.context, "exception": failed.value})
    (mail,) = MailServer.mails
    (part,) = [each for each in mail.walk() if each.get_content_type() == "text/html"]
    body = part.get_payload(decode=True).decode()
    assert mail["Subject"] == "schedule of sosw_alerts failed"
    assert "3 of 3 tasks of the job" in body
    assert "CardRefused" in body
    assert "sosw-airflow repair" in body
    assert "<b>customer" not in body


def test_the_deadline() -> None:
    """Two hours after the run was queued; the callback can be imported by a triggerer, and the DAG be stored."""
    pytest.importorskip("airflow.sdk.definitions.deadline", reason="Airflow 3.1 has deadlines")
    from airflow.serialization.serialized_objects import DagSerialization

    dag = dag_of("sosw_alerts")
    (alert,) = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]
    assert alert.interval == timedelta(hours=2)
    assert alert.callback.path == "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
    assert "deadline" in json.dumps(DagSerialization.to_dict(dag))


def test_results_as_a_source(sosw: Sosw) -> None:
    """The file of the first job's results has the values of the second, in the order of the first."""
    for name in ("sitemap", "get_page"):
        sosw.add_labourer(name)
    first = SoswScheduleOperator(
        task_id="schedule",
        labourer="sitemap",
        job_schema={"chunkable_attrs": ["site"]},
        job={"sites": ["news", "blog"], "isolate_sites": True},
        wait_for_completion=True,
        results=f"s3://{sosw.queue_bucket}/sitemaps/",
    )
    waiting = sosw.run(first, DAY)
    sosw.finish("sitemap", result=lambda payload: f"/{payload['sites'][0]}/today")
    address = waiting.resume()["results"]["completed"]
    second = SoswScheduleOperator(
        task_id="fetch",
        labourer="get_page",
        job_schema={"chunkable_attrs": ["page"]},
        job={"pages": source.s3(address, column="result"), "isolate_pages": True},
    )
    assert sosw.run(second, DAY)["tasks"] == 2
    assert [each["pages"] for each in sosw.tasks("get_page")] == [["/news/today"], ["/blog/today"]]


@pytest.fixture
def other_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Tables and bucket in the account of the role, and nothing in Airflow's own: a client of that account."""
    role = "arn:aws:iam::210987654321:role/sosw-from-airflow"
    with memory_aws():
        aws = {"conn_type": "aws", "extra": {"role_arn": role, "region_name": REGION}}
        sosw = {"conn_type": "sosw", "extra": {"aws_conn_id": "aws_partner", "queue_bucket": "partner-queue-bucket"}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_PARTNER", json.dumps(aws))
        monkeypatch.setenv("AIRFLOW_CONN_SOSW_PARTNER", json.dumps(sosw))
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", json.dumps({"score_leads": {"invocation": "request"}}))
        own = boto3.client("sts", region_name=REGION)
        keys = own.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        session = boto3.session.Session(
            keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION
        )
        create_missing_tables(session.client("dynamodb"))
        session.client("s3").create_bucket(Bucket="partner-queue-bucket")
        yield session.client("dynamodb")


def test_the_rows_are_in_the_other_account(other_account: Any) -> None:
    """Airflow has assumed the role; its own account has no table."""
    operator = dag_of("sosw_other_account").get_task("schedule")
    operator.orchestrate, operator.wait_for_completion = False, False  # no function runs in memory
    assert _run(operator)["tasks"] == 2
    assert other_account.scan(TableName="sosw_tasks")["Count"] == 2
    assert boto3.client("dynamodb", region_name=REGION).list_tables()["TableNames"] == []
    who = SoswHook("sosw_partner").client("sts").get_caller_identity()
    assert who["Account"] == "210987654321"


def _run(operator: Any) -> Any:
    from sosw_airflow.testing.runs import run_operator

    return run_operator(operator, DAY, try_number=1, max_tries=0)
