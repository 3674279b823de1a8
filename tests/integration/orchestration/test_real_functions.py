"""Real functions in ministack: one that knows nothing of sosw, one with sosw's protocol, one invoked synchronously."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sosw_airflow.orchestration.assistant import VERSION
from sosw_airflow.orchestration.orchestrator import Orchestrator
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.turn import Clients
from sosw_airflow.provision.assistant import ASSISTANT, deploy_assistant
from sosw_airflow.provision.destinations import connect_labourer
from sosw_airflow.stores.tables import TableNames, create_missing_tables
from tests.support.emulators.emulator import Emulator
from tests.support.emulators.ministack_emulator import ministack_server
from tests.support.lambda_functions import make_function

pytestmark = pytest.mark.slow

#: Fails for every tenth word.
PLAIN = """
def handler(event, context):
    if event["number"] % 10 == 0:
        raise ValueError(f"bad word number {event['number']}")
    return {"length": event["number"]}
"""

#: As a class of sosw's `Worker` does: it reports to the assistant itself.
WORKER = f"""
import json, boto3
def handler(event, context):
    if event["number"] % 10 == 0:
        raise ValueError("bad word")
    report = {{"action": "mark_task_as_completed", "task_id": event["task_id"], "stats": {{"rows-written": 3}}}}
    boto3.client("lambda").invoke(FunctionName="{ASSISTANT}", InvocationType="Event", Payload=json.dumps(report))
"""
TASKS = 50


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """ministack that executes Python functions."""
    log = tmp_path_factory.mktemp("functions") / "ministack.log"
    with ministack_server(log, {"LAMBDA_EXECUTOR": "local"}) as emulator:
        create_missing_tables(emulator.client("dynamodb"))
        yield emulator


def deploy(ministack: Emulator, name: str, source: str) -> str:
    """A function with this source, which reaches the emulator."""
    return make_function(name, source=source, environment=ministack.environment(), client=ministack.client)


def queue(ministack: Emulator, labourer: str) -> None:
    """Fifty tasks, of which five fail."""
    for number in range(1, TASKS + 1):
        item = {
            "task_id": {"S": f"{labourer[:8].ljust(8, '0').encode().hex()}{number:016x}"},
            "labourer_id": {"S": labourer},
            "payload": {"S": json.dumps({"number": number})},
            "created_at": {"N": "1795431000.5"},
            "greenfield": {"N": str(1000 * number)},
            "attempts": {"N": "0"},
        }
        ministack.client("dynamodb").put_item(TableName="sosw_tasks", Item=item)


def orchestrate(ministack: Emulator, labourer: str, **settings: Any) -> list[dict[str, Any]]:
    """Process the labourer's queue and return its closed rows."""
    client = ministack.client("dynamodb", max_pool_connections=40)
    functions = ministack.client("lambda", max_pool_connections=40)
    policy = LabourerPolicy.of(labourer, {"max_attempts": 1, "max_simultaneous_invocations": 20, **settings})
    Orchestrator([policy], Clients(client, client, functions, functions), TableNames()).run(
        until_idle=True, deadline=time.monotonic() + 120
    )
    rows = client.scan(TableName="sosw_closed_tasks")["Items"]
    return [row for row in rows if row["labourer_id"]["S"] == labourer]


def ends(rows: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Numbers of the tasks by how they ended: 1 completed, 0 failed."""
    found: dict[str, list[int]] = {"0": [], "1": []}
    for row in rows:
        found[row["labourer_id_task_status"]["S"][-1]].append(json.loads(row["payload"]["S"])["number"])
    return {end: sorted(numbers) for end, numbers in found.items()}


FAILED = [10, 20, 30, 40, 50]
ENDS = {"0": FAILED, "1": [number for number in range(1, TASKS + 1) if number not in FAILED]}


@pytest.fixture
def assistant(ministack: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The assistant, deployed as `sosw-airflow init` does it."""
    functions = ministack.client("lambda", retries=True)
    arn = deploy_assistant(functions, ministack.client("iam"), TableNames())
    variables = functions.get_function_configuration(FunctionName=ASSISTANT)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=ASSISTANT, Environment={"Variables": {**variables, **ministack.environment()}}
    )
    return arn


def test_a_function_that_knows_nothing_of_sosw(ministack: Emulator, assistant: str) -> None:
    """Destinations report for it: results, errors, and a failure is known at once instead of at expiry."""
    deploy(ministack, "plain", PLAIN)
    connect_labourer(ministack.client("lambda"), ministack.client("iam"), "plain", assistant)
    queue(ministack, "plain")
    begun = time.monotonic()
    rows = orchestrate(ministack, "plain")
    assert ENDS == ends(rows)
    assert time.monotonic() - begun < 60
    by_number = {json.loads(row["payload"]["S"])["number"]: row for row in rows}
    assert '{"length": 7}' == by_number[7]["result"]["S"]
    # The type is AWS's own for the exception; ministack says Runtime.HandlerError.
    assert "bad word number 10" == by_number[10]["error_message"]["S"]
    assert by_number[10]["error_type"]["S"]


def test_a_function_with_sosws_protocol(ministack: Emulator, assistant: str) -> None:
    """It calls the function `sosw_worker_assistant` by its name; its failures come from the destination."""
    deploy(ministack, "worker", WORKER)
    connect_labourer(ministack.client("lambda"), ministack.client("iam"), "worker", assistant)
    queue(ministack, "worker")
    rows = orchestrate(ministack, "worker")
    assert ENDS == ends(rows)
    assert {"3"} <= {row["stat_rows_written"]["N"] for row in rows if "stat_rows_written" in row}


def test_a_synchronous_function(ministack: Emulator) -> None:
    """It needs no assistant and no destination."""
    deploy(ministack, "sync", PLAIN)
    queue(ministack, "sync")
    rows = orchestrate(ministack, "sync", invocation="request")
    assert ENDS == ends(rows)


def test_the_assistant_is_deployed_once(ministack: Emulator, assistant: str) -> None:
    """The same again updates it in place."""
    again = deploy_assistant(ministack.client("lambda", retries=True), ministack.client("iam"), TableNames())
    assert assistant == again
    configuration = ministack.client("lambda").get_function_configuration(FunctionName=ASSISTANT)
    assert VERSION == configuration["Environment"]["Variables"]["SOSW_ASSISTANT_VERSION"]
