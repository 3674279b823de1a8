"""A labourer in moto. Its function is a stub at the edge of the network: it records its events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from sosw_airflow.orchestration import assistant
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.turn import Clients, LabourerOrchestration
from sosw_airflow.stores.tables import TableNames
from tests.conftest import Aws
from tests.support.upstream.components import Upstream, upstream

LABOURER = "worker"
NOW = 1_795_431_627.0

#: Status of the answer, its error code if it is one, the body.
Reply = tuple[int, str, bytes]


@dataclass
class Lambda:
    """The function of the labourer.

    :ivar events: that it was given.
    :ivar reply: what Lambda answers to an Invoke; it may raise what botocore raises.
    :ivar timeout: the function's, None: there is no such function.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    reply: Callable[[dict[str, Any]], Reply] = lambda event: (202, "", b"")
    timeout: int | None = 5

    def answer(self, event_name: str, request: Any, **_: Any) -> AWSResponse:
        """Answer a request of boto3's Lambda client in the place of AWS."""
        operation = event_name.rsplit(".", 1)[-1]
        if operation == "GetFunctionConfiguration" and self.timeout is None:
            status, code, body = 404, "ResourceNotFoundException", b'{"Message": "Function not found"}'
        elif operation == "GetFunctionConfiguration":
            status, code, body = 200, "", json.dumps({"Timeout": self.timeout}).encode()
        elif operation == "GetFunctionEventInvokeConfig":
            status, code, body = (
                200,
                "",
                json.dumps({"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}).encode(),
            )
        else:
            event = json.loads(request.body)
            status, code, body = self.reply(event)
            if status < 300:
                self.events.append(event)
        headers = {"x-amzn-errortype": code} if code else {}
        if code == "Handled":
            headers = {"X-Amz-Function-Error": "Unhandled"}
        raw = BytesIO(body)
        raw.stream = lambda *_, **__: iter([body])  # type: ignore[attr-defined]
        return AWSResponse(request.url, status, headers, raw)

    def answer_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer every Lambda client that is made from now on."""
        create = botocore.session.Session.create_client

        def creating(session: Any, service_name: str, *arguments: Any, **more: Any) -> Any:
            client = create(session, service_name, *arguments, **more)
            if service_name == "lambda":
                client.meta.events.register_first("before-send.lambda", self.answer)
            return client

        monkeypatch.setattr(botocore.session.Session, "create_client", creating)


@dataclass
class Labourer:
    """One labourer, its queue, its function, and orchestrators for it."""

    aws: Aws
    function: Lambda
    clients: Clients
    workers: ThreadPoolExecutor
    now: float = NOW
    ticks: float = 0.0

    def pass_time(self, seconds: float) -> None:
        """Let time go by, on both clocks."""
        self.now += seconds
        self.ticks += seconds

    def orchestration(self, owner: str = "here", **settings: Any) -> LabourerOrchestration:
        """A fresh orchestrator, as a new process would have it."""
        policy = LabourerPolicy.of(LABOURER, settings)
        return LabourerOrchestration(
            policy,
            self.clients,
            TableNames(),
            owner,
            self.workers,
            self.workers,
            clock=lambda: self.now,
            monotonic=lambda: self.ticks,
        )

    def queue(self, *names: str, first: int = 1, **more: Any) -> None:
        """Put a task a name into the queue; the name is the first letter of its id."""
        for number, name in enumerate(names, start=first):
            item = {
                "task_id": {"S": name * 32},
                "labourer_id": {"S": LABOURER},
                "payload": {"S": json.dumps({"word": name})},
                "created_at": {"N": "1795431000.5"},
                "greenfield": {"N": str(1000 * number)},
                "attempts": {"N": "0"},
                **more,
            }
            self.aws.dynamodb.put_item(TableName="sosw_tasks", Item=item)

    def cancel(self, name: str) -> None:
        """The job of the task is cancelled, and the cancellation has passed its row."""
        item = {"job_id": {"S": name * 20}, "record": {"S": "header"}, "state": {"S": "cancelled"}}
        self.aws.dynamodb.put_item(TableName="sosw_jobs", Item=item)

    def report(self, event: dict[str, Any], *, ok: bool = True, response: Any = None) -> bool:
        """The assistant gets the report of a destination for this event."""
        envelope = {
            "requestContext": {"condition": "Success" if ok else "RetriesExhausted"},
            "requestPayload": event,
            "responseContext": {} if ok else {"functionError": "Unhandled"},
            "responsePayload": response,
        }
        report = assistant.report_of(envelope)
        assert report is not None
        return self.mark(report)

    def mark(self, report: dict[str, Any]) -> bool:
        """The assistant marks the row."""
        tables = {"tasks_table": "sosw_tasks", "retry_tasks_table": "sosw_retry_tasks"}
        return assistant.mark(self.aws.dynamodb, report, now=int(self.now), **tables)

    def rows(self) -> list[dict[str, Any]]:
        """The table of tasks, without how often a row was given back."""
        return [{name: row[name] for name in row if name != "given_back"} for row in self.aws.rows()]

    def words(self) -> str:
        """The words of the invoked events, in order."""
        return "".join(event["word"] for event in self.function.events)

    def closed(self) -> dict[str, str]:
        """First letter of each closed task's id, and its end: 1 completed, 0 failed."""
        rows = self.aws.rows("sosw_closed_tasks")
        return {row["task_id"]["S"][0]: row["labourer_id_task_status"]["S"][-1] for row in rows}

    def ghosts(self) -> list[dict[str, Any]]:
        """Items of the table of tasks that are no tasks."""
        return [row for row in self.aws.rows() if "labourer_id" not in row]

    def left(self) -> dict[str, list[str]]:
        """First letters of the ids in the table of tasks and in that of the retries."""
        return {
            name: sorted(row["task_id"]["S"][0] for row in self.aws.rows(table))
            for name, table in (("tasks", "sosw_tasks"), ("retries", "sosw_retry_tasks"))
        }


@pytest.fixture
def labourer(aws: Aws) -> Iterator[Labourer]:
    """A labourer with an empty queue."""
    once = Config(retries={"total_max_attempts": 1})
    function = Lambda()
    aws_lambda = boto3.client("lambda", config=once)
    aws_lambda.meta.events.register_first("before-send.lambda", function.answer)
    dynamodb = boto3.client("dynamodb", config=once)
    clients = Clients(dynamodb, dynamodb, aws_lambda, aws_lambda)
    with ThreadPoolExecutor(1) as workers:
        yield Labourer(aws, function, clients, workers)


#: Gives sosw's components for settings of the labourer.
MakeSosw = Callable[..., AbstractContextManager[Upstream]]


@pytest.fixture
def sosw(aws: Aws, labourer: Labourer) -> MakeSosw:
    """sosw's components for the labourer with these settings, at the same time of day as ours."""
    labourer.now = time.time()

    @contextmanager
    def make(**settings: Any) -> Iterator[Upstream]:
        with upstream(aws, labourers={LABOURER: {"max_simultaneous_invocations": 3, **settings}}) as running:
            yield running

    return make
