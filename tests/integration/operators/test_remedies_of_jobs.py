"""The fix that the error of a job names, once the job was scheduled: carried out to the letter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import create_autospec

import botocore.client
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from sosw_airflow import exceptions as errors
from sosw_airflow.cli import main
from sosw_airflow.doctor.functions import check_functions
from sosw_airflow.hooks.sosw import SoswHook
from sosw_airflow.operators.orchestrate import SoswOrchestrateOperator
from sosw_airflow.operators.sosw import SoswDoctorOperator, SoswRepairOperator
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.page_writer import PageWriter
from sosw_airflow.scheduling.scheduler import ScheduleRequest
from sosw_airflow.sensors.sosw import SoswJobSensor
from sosw_airflow.stores.job_record import JobRecords
from tests.conftest import Aws
from tests.integration.operators.conftest import LABOURER, Attempt, MakeContext
from tests.integration.operators.test_remedies import refusal, remedy_of
from tests.integration.orchestration.conftest import Lambda
from tests.support.closing import close
from tests.support.deferrals import Deferred, finish

#: Seconds between polls. What is waited for happens before the second poll.
SOON = 0.01


@contextmanager
def requests(handler: Callable[[str, Any], Any]) -> Iterator[None]:
    """Every request of any client passes the handler. What it returns is the answer, None lets the request through."""
    call = botocore.client.BaseClient._make_api_call
    patch = pytest.MonkeyPatch()

    def handled(self: Any, name: str, arguments: Any) -> Any:
        return handler(name, arguments) or call(self, name, arguments)

    patch.setattr(botocore.client.BaseClient, "_make_api_call", handled)
    try:
        yield
    finally:
        patch.undo()


class Stop(BaseException):
    """The process ends."""


def stop_at(operation: str, attempt: Attempt) -> None:
    """Let the process of an attempt end before its first request of this operation."""

    def handler(name: str, _: Any) -> None:
        if name == operation:
            raise Stop

    with requests(handler), suppress(Stop):
        attempt()


def tasks(installation: Aws) -> int:
    """How many wait in the queue."""
    return len(installation.rows())


def header_of(installation: Aws, job_id: str) -> dict[str, Any]:
    """The item of the job record that says what the job is."""
    (header,) = [
        item
        for item in installation.rows(installation.names.jobs_table)
        if (item["job_id"]["S"], item["record"]["S"]) == (job_id, "header")
    ]
    return header


# -- the deployment ---------------------------------------------------------------------------------------------------


@remedy_of(errors.DeploymentBroken)
def test_what_each_line_says_is_done(installation: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of the lines are run as they are."""
    none = create_autospec(check_functions, side_effect=lambda *_, **__: iter(()))
    monkeypatch.setattr("sosw_airflow.doctor.functions.check_functions", none)
    installation.dynamodb.delete_table(TableName="sosw_jobs")
    doctor = SoswDoctorOperator(task_id="doctor")
    context: Any = {"ti": type("Ti", (), {"xcom_push": staticmethod(lambda **_: None)})}
    with pytest.raises(errors.DeploymentBroken, match="Fix: do what each line says") as broken:
        doctor.execute(context)
    (line,) = broken.value.findings
    (command,) = re.findall(r"`sosw-airflow (.*?)`", line)
    assert main(command.split()) == 0
    assert doctor.execute(context)


@remedy_of(errors.NoProgress)
def test_the_capacity_is_raised(installation: Aws, attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry writes what is missing."""
    raised = False
    init = PageWriter.__init__
    monkeypatch.setattr(PageWriter, "__init__", lambda *given, **named: init(*given, **{**named, "patience": 0.2}))
    monkeypatch.setattr("sosw_airflow.scheduling.scheduler.MAX_PAGE_ROWS", 3)
    pages = 0

    def small_table(name: str, _: Any) -> None:
        nonlocal raised, pages
        raised = raised or name == "UpdateTable"
        pages += name == "TransactWriteItems"
        if name == "TransactWriteItems" and pages > 1 and not raised:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "too much"}}, name)

    with requests(small_table):
        refusal(errors.NoProgress, attempt, "raise the tables' write capacity; a retry resumes there")
        before = tasks(installation)
        installation.dynamodb.update_table(TableName="sosw_tasks", BillingMode="PAY_PER_REQUEST")
        attempt()
    assert (before, tasks(installation)) == (3, 8)


# -- a job that was scheduled before -----------------------------------------------------------------------------------


@remedy_of(errors.JobStopped)
@pytest.mark.parametrize("cancel", [False, True], ids=["retry", "clear"])
def test_a_stopped_job_is_resumed(
    installation: Aws,
    attempt: Attempt,
    schedule: Any,
    context: MakeContext,
    tutorial_job: Any,
    monkeypatch: pytest.MonkeyPatch,
    cancel: bool,
) -> None:
    """By a retry; after a cancel, by a clear."""
    operator = schedule(tutorial_job, cancel_on_kill=cancel)
    create = JobRecords.create
    with monkeypatch.context() as patch:
        patch.setattr(JobRecords, "create", lambda *of: (create(*of), operator.on_kill())[0])
        fix = (
            "clear the Airflow task to schedule it as a new job" if cancel else "retry the Airflow task, which resumes"
        )
        refusal(errors.JobStopped, lambda: operator.execute(context()), fix)
    before = tasks(installation)
    attempt(clear=cancel)
    assert (before, tasks(installation)) == (0, 8)


@remedy_of(errors.JobCancelled)
def test_a_cancelled_job_is_cleared(installation: Aws, attempt: Attempt) -> None:
    """All of its tasks are in the queue again."""
    cancel_job(SoswHook().deployment(), attempt()["job_id"])
    refusal(errors.JobCancelled, attempt, "clear the Airflow task to schedule it again")
    attempt(clear=True)
    assert tasks(installation) == 8


@remedy_of(errors.UnknownJob)
@pytest.mark.parametrize("way", ["XCom", "task id"])
def test_a_job_id_is_corrected(installation: Aws, attempt: Attempt, context: MakeContext, way: str) -> None:
    """To that of the XCom, or to the first 20 digits of a task's id."""
    summary = attempt()
    close(installation, summary["job_id"], range(8))

    def repair(job_id: str) -> Any:
        return SoswRepairOperator(task_id="repair", job_id=job_id).execute(context())

    refusal(errors.UnknownJob, lambda: repair("0" * 20), "job_id of the XCom .* or the first 20 digits of the id of a")
    right = summary["job_id"] if way == "XCom" else summary["last_task_id"][:20]
    assert repair(right)["job_id"] == summary["job_id"]


@remedy_of(errors.JobRecordDamaged)
@pytest.mark.parametrize("way", ["restore", "clear"])
def test_a_header_that_was_changed(installation: Aws, attempt: Attempt, way: str) -> None:
    """It is restored, or the Airflow task is cleared."""
    good = header_of(installation, attempt()["job_id"])
    put = installation.dynamodb.put_item
    put(TableName="sosw_jobs", Item={**good, "tasks": {"S": "many"}})
    refusal(errors.JobRecordDamaged, attempt, "restore it, or clear the Airflow task")
    if way == "restore":
        put(TableName="sosw_jobs", Item=good)
    attempt(clear=way == "clear")
    assert tasks(installation) == (8 if way == "restore" else 16)


@remedy_of(errors.JobRecordDamaged)
@pytest.mark.parametrize("way", ["restore", "clear"])
def test_a_table_of_jobs_that_was_emptied(installation: Aws, attempt: Attempt, way: str) -> None:
    """It is restored from a backup, or the Airflow task is cleared."""
    attempt()
    backup = installation.rows("sosw_jobs")
    for item in backup:
        key = {name: item[name] for name in ("job_id", "record")}
        installation.dynamodb.delete_item(TableName="sosw_jobs", Key=key)
    refusal(errors.JobRecordDamaged, attempt, "restore sosw_jobs from a backup and retry. Or clear the Airflow task")
    if way == "restore":
        for item in backup:
            installation.dynamodb.put_item(TableName="sosw_jobs", Item=item)
    attempt(clear=way == "clear")
    assert tasks(installation) == (8 if way == "restore" else 16)


@remedy_of(errors.JobRecordDamaged)
@pytest.mark.parametrize("way", ["restore", "clear"])
@pytest.mark.parametrize("damage", ["gone", "no text"])
def test_a_queue_file_that_was_changed(
    installation: Aws, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, damage: str, way: str
) -> None:
    """It is put back as it was, or the Airflow task is cleared."""
    stop_at("TransactWriteItems", attempt)
    (key,) = installation.queue_files()
    where = {"Bucket": installation.bucket, "Key": key}
    source = {"CopySource": {"Bucket": installation.bucket, "Key": "backup"}}
    installation.s3.copy_object(Bucket=installation.bucket, Key="backup", CopySource=where)
    metadata = installation.s3.head_object(**where)["Metadata"]
    blocks = ScheduleRequest.blocks
    if damage == "gone":
        installation.s3.delete_object(**where)
        monkeypatch.setattr(ScheduleRequest, "blocks", lambda *of: list(blocks(*of))[:0])
        refusal(errors.JobRecordDamaged, attempt, "restore the file, or clear the Airflow task")
    else:
        whole = installation.s3.get_object(**where)["Body"].read()
        installation.s3.put_object(**where, Body=b"\xff" + whole[1:], Metadata=metadata)
        refusal(errors.JobRecordDamaged, attempt, "put the file back as it was, or clear the Airflow task")
    if way == "restore":
        installation.s3.copy_object(**where, **source)
    else:
        monkeypatch.setattr(ScheduleRequest, "blocks", blocks)
    attempt(clear=way == "clear")
    assert tasks(installation) == 8


@remedy_of(errors.JobRecordDamaged)
@pytest.mark.parametrize("removed", ["header", "queue file"])
def test_what_removes_a_part_of_the_job_is_stopped(installation: Aws, attempt: Attempt, removed: str) -> None:
    """Then a retry succeeds, and no task is there twice."""
    stop_at("TransactWriteItems", attempt)
    (key,) = installation.queue_files()
    (header,) = installation.rows("sosw_jobs")

    def remove(name: str, _: Any) -> None:
        if removed == "header" and name == "UpdateItem":
            keys = {name: header[name] for name in ("job_id", "record")}
            installation.dynamodb.delete_item(TableName="sosw_jobs", Key=keys)
        if removed == "queue file" and name == "GetObject":
            installation.s3.delete_object(Bucket=installation.bucket, Key=key)

    with requests(remove):
        refusal(errors.JobRecordDamaged, attempt, "stop (that|what removes it), then retry")
    attempt()
    assert (tasks(installation), installation.queue_files()) == (8, {})


@remedy_of(errors.JobRecordDamaged)
@pytest.mark.parametrize("way", ["tasks", "clear"])
def test_a_job_that_is_written_in_part_is_not_delivered(
    installation: Aws, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The delivery is changed back, or the Airflow task is cleared."""
    stop_at("DeleteObject", attempt)
    deliver = "delivery='tasks' again, or clear the Airflow task"
    refusal(errors.JobRecordDamaged, lambda: attempt(delivery="queue_file"), deliver)
    if way == "tasks":
        attempt(delivery="tasks")
    else:
        attempt(delivery="queue_file", clear=True)
    files = [key for key in installation.queue_files() if "locked" not in key]
    assert (tasks(installation), len(files)) == (8, int(way == "clear"))


@remedy_of(errors.JobRecordDamaged)
def test_a_failed_row_that_is_gone(installation: Aws, attempt: Attempt) -> None:
    """The whole job is scheduled."""
    job_id = attempt(on_clear="failed")["job_id"]
    close(installation, job_id, range(6))
    close(installation, job_id, [6, 7], completed=False)
    closed = [row for row in installation.rows("sosw_closed_tasks") if row["task_id"]["S"].endswith("7")]

    def delete(name: str, _: Any) -> None:
        if name == "BatchGetItem":
            key = {"task_id": closed[0]["task_id"]}
            installation.dynamodb.delete_item(TableName="sosw_closed_tasks", Key=key)

    with requests(delete):
        refusal(
            errors.JobRecordDamaged,
            lambda: attempt(clear=True, on_clear="failed"),
            "clear the Airflow task with on_clear='reschedule'",
        )
    attempt(clear=True, on_clear="reschedule")
    assert tasks(installation) == 8


@remedy_of(errors.JobRecordDamaged)
def test_a_record_that_vanishes_while_its_job_is_waited_for(
    installation: Aws, attempt: Attempt, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """A clear schedules every task again."""

    def delete(job_id: str) -> None:
        key = {"job_id": {"S": job_id}, "record": {"S": "header"}}
        installation.dynamodb.delete_item(TableName="sosw_jobs", Key=key)

    operator = schedule(tutorial_job, wait_for_completion=True, poll_interval=SOON)
    refusal(
        errors.JobRecordDamaged,
        lambda: finish(operator, context(), deferrable=False, meanwhile=delete),
        "check what .* or clear it to schedule every task again",
    )
    attempt(clear=True)
    assert tasks(installation) == 16


# -- waiting and repairing ---------------------------------------------------------------------------------------------


@remedy_of(errors.JobFailed)
@pytest.mark.parametrize("way", ["command", "operator", "clear"])
def test_the_failed_tasks_are_scheduled_again(
    installation: Aws, attempt: Attempt, context: MakeContext, way: str
) -> None:
    """By the command of the message, the operator, or a clear."""
    job_id = attempt(on_clear="failed")["job_id"]
    close(installation, job_id, range(6))
    close(installation, job_id, [6, 7], completed=False)
    waiting = {"wait_for_completion": True, "poll_interval": SOON}
    fix = (
        f"`sosw-airflow repair {job_id}` .or SoswRepairOperator, or clear this Airflow task if it has on_clear='failed'"
    )
    refusal(errors.JobFailed, lambda: attempt(**waiting), fix)
    if way == "command":
        assert main(["repair", job_id]) == 0
    elif way == "operator":
        SoswRepairOperator(task_id="repair", job_id=job_id).execute(context())
    else:
        attempt(on_clear="failed", clear=True)
    assert tasks(installation) == 2


@remedy_of(errors.JobsFailed)
def test_each_failed_job_is_repaired(installation: Aws, attempt: Attempt, context: MakeContext) -> None:
    """By the fix in its own line."""
    job_ids = [attempt({"number": number}, clear=bool(number))["job_id"] for number in range(2)]
    for job_id in job_ids:
        close(installation, job_id, range(7))
        close(installation, job_id, [7], completed=False)
    sensor = SoswJobSensor(task_id="wait", job_id=job_ids, poke_interval=SOON)
    with pytest.raises(errors.JobsFailed) as failed:
        sensor.execute(context())
    for command in re.findall(r"`sosw-airflow (.*?)`", str(failed.value)):
        assert main(command.split()) == 0
    assert tasks(installation) == 2


@remedy_of(errors.JobTimedOut)
@pytest.mark.parametrize("way", ["retry", "timeout", "command"])
def test_a_job_that_was_not_done_in_time(
    installation: Aws,
    attempt: Attempt,
    schedule: Any,
    context: MakeContext,
    tutorial_job: Any,
    capsys: pytest.CaptureFixture[str],
    way: str,
) -> None:
    """A retry waits, and so does one with a higher time-out; the command shows how far it is."""
    waiting = {"wait_for_completion": True, "poll_interval": SOON}
    fix = "retry the Airflow task, which only waits; raise timeout; or see .* `sosw-airflow status"
    timeout = 2.0 if way == "retry" else 0.05
    refusal(errors.JobTimedOut, lambda: attempt(**waiting, timeout=timeout), fix)
    job_id = installation.rows()[0]["task_id"]["S"][:20]
    if way == "command":
        assert main(["status", job_id]) == 3
        assert "written" in capsys.readouterr().out
        return
    again = schedule(tutorial_job, **waiting, timeout=timeout if way == "retry" else 60)
    close(installation, job_id, range(4))
    last = finish(again, context(), deferrable=False, meanwhile=lambda job_id: close(installation, job_id, range(4, 8)))
    assert (last["completed"], tasks(installation)) == (8, 0)


@remedy_of(errors.TriggererCannotPoll)
@pytest.mark.usefixtures("deferrals")
@pytest.mark.parametrize("way", ["triggerer", "worker"])
def test_the_triggerer_gets_the_connection(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, way: str
) -> None:
    """Then the deferred job ends; or the worker waits."""
    waiting = {"wait_for_completion": True, "poll_interval": SOON}
    operator = schedule(tutorial_job, **waiting, deferrable=True)
    with pytest.raises(Deferred) as deferred:
        operator.execute(context())
    job_id = deferred.value.trigger.job_id
    event = {"status": "look", "job_id": job_id, "hops": 5, "reason": "no Connection"}
    fix = "give the triggerer the workers. Connections, .* or set deferrable=False"
    refusal(
        errors.TriggererCannotPoll,
        lambda: operator.execute_complete(context(), event, **deferred.value.kwargs),
        fix,
    )
    last = finish(
        schedule(tutorial_job, **waiting, deferrable=way == "triggerer"),
        context(),
        deferrable=way == "triggerer",
        meanwhile=lambda job_id: close(installation, job_id, range(8)),
    )
    assert (last["job_id"], last["completed"]) == (job_id, 8)


@remedy_of(errors.DeferralLost)
@pytest.mark.usefixtures("deferrals")
@pytest.mark.parametrize("way", ["retry", "clear"])
def test_the_airflow_task_finds_its_job_again(
    installation: Aws, schedule: Any, context: MakeContext, tutorial_job: Any, way: str
) -> None:
    """The next attempt waits for the same job, which is not scheduled twice."""
    retries = int(way == "retry")
    arguments = {"on_clear": "resume"} if way == "clear" else {}
    operator = schedule(tutorial_job, wait_for_completion=True, poll_interval=SOON, deferrable=True, **arguments)
    with pytest.raises(Deferred) as deferred:
        operator.execute(context(max_tries=retries, retries=retries))
    fix = "let the Airflow task retry, or clear it with on_clear='resume'"
    refusal(errors.DeferralLost, lambda: operator.execute_complete(context()), fix)
    last = finish(
        operator,
        context(try_number=2, max_tries=1, retries=retries),
        deferrable=True,
        meanwhile=lambda job_id: close(installation, job_id, range(8)),
    )
    assert (last["job_id"], last["completed"]) == (deferred.value.trigger.job_id, 8)


@remedy_of(errors.TasksLost)
def test_a_job_whose_tasks_are_lost_is_cleared(
    installation: Aws, attempt: Attempt, schedule: Any, context: MakeContext, tutorial_job: Any
) -> None:
    """With `on_clear="reschedule"` every task is in the queue again."""

    def delete(_: str) -> None:
        for row in installation.rows():
            installation.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": row["task_id"]})

    operator = schedule(tutorial_job, wait_for_completion=True, poll_interval=SOON)
    refusal(
        errors.TasksLost,
        lambda: finish(operator, context(), deferrable=False, meanwhile=delete),
        "clear it with on_clear='reschedule'",
    )
    attempt(clear=True, on_clear="reschedule")
    assert tasks(installation) == 8


@remedy_of(errors.LabourersPaused)
def test_the_fault_of_a_labourer_is_removed(
    installation: Aws, attempt: Attempt, function: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function of its line is deployed; the next run closes every task at its first attempt."""
    monkeypatch.setattr("sosw_airflow.orchestration.pace._PAUSE", 0.01)
    deployed, function.reply = function.reply, lambda event: (404, "ResourceNotFoundException", b"{}")
    attempt()
    operator = SoswOrchestrateOperator(task_id="orchestrate")
    refusal(errors.LabourersPaused, lambda: operator.execute({}), "what each line names. The tasks keep their places")
    function.reply = deployed
    assert operator.execute({}) == {LABOURER: {"invoked": 8, "completed": 8, "failed": 0, "retried": 0}}


@remedy_of(errors.JobUnfinished)
@pytest.mark.parametrize("way", ["end", "argument", "option"])
def test_a_job_that_is_not_over_is_repaired(
    installation: Aws, attempt: Attempt, context: MakeContext, way: str
) -> None:
    """Once it is over, or now, without the rest."""
    job_id = attempt()["job_id"]
    close(installation, job_id, [0], completed=False)

    def repair(**arguments: Any) -> Any:
        return SoswRepairOperator(task_id="repair", job_id=job_id, **arguments).execute(context())

    refusal(errors.JobUnfinished, repair, "wait for its end; or .* .unfinished='leave', --leave-unfinished")
    if way == "end":
        close(installation, job_id, range(1, 8))
        repair()
    elif way == "argument":
        repair(unfinished="leave")
    else:
        assert main(["repair", job_id, "--leave-unfinished"]) == 0
    assert tasks(installation) == (1 if way == "end" else 8)


# -- queue files -------------------------------------------------------------------------------------------------------


@remedy_of(errors.DeliveryUncertain)
def test_an_uncertain_delivery_is_cleared(installation: Aws, attempt: Attempt) -> None:
    """No task of the labourer is there, so the job is delivered again."""

    def lost(name: str, _: Any) -> None:
        if name == "CopyObject":
            raise ReadTimeoutError(endpoint_url="https://s3.us-west-2.amazonaws.com/")

    with requests(lost), pytest.raises(errors.AwsFault):
        attempt(delivery="queue_file")
    refusal(
        errors.DeliveryUncertain,
        lambda: attempt(delivery="queue_file"),
        "search the labourer's tasks .*created_at in sosw_tasks and sosw_closed_tasks.* clear .*on_clear='reschedule'",
    )
    assert (tasks(installation), installation.rows("sosw_closed_tasks")) == (0, [])
    attempt(delivery="queue_file", on_clear="reschedule", clear=True)
    (delivered,) = [key for key in installation.queue_files() if "locked" not in key]
    lines = installation.queue_files()[delivered].splitlines()
    assert len([json.loads(line) for line in lines]) == 8


@remedy_of(errors.InvocationUncertain)
def test_an_uncertain_invocation_is_made_by_hand(installation: Aws, attempt: Attempt) -> None:
    """The file waits for too long, so you invoke sosw's Scheduler with it, which takes it; then you retry."""

    def lost(name: str, _: Any) -> None:
        if name == "Invoke":
            raise ReadTimeoutError(endpoint_url="https://lambda.us-west-2.amazonaws.com/")

    how = {"delivery": "queue_file", "scheduler_function": "sosw_scheduler"}
    with requests(lost), pytest.raises(errors.AwsFault):
        attempt(**how)
    refusal(
        errors.InvocationUncertain,
        lambda: attempt(**how),
        "if the file waits for longer than six hours .*invoke it yourself, then retry",
    )
    (waiting,) = [key for key in installation.queue_files() if "locked" not in key]
    installation.s3.delete_object(Bucket=installation.bucket, Key=waiting)
    assert (attempt(**how)["state"], installation.queue_files()) == ("delivered", {})


@remedy_of(errors.DeliveryInProgress)
def test_an_overtaken_delivery_is_retried(installation: Aws, attempt: Attempt) -> None:
    """Another attempt invokes the function first; the retry finds the job delivered."""
    how = {"delivery": "queue_file", "scheduler_function": "sosw_scheduler"}
    invoked: list[str] = []

    def overtake(name: str, arguments: Any) -> Any:
        if name == "Invoke":
            invoked.append(name)
            return {"StatusCode": 202}
        state = arguments.get("ExpressionAttributeValues", {}).get(":to", {}).get("S")
        if state == "invoking" and not overtaken:
            overtaken.append(state)
            attempt(**how)
        return None

    overtaken: list[str] = []
    with requests(overtake):
        refusal(errors.DeliveryInProgress, lambda: attempt(**how), "retry the Airflow task")
        assert attempt(**how)["state"] == "delivered"
    assert (len(invoked), len(installation.queue_files())) == (1, 1)
