"""`read_results`: one result for each task, in the job's order, wherever its row is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sosw_airflow.exceptions import AccessDenied, InvalidConfiguration, JobDelivered, UnknownJob
from sosw_airflow.jobs.greenfield import INVOCATION_DELTA
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.waiting.failure_causes import read_causes
from sosw_airflow.waiting.progress import ProgressReader
from sosw_airflow.waiting.results import read_results
from sosw_airflow.waiting.task_results import TaskResult
from tests.conftest import Aws
from tests.integration.conftest import LABOURER, NOW, Installation, request_for
from tests.support.closing import close
from tests.support.network_edge import answering, dynamodb_error

#: 250 tasks: three batches.
MANY = {"sections": [f"s{number:03d}" for number in range(250)], "isolate_sections": True}


def scheduled(installation: Installation, job: dict[str, Any] | None = None) -> str:
    """The id of a job that is in the queue."""
    return installation.scheduler().schedule(request_for(job or MANY)).header.job_id


def read(installation: Installation, job_id: str, **wanted: Any) -> list[TaskResult]:
    """The results."""
    return list(read_results(installation.aws.dynamodb, TableNames(), job_id, now=lambda: NOW, **wanted))


def update(aws: Aws, table: str, job_id: str, index: int, **attributes: dict[str, Any]) -> None:
    """Set attributes of a task's row."""
    aws.dynamodb.update_item(
        TableName=table,
        Key={"task_id": {"S": task_id(job_id, index)}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
        ExpressionAttributeNames={f"#{name}": name for name in attributes},
        ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
    )


def move_to_retry(aws: Aws, job_id: str, index: int) -> None:
    """As the orchestrator does with a failed attempt."""
    key = {"task_id": {"S": task_id(job_id, index)}}
    row = aws.dynamodb.get_item(TableName="sosw_tasks", Key=key)["Item"]
    aws.dynamodb.put_item(TableName="sosw_retry_tasks", Item={**row, "desired_launch_time": {"N": "1"}})
    aws.dynamodb.delete_item(TableName="sosw_tasks", Key=key)


def test_every_task_once_and_in_order(installation: Installation) -> None:
    """Completed, failed, queued: however the rows are spread."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(249, 99, -1))
    close(installation.aws, job_id, range(40, 60), completed=False, attempts=3)
    results = read(installation, job_id)
    assert [each.index for each in results] == list(range(250))
    assert Counter(each.state.value for each in results) == {"completed": 150, "failed": 20, "queued": 80}


def test_what_a_result_has(installation: Installation) -> None:
    """The payload, the worker's values, the attempts, the times."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, [3], at=NOW + 90, attempts=2)
    values = {"result_rows": {"N": "7"}, "stat_seconds": {"N": "1.5"}, "result_name": {"S": "a"}}
    greenfield = {"N": str(int(NOW) + 30 + INVOCATION_DELTA)}
    update(installation.aws, "sosw_closed_tasks", job_id, 3, greenfield=greenfield, **values)
    found = read(installation, job_id)[3]
    assert (found.payload, found.attempts) == ({"isolate_sections": True, "sections": ["s003"]}, 2)
    assert (found.result, found.stats) == ({"rows": 7, "name": "a"}, {"seconds": 1.5})
    assert (found.invoked_at, found.closed_at, found.error) == (int(NOW) + 30, int(NOW) + 90, "")


def test_a_failed_task_has_its_error(installation: Installation) -> None:
    """Type and message."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, [0], completed=False)
    error = {"error_type": {"S": "KeyError"}, "error_message": {"S": "'toyota'"}}
    update(installation.aws, "sosw_closed_tasks", job_id, 0, **error)
    found = read(installation, job_id, state="failed")
    assert [(each.index, each.error, each.error_type) for each in found] == [(0, "KeyError: 'toyota'", "KeyError")]


def test_open_tasks_have_their_state(installation: Installation) -> None:
    """Queued, running, reported but not archived, waiting for a retry."""
    job_id = scheduled(installation)
    later = {"N": str(int(NOW) + INVOCATION_DELTA)}
    update(installation.aws, "sosw_tasks", job_id, 1, greenfield=later, attempts={"N": "1"})
    update(installation.aws, "sosw_tasks", job_id, 2, greenfield=later, completed_at={"N": "1"})
    move_to_retry(installation.aws, job_id, 3)
    states = [each.state.value for each in read(installation, job_id)[:4]]
    assert states == ["queued", "running", "completed", "retrying"]


def test_a_row_that_is_gone_is_unknown(installation: Installation) -> None:
    """Its time to live has ended: it is counted, and not as completed or failed."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(250))
    for index in (5, 249):
        key = {"task_id": {"S": task_id(job_id, index)}}
        installation.aws.dynamodb.delete_item(TableName="sosw_closed_tasks", Key=key)
    results = read(installation, job_id)
    assert (len(results), [each.index for each in results if each.state.value == "unknown"]) == (250, [5, 249])
    assert [each.index for each in read(installation, job_id, state="unknown")] == [5, 249]


def test_a_ghost_is_no_row(installation: Installation) -> None:
    """What a late report leaves in the queue hides no row of the retry table."""
    job_id = scheduled(installation)
    move_to_retry(installation.aws, job_id, 0)
    update(installation.aws, "sosw_tasks", job_id, 0, completed_at={"N": "1"})
    assert read(installation, job_id)[0].state.value == "retrying"


def test_a_cancelled_job(installation: Installation) -> None:
    """Tasks that were removed are unknown, closed ones stay."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(10))
    cancel_job(installation.deployment, job_id)
    assert Counter(each.state.value for each in read(installation, job_id)) == {"completed": 10, "unknown": 240}


@pytest.mark.parametrize("state", ["completed", "failed", "queued", "running", "retrying", "unknown"])
def test_a_state_alone(installation: Installation, state: str) -> None:
    """It is what remains of all results."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(10))
    close(installation.aws, job_id, range(10, 14), completed=False)
    move_to_retry(installation.aws, job_id, 20)
    update(installation.aws, "sosw_tasks", job_id, 21, completed_at={"N": "1"})
    installation.aws.dynamodb.delete_item(TableName="sosw_tasks", Key={"task_id": {"S": task_id(job_id, 22)}})
    expected = [each for each in read(installation, job_id) if each.state.value == state]
    assert read(installation, job_id, state=state) == expected


def test_failed_tasks_alone_read_few_rows(installation: Installation) -> None:
    """The index names them: the rows of the others are not read."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(1, 250))
    close(installation.aws, job_id, [0], completed=False)
    rows = []
    installation.aws.dynamodb.meta.events.register(
        "after-call.dynamodb.BatchGetItem", lambda parsed, **_: rows.extend(*parsed["Responses"].values())
    )
    assert [each.index for each in read(installation, job_id, state="failed")] == [0]
    assert len(rows) == 1


def test_a_slow_table(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading waits, and misses nothing."""
    monkeypatch.setattr("sosw_airflow.stores.backoff.time.sleep", lambda seconds: None)
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(250))
    throttled = iter([dynamodb_error("ProvisionedThroughputExceededException")] * 7)
    with answering(installation.aws.dynamodb, handler=lambda name: next(throttled, None) if "Batch" in name else None):
        assert [each.index for each in read(installation, job_id)] == list(range(250))


def test_reading_may_end_early(installation: Installation) -> None:
    """What was asked for ahead is dropped, and no thread stays."""
    import threading

    job_id = scheduled(installation)
    results = read_results(installation.aws.dynamodb, TableNames(), job_id)
    assert next(results).index == 0
    results.close()  # type: ignore[attr-defined]
    assert [each for each in threading.enumerate() if each.name.startswith("sosw-results")] == []


def test_an_unknown_job(installation: Installation) -> None:
    """It is refused before anything is iterated."""
    with pytest.raises(UnknownJob):
        read_results(installation.aws.dynamodb, TableNames(), "0" * 20)


def test_an_unknown_state(installation: Installation) -> None:
    """The message names those that exist."""
    with pytest.raises(InvalidConfiguration, match="must be one of 'completed', .* not 'done'"):
        read_results(installation.aws.dynamodb, TableNames(), "0" * 20, state="done")


def test_a_job_that_was_delivered(make_installation: Any) -> None:
    """Its tasks have ids of sosw's Scheduler."""
    from sosw_airflow.scheduling.deliver import deliver

    installation = make_installation()
    job_id = deliver(installation.scheduler(), request_for(), function=None, aws_lambda=None).header.job_id
    with pytest.raises(JobDelivered):
        read_results(installation.aws.dynamodb, TableNames(), job_id)


def test_no_permission(installation: Installation) -> None:
    """The error names the request."""
    job_id = scheduled(installation)
    denied = dynamodb_error("AccessDeniedException")
    refusing = answering(installation.aws.dynamodb, handler=lambda name: denied if "Batch" in name else None)
    with refusing, pytest.raises(AccessDenied, match="BatchGetItem"):
        read(installation, job_id)


def test_causes_of_many_failures_are_read_in_part(installation: Installation) -> None:
    """Evenly spread over the job, and the summary says so."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, range(250), completed=False)
    found = read_causes(ProgressReader(installation.aws.dynamodb, TableNames(), job_id), most=50)
    assert (found.read, found.failed, found.causes[0].count) == (50, 250, 50)


def test_a_task_that_completed_after_all_has_no_cause(installation: Installation) -> None:
    """The index may still list it as failed."""
    job_id = scheduled(installation)
    close(installation.aws, job_id, [0, 1], completed=False)
    progress = ProgressReader(installation.aws.dynamodb, TableNames(), job_id)
    progress.read()
    status = {"S": f"{LABOURER}_1"}
    update(installation.aws, "sosw_closed_tasks", job_id, 1, labourer_id_task_status=status)
    assert read_causes(progress).read == 1
