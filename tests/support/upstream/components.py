"""sosw's own Scheduler, TaskManager, Orchestrator, Scavenger and WorkerAssistant, on the tables of a moto account.

with upstream(aws) as sosw:
sosw.schedule({"sections": ["a"], ...})     # or write rows of our own
sosw.orchestrator({})                       # invokes: sosw.invocations
sosw.complete(task_id)
sosw.scavenger({})
"""

from __future__ import annotations

import contextlib
import io
import json
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3

from tests.conftest import Aws
from tests.support.upstream import quiet  # noqa: F401 - before anything of sosw

# isort: split
from sosw import app
from sosw.managers.task import TaskManager
from sosw.orchestrator import Orchestrator
from sosw.scavenger import Scavenger
from sosw.scheduler import Scheduler
from sosw.worker_assistant import WorkerAssistant

#: From a queued task's greenfield to an invoked one's, seconds; and when an invoked one counts as expired.
INVOCATION_DELTA = 31557600
EXPIRY = 1200


@dataclass
class Upstream:
    """sosw's components, each made when it is first used.

    :ivar invocations: (labourer id, payload) of each task that the Orchestrator has invoked, in order.
    :ivar messages: what the Scavenger has published about dead tasks.
    """

    aws: Aws
    labourers: Mapping[str, Mapping[str, Any]]
    chunkable_attrs: tuple[str, ...]
    invocations: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def task_config(self) -> dict[str, Any]:
        """The labourers as each component knows them; the tables have sosw's own names."""
        return {"labourers": deepcopy(dict(self.labourers))}

    @cached_property
    def task_manager(self) -> Any:
        """A TaskManager of its own, with the labourers registered."""
        return TaskManager(custom_config=self.task_config)

    @cached_property
    def orchestrator(self) -> Any:
        """Call it with `{}`; it invokes what its labourers may take."""
        orchestrator = Orchestrator(custom_config={"task_config": self.task_config})
        client = orchestrator.task_client.lambda_client
        orchestrator.task_client.lambda_client = SimpleNamespace(
            invoke=self._record, get_function_configuration=client.get_function_configuration
        )
        # The manager that counts running tasks reads the functions' time-outs through the same attribute.
        return orchestrator

    @cached_property
    def scavenger(self) -> Any:
        """Call it with `{}`; it archives completed tasks, and retries or buries expired ones."""
        topic = boto3.client("sns").create_topic(Name="sosw_info")["TopicArn"]
        config = {"task_config": self.task_config, "sns_config": {"recipient": topic, "subject": "sosw"}}
        scavenger = Scavenger(custom_config=config)
        scavenger.sns_client = SimpleNamespace(send_message=lambda message, **_: self.messages.append(message))
        return scavenger

    @cached_property
    def worker_assistant(self) -> Any:
        """Call it with `{"action": "mark_task_as_completed", "task_id": ...}`."""
        return WorkerAssistant()

    def scheduler(self) -> Any:
        """A Scheduler for one event, as a Lambda container of its own would have it."""
        app.global_vars.lambda_context.aws_request_id = uuid.uuid4().hex
        schema = {"chunkable_attrs": [(name, {}) for name in self.chunkable_attrs]}
        return Scheduler(
            custom_config={
                "queue_bucket": self.aws.bucket,
                "task_config": self.task_config,
                "job_schema": schema,
                "job_schema_variants": {"default": schema},
            }
        )

    def schedule(self, job: dict[str, Any]) -> None:
        """Let sosw's Scheduler write the job's rows; the labourer is the only one unless the job says otherwise."""
        self._run({"lambda_name": next(iter(self.labourers)), **job})

    def drain(self, file_name: str) -> None:
        """Let sosw's Scheduler write the rows of a queue file that lies unlocked in the bucket (bare name)."""
        self._run({"file_name": file_name, "lambda_name": "anything"})

    def _run(self, event: dict[str, Any]) -> None:
        scheduler = self.scheduler()
        try:
            scheduler(event)
        finally:
            scheduler.clean_tmp()  # a crash leaves its queue file in /tmp

    def complete(self, task_id: str) -> None:
        """Let sosw's WorkerAssistant mark a task as completed, as its worker would."""
        self.worker_assistant({"action": "mark_task_as_completed", "task_id": task_id})

    def expire(self, task_id: str) -> None:
        """Make an invoked task old, so that the next run of the Scavenger treats it as expired."""
        expired = int(time.time()) + INVOCATION_DELTA - EXPIRY - 100
        self._set(self.aws.names.tasks_table, {"task_id": {"S": task_id}}, "greenfield", expired)

    def end_delay(self, labourer_id: str, task_id: str) -> None:
        """Let the delay of a task that waits for its retry be over."""
        key = {"labourer_id": {"S": labourer_id}, "task_id": {"S": task_id}}
        self._set(self.aws.names.retry_tasks_table, key, "desired_launch_time", int(time.time()) - 10)

    def _set(self, table: str, key: dict[str, Any], attribute: str, value: int) -> None:
        self.aws.dynamodb.update_item(
            TableName=table,
            Key=key,
            UpdateExpression=f"SET {attribute} = :value",
            ConditionExpression="attribute_exists(task_id)",
            ExpressionAttributeValues={":value": {"N": str(value)}},
        )

    def _record(self, *, FunctionName: str, InvocationType: str, Payload: str) -> dict[str, Any]:
        assert InvocationType == "Event"
        self.invocations.append((FunctionName.rsplit(":", 1)[-1], json.loads(Payload)))
        return {"StatusCode": 202}


@contextlib.contextmanager
def upstream(
    aws: Aws,
    *,
    labourers: Mapping[str, Mapping[str, Any]] | None = None,
    chunkable_attrs: tuple[str, ...] = ("section", "store", "product"),
) -> Iterator[Upstream]:
    """Give sosw's components on this account.

    `labourers` maps ids to settings (default: `worker`, which may run 10 tasks at once). Each gets a stub Lambda
    function with a time-out of five minutes, which sosw takes for the longest duration of a task and for the delay of
    a retry: none ends by itself in a test, but by `Upstream.end_delay`.
    """
    settings = labourers or {"worker": {"max_simultaneous_invocations": 10}}
    role = boto3.client("iam").create_role(RoleName=f"stub-{uuid.uuid4().hex}", AssumeRolePolicyDocument="{}")["Role"]
    functions = boto3.client("lambda")
    registered = {}
    for labourer_id, own in settings.items():
        function = functions.create_function(
            FunctionName=labourer_id,
            Runtime="python3.11",
            Role=role["Arn"],
            Handler="app.handler",
            Code={"ZipFile": _stub_code()},
            Timeout=300,
        )
        registered[labourer_id] = {"arn": function["FunctionArn"], **own}
    context = SimpleNamespace(
        aws_request_id=uuid.uuid4().hex,
        function_name="sosw_test",
        log_stream_name="log",
        invoked_function_arn=f"arn:aws:lambda:{aws.region}:{'1' * 12}:function:sosw_test",
        get_remaining_time_in_millis=lambda: 900_000,
    )
    with patch.object(app, "get_config", lambda name: {}), patch.object(app, "_lambda_context", context):
        yield Upstream(aws, registered, chunkable_attrs)


def _stub_code() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): pass")
    return buffer.getvalue()
