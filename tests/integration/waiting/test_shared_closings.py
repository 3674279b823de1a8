"""Jobs of one labourer that wait in one process share the reading of its closings."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import pytest

from sosw_airflow.exceptions import AwsFault
from sosw_airflow.jobs import closing_overlap
from sosw_airflow.jobs.identity import task_id
from sosw_airflow.stores.closed_tasks import ClosedEntry, ClosedTasks, End
from sosw_airflow.triggers import polling
from sosw_airflow.triggers.sosw import SoswJobTrigger
from sosw_airflow.waiting import progress
from sosw_airflow.waiting.closings import ClosingsReading
from sosw_airflow.waiting.poller import Status
from sosw_airflow.waiting.progress import ProgressReader
from sosw_airflow.waiting.shared_closings import Member, SharedClosings, SharedReadings
from tests.conftest import REGION
from tests.integration.conftest import NOW, Installation, request_for
from tests.support.closing import close
from tests.support.network_edge import answering, dynamodb_error

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

TEN = {"sections": [f"s{number}" for number in range(10)], "isolate_sections": True}


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class Waiting:
    """Jobs of one labourer, and their readers in one process."""

    def __init__(self, installation: Installation) -> None:
        self.aws, self.installation, self.clock = installation.aws, installation, Clock()
        self.dynamodb = installation.deployment.dynamodb
        self.readings = self.access()

    def access(self) -> SharedReadings:
        """What the jobs of one Connection share."""
        readings = SharedReadings(self.dynamodb, self.installation.deployment.tables)
        shared: list[SharedClosings] = []

        def of(labourer_id: str) -> SharedClosings:
            if not shared:
                shared.append(SharedClosings(ClosedTasks(readings.dynamodb, readings.tables, labourer_id), self.clock))
            return shared[0]

        readings.of = of  # type: ignore[method-assign]
        return readings

    def reader(self, number: int, *, max_age: float = 54.0) -> ProgressReader:
        """The reader of a job that is in the queue."""
        job = self.installation.scheduler().schedule(request_for(TEN, task_id=f"task {number}")).header
        reader = ProgressReader(self.dynamodb, self.installation.deployment.tables, job.job_id)
        reader.sharing, reader.max_age = self.readings, max_age
        return reader

    def sent(self, work: Callable[[], Any]) -> Counter[str]:
        """The requests of some work."""
        with answering(*self.installation.clients, handler=lambda _: None) as sent:
            work()
        return Counter(sent)


def refuse_queries(operation: str) -> AWSResponse | None:
    """AWS allows none."""
    return dynamodb_error("AccessDeniedException") if operation == "Query" else None


@pytest.fixture
def waiting(installation: Installation) -> Waiting:
    """Nobody waits yet."""
    return Waiting(installation)


def test_one_reading_for_all_jobs(waiting: Waiting) -> None:
    """A round of polls queries each end once; the records are the jobs' own."""
    readers = [waiting.reader(number) for number in range(6)]
    for reader in readers:
        reader.read()
    for number, reader in enumerate(readers):
        close(waiting.aws, reader.job_id, range(number))
    waiting.clock.now += 60

    sent = waiting.sent(lambda: [reader.read() for reader in readers])

    assert sent == {"Query": 2, "GetItem": 6}
    assert [reader.counted().completed for reader in readers] == list(range(6))


def test_a_job_reads_again_alone_what_haste_has_missed(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as it has found one that was missed, from where it had caught up. The others go on reading together."""
    monkeypatch.setattr(closing_overlap, "_CLOSINGS", 1)
    monkeypatch.setattr(progress, "_ASKED", 1)
    job, other = waiting.reader(0), waiting.reader(1)
    for step in range(8):
        close(waiting.aws, job.job_id, [step], at=NOW + 60 * step)
        waiting.clock.now += 60
        other.read()
        job.read()
    close(waiting.aws, job.job_id, [8, 9], at=NOW + 300)  # at 420

    completed = []
    for step in range(5):
        close(waiting.aws, other.job_id, [step], at=NOW + 540 + 60 * step)
        waiting.clock.now += 60
        other.read()
        with_queries = waiting.sent(lambda: completed.append(job.read().completed))
    completed.append(job.counted().completed)

    assert completed == [8, 8, 8, 9, 10, 10]
    assert with_queries == {"GetItem": 1, "Query": 2}
    assert other.counted().completed == 5


def test_jobs_that_wait_behind_another_do_not_read_its_closings_again(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long none of their own tasks is closed, and however hasty the reading of the others is."""
    monkeypatch.setattr(closing_overlap, "_CLOSINGS", 1)
    busy, *behind = [waiting.reader(number) for number in range(4)]
    queries = []
    for step in range(10):
        close(waiting.aws, busy.job_id, [step], at=NOW + 60 * step)
        waiting.clock.now += 60
        queries.append(waiting.sent(lambda: [reader.read() for reader in (busy, *behind)])["Query"])

    assert behind[0]._is_hasty()
    assert queries == [8, *[2] * 9]


def test_a_task_that_was_closed_since_the_others_have_read_was_not_missed(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow job that asks for its tasks finds it, and reads nothing again on that account."""
    monkeypatch.setattr(closing_overlap, "_CLOSINGS", 1)
    slow, busy = waiting.reader(0), waiting.reader(1)
    sent = []
    for step in range(12):
        close(waiting.aws, busy.job_id, [step % 10], at=NOW + 60 * step, keep=True)
        waiting.clock.now += 60
        busy.read()
        if step == 7:
            close(waiting.aws, slow.job_id, [0], at=NOW + 60 * step + 1)
        sent.append(waiting.sent(slow.read))

    assert [each["BatchGetItem"] > 0 for each in sent] == [*[False] * 7, True, *[False] * 4]
    assert slow.counted().completed == 1
    assert [each["Query"] for each in sent] == [2, *[0] * 11]


def pages(shared: SharedClosings, *closings: ClosedEntry | Callable[[], None]) -> None:
    """Let it find these closings, one a page, and call what is between them."""

    def since(end: End, *_: Any) -> Iterator[tuple[list[ClosedEntry], Any]]:
        for each in closings if end is End.COMPLETED else ():
            if isinstance(each, ClosedEntry):
                yield [each], {"task_id": {"S": each.task_id}}
            else:
                each()
        yield [], None

    shared._closed_tasks.since.side_effect = since  # type: ignore[attr-defined]


@pytest.fixture
def shared() -> SharedClosings:
    """A shared reading that has begun, one second ago."""
    made = SharedClosings(create_autospec(ClosedTasks, instance=True), Clock())
    made.continue_from(ClosingsReading(NOW))
    made._monotonic.now += 1  # type: ignore[attr-defined]
    return made


def test_who_joins_in_the_middle_of_a_reading_is_given_the_rest_of_it(shared: SharedClosings) -> None:
    """It may have caught up before that was closed, and the next reading of a busy labourer may not read it again."""
    first, second = (create_autospec(Member, instance=True, job_id=job) for job in ("a" * 20, "b" * 20))
    shared.join(first)
    late = ClosedEntry(task_id("b" * 20, 7), NOW + 1)
    pages(shared, ClosedEntry(task_id("a" * 20, 0), NOW), lambda: shared.join(second), late)

    shared.refresh(0)

    second.take.assert_called_once_with(late, End.COMPLETED)
    assert first.take.call_count == first.after_shared_reading.call_count == second.after_shared_reading.call_count == 1


@pytest.mark.parametrize(("news_at", "readings"), [(0.5, 1), (2, 2), (12, 2)])
def test_a_reading_that_began_before_the_news_is_not_new_enough(
    shared: SharedClosings, news_at: float, readings: int
) -> None:
    """Although it ended after them: it may have read one end before. This one lasts from 1 to 11."""

    def wait() -> None:
        shared._monotonic.now += 10  # type: ignore[attr-defined]

    pages(shared, wait)
    shared.refresh(0)

    shared.refresh(54, news_at)

    assert shared._closed_tasks.since.call_count == len(End) * readings  # type: ignore[attr-defined]


def test_a_job_that_comes_later_catches_up_alone(waiting: Waiting) -> None:
    """It reads what the others have read before, once, and then with them."""
    first, late = waiting.reader(0), waiting.reader(1)
    first.read()
    close(waiting.aws, late.job_id, range(3))
    waiting.clock.now += 60
    first.read()

    assert late.read().completed == 3
    close(waiting.aws, late.job_id, range(3, 5), completed=False)
    waiting.clock.now += 60
    first.read()
    sent = waiting.sent(late.read)

    assert sent == {"GetItem": 1}
    assert (late.counted().completed, late.counted().failed) == (3, 2)


def test_what_others_read_in_between_is_counted(waiting: Waiting) -> None:
    """A reader takes part before it catches up: nothing falls between."""
    first, late = waiting.reader(0), waiting.reader(1)
    first.read()

    with answering(*waiting.installation.clients, handler=refuse_queries), pytest.raises(AwsFault):
        late.read()
    close(waiting.aws, late.job_id, range(4))
    waiting.clock.now += 60
    first.read()

    assert late.counted().completed == 4
    assert late.read().completed == 4


def test_an_error_reaches_every_job(waiting: Waiting) -> None:
    """Those that poll in the same interval get it without a request; the next interval tries again."""
    readers = [waiting.reader(number) for number in range(3)]
    for reader in readers:
        reader.read()
    waiting.clock.now += 60

    with answering(*waiting.installation.clients, handler=refuse_queries) as sent:
        for reader in readers:
            with pytest.raises(AwsFault):
                reader.read()
    assert Counter(sent) == {"Query": 1, "GetItem": 3}

    waiting.clock.now += 60
    assert [reader.read().closed for reader in readers] == [0, 0, 0]


def test_a_job_that_ends_leaves_the_others_alone(waiting: Waiting) -> None:
    """Whoever polls next reads; the one that left is given nothing."""
    ends, stays = waiting.reader(0), waiting.reader(1)
    for reader in (ends, stays):
        reader.read()
    ends.leave()
    for reader in (ends, stays):
        close(waiting.aws, reader.job_id, range(5))
    waiting.clock.now += 60

    assert stays.read().completed == 5
    assert ends.counted().completed == 0
    assert ends.read().completed == 5  # alone, from where it was


def test_a_connection_that_was_edited(waiting: Waiting) -> None:
    """Each job continues with the new client from where the shared reading was."""
    first, second = waiting.reader(0), waiting.reader(1)
    for reader in (first, second):
        reader.read()
    close(waiting.aws, first.job_id, range(2))
    waiting.clock.now += 60
    second.read()
    former, waiting.readings = waiting.readings, waiting.access()
    close(waiting.aws, first.job_id, range(2, 6))
    for reader in (first, second):
        reader.sharing = waiting.readings
    waiting.clock.now += 60

    assert first.read().completed == 6
    assert second.read().completed == 0
    assert former.of("").reached() is not None


def test_every_closing_counts_once_in_many_threads(waiting: Waiting) -> None:
    """Readers that poll at once, each of which reads every time."""
    readers = [waiting.reader(number, max_age=0.0) for number in range(4)]
    for reader in readers:
        reader.read()
    with ThreadPoolExecutor(4) as threads:
        for index in range(5):
            for reader in readers:
                close(waiting.aws, reader.job_id, [index], completed=index % 3 > 0)
            list(threads.map(ProgressReader.read, readers))

    assert {(reader.counted().completed, reader.counted().failed) for reader in readers} == {(3, 2)}


def test_the_reading_goes_with_its_last_job(installation: Installation) -> None:
    """A triggerer lives for weeks."""
    readings = SharedReadings(installation.aws.dynamodb, installation.deployment.tables)
    shared = readings.of("worker")
    assert readings.of("worker") is shared
    del shared

    assert not readings._known


def test_it_is_one_reading_of_the_index(waiting: Waiting) -> None:
    """A closing at a boundary of two readings, or of two pages, is given to its job."""
    reader, other = waiting.reader(0), waiting.reader(1)
    for each in (reader, other):
        each.read()
    for index in range(10):
        close(waiting.aws, reader.job_id, [index], at=1_800_000_000 + 100 * index)
        waiting.clock.now += 60
        other.read()
        assert len(list(reader.ended(End.COMPLETED))) == index + 1


# -- in a triggerer ----------------------------------------------------------------------------------------------------


@pytest.fixture
def triggerer(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has just started, with two Connections to the same tables."""
    extra = {"queue_bucket": installation.aws.bucket, "region_name": REGION, "aws_conn_id": ""}
    for name in ("SOSW_DEFAULT", "SOSW_OTHER"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "sosw", "extra": extra}))
    monkeypatch.setattr(polling, "_known", {})
    monkeypatch.setattr("sosw_airflow.triggers.sosw._SPREAD", 0.0)


def test_jobs_of_different_connections_never_share(triggerer: None) -> None:
    """Their credentials differ."""

    async def accesses() -> list[Any]:
        return [await polling._access_of(each) for each in ("sosw_default", "sosw_other", "sosw_default")]

    first, other, again = asyncio.run(accesses())

    assert first.readings is again.readings
    assert first.readings is not other.readings
    assert other.readings.dynamodb is other.dynamodb


def test_the_poll_of_one_job_ends_the_wait_of_another(waiting: Waiting, triggerer: None) -> None:
    """Long before its own next poll. One that is cancelled meanwhile holds up neither."""
    slow, quick, cancelled = (waiting.reader(number).job_id for number in range(3))

    async def event_of(job_id: str, poll_interval: float) -> Any:
        trigger = SoswJobTrigger(job_id=job_id, poll_interval=poll_interval)
        (event,) = [event.payload async for event in trigger.run()]
        return event

    async def run() -> list[Any]:
        waits = [asyncio.create_task(event_of(slow, 600.0)), asyncio.create_task(event_of(cancelled, 0.2))]
        await asyncio.sleep(1.0)
        waits[1].cancel()
        close(waiting.aws, slow, range(10))
        close(waiting.aws, quick, range(9))
        waits.append(asyncio.create_task(event_of(quick, 0.2)))
        await asyncio.sleep(1.0)
        close(waiting.aws, quick, [9], completed=False)
        return await asyncio.gather(*waits, return_exceptions=True)

    begun = time.monotonic()
    slow_event, cancelled_event, quick_event = asyncio.run(run())

    assert time.monotonic() - begun < 60
    assert isinstance(cancelled_event, asyncio.CancelledError)
    assert (slow_event["status"], slow_event["completed"]) == (Status.OVER.value, 10)
    assert (quick_event["completed"], quick_event["failed"]) == (9, 1)
