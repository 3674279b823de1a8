"""`repair`: the failed tasks of a job are scheduled again, once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from sosw_airflow.exceptions import JobCancelled, JobConflict, JobRecordDamaged, JobUnfinished, UnknownJob
from sosw_airflow.jobs.identity import JobIdentity, job_of, task_id
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.repair import RepairRequest, repair
from sosw_airflow.scheduling.scheduler import Outcome, ScheduleResult
from sosw_airflow.stores.tables import TableNames
from sosw_airflow.waiting.progress import ProgressReader
from tests.integration.conftest import LABOURER, NOW, Installation, request_for
from tests.integration.stores.test_job_record import HEADER
from tests.support.closing import close
from tests.support.network_edge import Crash, answering, dynamodb_error
from tests.support.simulated_tables import Clock, passing_by_sleep
from tests.support.small_table import SmallTable

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

TEN = {"sections": [f"s{number}" for number in range(10)], "isolate_sections": True}


def ended(installation: Installation, *failed: int, job: dict[str, Any] | None = None, tasks: int = 10) -> str:
    """The id of a job that is over, of which these tasks failed."""
    job_id = installation.scheduler().schedule(request_for(job or TEN)).header.job_id
    close(installation.aws, job_id, (index for index in range(tasks) if index not in failed))
    close(installation.aws, job_id, failed, completed=False, attempts=3)
    return job_id


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Time passes only when the code sleeps."""
    yield passing_by_sleep(monkeypatch)
    monkeypatch.undo()


def by(generation: int, task_id: str = "schedule") -> JobIdentity:
    """An Airflow task that asks."""
    return JobIdentity("dag", "scheduled__2026-03-02", task_id, -1, generation, LABOURER)


def sections(installation: Installation) -> list[str]:
    """What the queue has, in sosw's order."""
    return [json.loads(payload)["sections"][0] for payload in installation.payloads()]


def end_all(installation: Installation, scheduled: ScheduleResult, *failed: int) -> None:
    """Let the workers be done with a job."""
    indexes = range(scheduled.header.tasks)
    close(installation.aws, scheduled.header.job_id, (index for index in indexes if index not in failed))
    close(installation.aws, scheduled.header.job_id, failed, completed=False)


def test_the_failed_tasks_are_scheduled_again(installation: Installation) -> None:
    """Those, and no others, in the order that they had."""
    job_id = ended(installation, 7, 2, 3)

    repaired = repair(installation.scheduler(), job_id)

    assert (sections(installation), repaired.header.tasks, repaired.outcome) == (
        ["s2", "s3", "s7"],
        3,
        Outcome.SCHEDULED,
    )


def test_the_workers_get_what_they_had_got(installation: Installation) -> None:
    """Payloads of every kind of value come back from the closed rows as they were."""
    job = {
        **TEN,
        "text": 'ü\u2028\n"\\ \U0001f600',
        "numbers": [0, -1, 1.5, 1e-9, 1e22, 2**63],
        "empty": ["", [], {}, None, False, True],
        "payload": {"payload": {"deep": [1]}, "merged": 1},
    }
    installation.scheduler().schedule(request_for(job))
    first = installation.payloads()
    job_id = job_of(installation.queue()[0]["task_id"]["S"])
    close(installation.aws, job_id, range(10), completed=False)

    repair(installation.scheduler(), job_id)

    assert [json.loads(payload) for payload in installation.payloads()] == [json.loads(payload) for payload in first]


def test_a_repair_says_whose_it_is(installation: Installation) -> None:
    """Its summary names the job, and its tasks have ids of their own."""
    job_id = ended(installation, 5)

    summary = repair(installation.scheduler(), job_id).summary()

    assert (summary["repairs"], summary["tasks"]) == (job_id, 1)
    assert job_of(installation.queue()[0]["task_id"]["S"]) == summary["job_id"] != job_id


def test_a_job_without_failures_needs_none(installation: Installation) -> None:
    """Nothing is scheduled; the answer is the job itself."""
    job_id = ended(installation)

    repaired = repair(installation.scheduler(), job_id)

    assert (repaired.header.job_id, repaired.outcome, installation.payloads()) == (job_id, Outcome.FOUND, [])


def test_a_job_is_repaired_once(installation: Installation) -> None:
    """The second one who asks learns that the repair is under way."""
    job_id = ended(installation, 5)
    repair(installation.scheduler(), job_id, asked_by=by(1))

    with pytest.raises(JobUnfinished):
        repair(installation.scheduler(), job_id, asked_by=by(0, "another"))
    assert sections(installation) == ["s5"]


def test_a_retry_of_who_asked_goes_on_with_the_repair(installation: Installation) -> None:
    """Also when the repair is over and has failures of its own: only another request repairs those."""
    job_id = ended(installation, 5, 6)
    first = repair(installation.scheduler(), job_id, asked_by=by(1))
    end_all(installation, first, 0, 1)

    again = repair(installation.scheduler(), job_id, asked_by=by(1))

    assert (again.header, again.outcome, installation.payloads()) == (first.header, Outcome.FOUND, [])


def test_what_fails_again_is_repaired_again(installation: Installation) -> None:
    """Repairing the first job over and over repairs what is left of it."""
    job_id = ended(installation, 1, 2, 3)
    end_all(installation, repair(installation.scheduler(), job_id, asked_by=by(1)), 0, 2)
    end_all(installation, repair(installation.scheduler(), job_id, asked_by=by(2)), 1)

    last = repair(installation.scheduler(), job_id, asked_by=by(3))

    assert (sections(installation), last.header.tasks) == (["s3"], 1)


def test_an_interrupted_repair_goes_on(installation: Installation, pages_of_two: None) -> None:
    """After a crash in the middle the next one writes the rest of the same plan."""
    job_id = ended(installation, *range(5))
    pages = count()

    def die(operation: str) -> None:
        if operation == "TransactWriteItems" and next(pages) == 1:
            raise Crash

    with pytest.raises(Crash), answering(*installation.clients, handler=die):
        repair(installation.scheduler(), job_id)
    before = sections(installation)

    repaired = repair(installation.scheduler(), job_id)

    assert 0 < len(before) < 5
    assert repaired.outcome is Outcome.RESUMED
    assert sections(installation) == [f"s{number}" for number in range(5)]


def test_a_job_that_is_not_over_is_refused(installation: Installation) -> None:
    """A job is repaired once, so first it must be known what failed; the message says how far it is."""
    job_id = installation.scheduler().schedule(request_for(TEN)).header.job_id
    close(installation.aws, job_id, range(8))
    close(installation.aws, job_id, [8], completed=False)

    with pytest.raises(JobUnfinished, match="9 of 10 tasks are closed, 1 of them failed"):
        repair(installation.scheduler(), job_id)


def test_unfinished_tasks_can_be_left_alone(installation: Installation) -> None:
    """What has failed so far is scheduled behind what still waits."""
    job_id = installation.scheduler().schedule(request_for(TEN)).header.job_id
    close(installation.aws, job_id, [4], completed=False)

    repair(installation.scheduler(), job_id, unfinished="leave")

    assert sections(installation) == [*(f"s{n}" for n in range(10) if n != 4), "s4"]


def test_an_unfinished_job_can_be_waited_for(installation: Installation) -> None:
    """Then it continues as it is."""
    job_id = installation.scheduler().schedule(request_for(TEN)).header.job_id
    close(installation.aws, job_id, [4], completed=False)

    repaired = repair(installation.scheduler(), job_id, unfinished="wait")

    assert (repaired.header.job_id, len(installation.payloads())) == (job_id, 9)


def test_an_unknown_job(installation: Installation) -> None:
    """The message says where ids are found."""
    with pytest.raises(UnknownJob, match="no job '00000000000000000000' in sosw_jobs"):
        repair(installation.scheduler(), "0" * 20)


def test_a_cancelled_job_is_not_repaired(installation: Installation) -> None:
    """Its tasks are not wanted."""
    job_id = installation.scheduler().schedule(request_for(TEN)).header.job_id
    close(installation.aws, job_id, [4], completed=False)
    cancel_job(installation.deployment, job_id)

    with pytest.raises(JobCancelled):
        repair(installation.scheduler(), job_id)


def test_a_cancelled_repair_gives_way_to_another(installation: Installation) -> None:
    """The failed tasks are still failed."""
    job_id = ended(installation, 4)
    cancelled = repair(installation.scheduler(), job_id).header.job_id
    cancel_job(installation.deployment, cancelled)

    again = repair(installation.scheduler(), job_id)

    assert (sections(installation), again.header.job_id != cancelled) == (["s4"], True)


def test_a_failed_row_that_is_gone(installation: Installation) -> None:
    """Its payload is lost, so nothing is written."""
    job_id = ended(installation, 2, 4)
    rows = installation.aws.rows(installation.aws.names.closed_tasks_table)
    (gone,) = [row for row in rows if "s4" in row["payload"]["S"]]
    names = installation.aws.names

    def delete(**_: Any) -> None:
        installation.aws.dynamodb.delete_item(TableName=names.closed_tasks_table, Key={"task_id": gone["task_id"]})

    scheduler = installation.scheduler()
    events = installation.deployment.dynamodb.meta.events
    events.register("before-call.dynamodb.BatchGetItem", delete)
    try:
        with pytest.raises(JobRecordDamaged, match="number 2 of them has no row in sosw_closed_tasks"):
            repair(scheduler, job_id)
    finally:
        events.unregister("before-call.dynamodb.BatchGetItem", delete)
    assert (installation.payloads(), installation.aws.queue_files()) == ([], {})


def test_two_repairs_at_once(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """One plans it, the other one continues that plan, even if it has seen another failure."""
    job_id = installation.scheduler().schedule(request_for(TEN)).header.job_id
    close(installation.aws, job_id, [4], completed=False)
    blocks = RepairRequest.blocks

    def blocks_after_another_has_planned(request: RepairRequest, codec: Any) -> Any:
        monkeypatch.setattr(RepairRequest, "blocks", blocks)
        close(installation.aws, job_id, [5], completed=False)
        repair(installation.other_copy(), job_id, unfinished="leave")
        return blocks(request, codec)

    monkeypatch.setattr(RepairRequest, "blocks", blocks_after_another_has_planned)
    repaired = repair(installation.scheduler(), job_id, unfinished="leave")

    assert (sections(installation)[-2:], repaired.header.tasks) == (["s4", "s5"], 2)


def test_an_edited_job_is_no_conflict_for_its_repair(installation: Installation) -> None:
    """A repair takes the payloads that there were."""
    job_id = ended(installation, 4)
    with pytest.raises(JobConflict):
        installation.scheduler().schedule(request_for({**TEN, "edited": True}))

    repair(installation.scheduler(), job_id)

    assert sections(installation) == ["s4"]


def test_a_repair_on_a_small_table(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """1,100 failed tasks, 3 read units a second with a reserve of 900: about 70 s, and the log says how far it is."""
    job_id = "0123456789abcdef0123"
    rows = {
        task_id(job_id, index): {
            "task_id": {"S": task_id(job_id, index)},
            "labourer_id_task_status": {"S": f"{LABOURER}_0"},
            "closed_at": {"N": str(int(NOW))},
            "payload": {"S": f"{{'section': {index}}}"},
        }
        for index in range(1100)
    }
    header = replace(HEADER, job_id=job_id, tasks=1100, labourer_id=LABOURER).item()
    reader = ProgressReader(SmallTable(clock, rows, 3, header), TableNames(), job_id)
    request = RepairRequest(by(0), reader, date(2026, 3, 2), "fingerprint")
    begun = clock.now

    with caplog.at_level("INFO"):
        lines = [line for block in request.blocks(LineCodec(LABOURER)) for line in block.lines()]

    assert [json.loads(line)["section"] for line in lines] == list(range(1100))
    assert 66 <= clock.now - begun <= 95
    reports = [text for text in caplog.messages if text.startswith("Reading the failed tasks")]
    assert len(reports) >= 2
    assert re.search(r"of 1,100 tasks \(\d+\.\d %\), \d+ s left", reports[0])


def test_a_repair_reads_on_though_the_index_is_slow(installation: Installation, clock: Clock) -> None:
    """A poll that breaks off after some rows is continued, not begun again."""
    job_id = ended(installation, 1, 2)
    refused = iter(range(20))

    def refuse_the_first(operation: str) -> AWSResponse | None:
        if operation == "Query" and next(refused, None) is not None:
            return dynamodb_error("ProvisionedThroughputExceededException")
        return None

    with answering(*installation.clients, handler=refuse_the_first):
        repair(installation.scheduler(), job_id)

    assert sections(installation) == ["s1", "s2"]
