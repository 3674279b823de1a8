"""Each command and operator works under the policies that docs/permissions.md names for it: no call is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow.cli import main
from sosw_airflow.exceptions import JobTimedOut
from sosw_airflow.hooks.aws_clients import AwsClients
from sosw_airflow.jobs.identity import COMMAND_DAG_ID, command_identity
from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
from sosw_airflow.operators.sosw import (
    SoswDoctorOperator,
    SoswDrainQueueOperator,
    SoswRepairOperator,
    SoswScheduleOperator,
)
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.ui.site import Site
from tests.conftest import BUCKET, Aws
from tests.integration.cli.conftest import Configure
from tests.integration.operators.conftest import MakeContext, _from_environment, context  # noqa: F401 - a fixture
from tests.integration.orchestration.conftest import Lambda
from tests.integration.test_permissions import JOBS, policy
from tests.integration.ui.conftest import Browser, Somebody
from tests.support.closing import close
from tests.support.iam import Call, Enforcement, enforced
from tests.support.lambda_functions import make_function

SCHEDULING = ("Scheduling",)
WAITING = (*SCHEDULING, "Waiting and repairing")
CANCELLING = (*SCHEDULING, "Cancelling")
ORCHESTRATING = ("Orchestrating",)
EXAMINING = (*WAITING, "Cancelling", "Examining")
SETTING_UP = ("Setting up",)
CONNECTING = (*SETTING_UP, "Connecting labourers")
RESULTS = f"s3://{BUCKET}/results/"
ALL = (*EXAMINING, *ORCHESTRATING, "Examining labourers")


@contextmanager
def under(*headings: str) -> Iterator[set[Call]]:
    """Every client that the hook makes meanwhile is under these policies; gives the calls that are refused."""
    refused: set[Call] = set()
    made = AwsClients.client
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        entered: list[Enforcement] = []

        def client(self: AwsClients, *arguments: Any, **settings: Any) -> Any:
            found = made(self, *arguments, **settings)
            entered.append(stack.enter_context(enforced(policy(*headings), found)))
            return found

        patch.setattr(AwsClients, "client", client)
        yield refused
        refused |= {call for each in entered for call in each.refused}
        assert any(each.calls for each in entered)


@pytest.fixture
def function(job: str, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Lambda:
    """The function of the labourer answers an invocation at once; moto answers everything else."""
    configure(
        labourers='{"worker": {"invocation": "request", "max_simultaneous_invocations": 2, "expiry": 60}}',
        schemas='{"default": {"chunkable_attrs": ["word"]}}',
    )
    stub = Lambda(reply=lambda event: (200, "", b'"done"'))
    answer = stub.answer

    def invocations_alone(event_name: str, request: Any, **_: Any) -> Any:
        return answer(event_name, request) if event_name.endswith(".Invoke") and request.body else None

    monkeypatch.setattr(stub, "answer", invocations_alone)
    stub.answer_all(monkeypatch)
    for name in ("_BUSY", "_QUIET", "_BESIDE"):
        monkeypatch.setattr(f"sosw_airflow.orchestration.turn.{name}", 0.02)
    return stub


@pytest.fixture
def job(aws: Aws, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a job of four tasks, of which one has failed; a file to schedule, another one to drain."""
    monkeypatch.chdir(tmp_path)
    make_function("worker")
    (tmp_path / "job.json").write_text(json.dumps({"words": ["a"]}))
    line = json.dumps({"labourer_id": "worker", "words": ["b"]})
    aws.s3.put_object(Bucket=aws.bucket, Key="sosw/scheduler/tasks_queue_left.txt", Body=line.encode())
    configure(schemas='{"default": {"chunkable_attrs": ["word"]}}')
    (tmp_path / "first.json").write_text(json.dumps({"words": ["a", "b", "c", "d"], "isolate_words": True}))
    assert main(["schedule", "first.json", "--labourer", "worker", "--id", "first"]) == 0
    job_id = command_identity("schedule", "first", "worker").job_id
    close(aws, job_id, [0])
    close(aws, job_id, [1], completed=False)
    return job_id


#: What is typed, and the policies of its row in the page's first table.
COMMANDS = {
    "schedule job.json --labourer worker": SCHEDULING,
    "drain tasks_queue_left.txt": SCHEDULING,
    "repair JOB --leave-unfinished": WAITING,
    "set JOB --max-running 3 --position front": SCHEDULING,
    "pause worker": SCHEDULING,
    "resume worker": SCHEDULING,
    "cancel JOB": CANCELLING,
    "results JOB": WAITING,
    "results JOB --state failed": WAITING,
    "status JOB": EXAMINING,
    "jobs": EXAMINING,
    "doctor": ALL,
    "orchestrate worker --once": ORCHESTRATING,
    "init": SETTING_UP,
    "init --apply": SETTING_UP,
    "init --apply --assistant": SETTING_UP,
    "init --apply --assistant --connect worker": CONNECTING,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command(command: str, job: str, function: Lambda, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends as it does with all permissions: no call is refused."""
    with under(*COMMANDS[command]) as refused:
        code = main(command.replace("JOB", job).split())
    assert refused == set(), capsys.readouterr().out
    assert code in (0, 3)


#: Each operator, and the policies of its row.
OPERATORS: dict[str, tuple[Callable[[str], Any], tuple[str, ...]]] = {
    "schedule": (lambda _: _schedule(), SCHEDULING),
    "drain": (lambda _: SoswDrainQueueOperator(task_id="t", queue_file="tasks_queue_left.txt"), SCHEDULING),
    "repair": (lambda job_id: SoswRepairOperator(task_id="t", job_id=job_id, unfinished="leave"), WAITING),
    "schedule and wait": (lambda _: _schedule(orchestrate=True), (*WAITING, *ORCHESTRATING)),
    "sensor": (lambda job_id: SoswJobSensor(task_id="t", job_id=job_id, tolerated_failures=1), WAITING),
    "schedule and write results": (
        lambda _: _schedule(orchestrate=True, results=RESULTS),
        (*WAITING, *ORCHESTRATING, "Results"),
    ),
    "schedule and cancel at the timeout": (
        lambda _: _schedule(timeout=0.1, timeout_action="cancel", deferrable=False),
        (*WAITING, "Cancelling"),
    ),
    "sensor that writes results": (
        lambda job_id: SoswJobSensor(task_id="t", job_id=job_id, tolerated_failures=1, results=RESULTS),
        (*WAITING, "Results"),
    ),
    "orchestrate": (lambda _: SoswOrchestrateOperator(task_id="t"), ORCHESTRATING),
    "doctor": (lambda _: SoswDoctorOperator(task_id="t"), ALL),
}


def _schedule(**arguments: Any) -> SoswScheduleOperator:
    waiting = {"wait_for_completion": True, "poll_interval": 0.2} if arguments else {}
    return SoswScheduleOperator(task_id="t", labourer="worker", job={"words": ["x"]}, **waiting, **arguments)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator(name: str, job: str, aws: Aws, function: Lambda, context: MakeContext) -> None:  # noqa: F811
    """It does its work: no call is refused."""
    make, headings = OPERATORS[name]
    if name.startswith("sensor"):
        close(aws, job, [2, 3])
    late = pytest.raises(JobTimedOut, match="The job is cancelled") if "timeout" in name else nullcontext()
    with under(*headings) as refused, late:
        make(job).execute(context())
    assert refused == set()


def test_a_doctor_of_a_labourer_that_sosw_invokes(
    job: str, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes less: nothing of the function is read but whether it exists."""
    configure(labourers='{"worker": {}}')
    with under(*EXAMINING) as refused:
        main(["doctor"])
    assert refused == set()
    assert "labourer worker: its function exists" in capsys.readouterr().out


#: Actions of the pages, and the policies of their rows.
ACTIONS = {
    "dags/cli/jobs/JOB/actions/limit": SCHEDULING,
    "dags/cli/jobs/JOB/actions/front": SCHEDULING,
    "dags/cli/jobs/JOB/actions/repair": WAITING,
    "dags/cli/jobs/JOB/actions/cancel": CANCELLING,
    "labourers/worker/actions/pause": SCHEDULING,
    "labourers/worker/actions/resume": SCHEDULING,
    "labourers/worker/actions/doctor": ALL,
    "actions/doctor": ALL,
}


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_of_a_page(action: str, job: str, function: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends as it does with all permissions: no call is refused."""
    monkeypatch.setattr("sosw_airflow.ui.reading.find_connection", _from_environment)
    with under("Viewing pages", *ACTIONS[action]) as refused:
        browser = Browser(Site(lambda *_, **__: []), [], Somebody(changes=(COMMAND_DAG_ID,)))
        path = f"/c/sosw_default/{action.replace('JOB', job)}"
        page = browser.send(path, leave_unfinished="yes", max_running="3")
    assert refused == set(), page.text
    assert page.status == 200, page.text


def test_a_policy_that_lacks_a_line(job: str, function: Lambda) -> None:
    """The call is refused: the tests above would fail."""
    with under("Cancelling") as refused:
        assert main(["cancel", job]) == 1
    assert ("dynamodb:UpdateItem", JOBS) in refused
