"""Which queued rows a turn claims if jobs have limits of their own, and how much it reads for that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sosw_airflow.jobs.identity import job_of, task_id
from sosw_airflow.orchestration.decisions import Step
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.queue_search import QueueSearch
from sosw_airflow.orchestration.task_rows import TaskRow, row_of
from sosw_airflow.stores.job_limits import JobLimit
from sosw_airflow.stores.job_places import MOST_MOVED, PLACES, MovedJobs, Place

POLICY = LabourerPolicy.of("worker", {})


def id_of(name: str) -> str:
    """The id of the job with this name of one letter."""
    return name * 20


@dataclass
class Queue:
    """A queue in memory, with its jobs. It counts what is read.

    :ivar places: greenfield of each task, by its id.
    """

    places: dict[str, int] = field(default_factory=dict)
    limits: dict[str, JobLimit] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    retrying: set[str] = field(default_factory=set)
    moved: MovedJobs = field(default_factory=lambda: MovedJobs({}))
    ticks: float = 0.0
    pages: int = 0
    rows: int = 0
    looked_up: int = 0

    def add(self, name: str, tasks: int, *, limit: int = 0, base: int = 0, step: int = 10) -> None:
        """Put a job into the queue."""
        places = [base + (index + 1) * step for index in range(tasks)]
        self.places |= {task_id(id_of(name), index): place for index, place in enumerate(places)}
        self.limits[id_of(name)] = JobLimit(limit, base, places[-1])

    def move(self, name: str, place: Place) -> None:
        """Move a job."""
        self.moved = self.moved.moved(id_of(name), place)

    def forget(self, labourer_id: str, item: Any, job_ids: list[str]) -> None:
        """As `JobPlaces.forget`."""
        assert (labourer_id, item) == ("worker", self.lease())
        for job_id in job_ids:
            self.moved = self.moved.moved(job_id, "planned")

    def lease(self) -> dict[str, dict[str, str]]:
        """The item of the lease."""
        return {"moved_jobs": {"S": self.moved.text()}} if self.moved.places else {}

    def may_retry(self, job_id: str) -> bool:
        """As `LabourerRows.may_retry`."""
        return job_id in self.retrying

    def head(self, *, now: int, rows: int, start: int | None = None, end: int | None = None) -> Sequence[TaskRow]:
        """As `LabourerRows.head`."""
        if rows <= 0:
            return []
        first, last = start if start is not None else 0, end if end is not None else now
        found = sorted((place, task) for task, place in self.places.items() if first <= place <= last)[:rows]
        self.pages += 1
        self.rows += len(found)
        return [row_at(task, place) for place, task in found]

    def read(self, job_id: str) -> JobLimit:
        """As `JobLimits.read`."""
        self.looked_up += 1
        return self.limits.get(job_id, JobLimit())

    def search(self) -> QueueSearch:
        """A search of this queue."""
        rows: Any = self
        return QueueSearch(rows, POLICY, rows, rows, lambda act, each_of: map(act, list(each_of)), lambda: self.ticks)

    def turn(self, search: QueueSearch, limit: int) -> list[str]:
        """One turn: the ids of the tasks that are claimed."""
        free = max(0, limit - len(self.running))
        decisions, _ = search.find(now=10**9, free=free, own_claims=(), running_ids=self.running, lease=self.lease())
        claimed = [each.row.task_id for each in decisions if each.step is Step.CLAIM]
        assert len(claimed) == len(set(claimed)) <= free
        for task in claimed:
            del self.places[task]
        self.running.update(claimed)
        counts = Counter(map(job_of, self.running))
        for job_id, found in self.limits.items():
            assert not found.max_running or counts[job_id] <= found.max_running
        self.ticks += 1
        return claimed


def row_at(task: str, place: int) -> TaskRow:
    """A queued row."""
    return row_of(
        {
            "task_id": {"S": task},
            "labourer_id": {"S": "worker"},
            "payload": {"S": "{}"},
            "created_at": {"N": "1"},
            "greenfield": {"N": str(place)},
            "attempts": {"N": "0"},
        }
    )


def names(claimed: list[str]) -> Counter[str]:
    """How many tasks of each job."""
    return Counter(task[0] for task in claimed)


def test_other_jobs_pass_one_that_has_reached_its_limit() -> None:
    """In one turn, though the limited job stands first with more tasks than a turn reads."""
    queue = Queue()
    queue.add("a", 50_000, limit=3)
    queue.add("b", 20, base=1_000_000)
    assert names(queue.turn(queue.search(), 10)) == {"a": 3, "b": 7}
    assert queue.rows < 150


def test_several_limited_jobs_one_behind_the_other_are_passed() -> None:
    """A turn passes some; the next ones know them and pass the others."""
    queue = Queue()
    for number, name in enumerate("abcdef0"):
        queue.add(name, 5_000, limit=1, base=number * 50_000)
    queue.add("9", 20, base=10**6)
    search = queue.search()
    found = [names(queue.turn(search, 10)) for _ in range(3)]
    assert sum(found, Counter()) == {**dict.fromkeys("abcdef0", 1), "9": 3}
    queue.pages = 0
    queue.running -= {task for task in queue.running if task.startswith("9")}
    assert names(queue.turn(search, 10)) == {"9": 3}
    assert queue.pages <= 5


def test_rows_between_those_of_a_limited_job_are_found_page_by_page() -> None:
    """Two jobs that were planned at once stand on the same places: the second one is not passed over for ever."""
    queue = Queue()
    queue.add("a", 2_000, limit=1)
    queue.add("b", 3, base=12_345)
    search = queue.search()
    found = [names(queue.turn(search, 10)) for _ in range(2_000 // 100 + 2)]
    assert sum(found, Counter()) == {"a": 1, "b": 3}


def test_without_limits_only_the_head_is_read() -> None:
    """One page a turn; a job is looked up every ten seconds at most."""
    queue = Queue()
    queue.add("a", 1_000)
    search = queue.search()
    for _ in range(9):
        queue.turn(search, 100)
        queue.running.clear()
    assert (queue.pages, queue.looked_up) == (9, 1)


def test_without_a_free_place_nothing_is_read() -> None:
    """The index and the job records alike."""
    queue = Queue()
    queue.add("a", 10, limit=2)
    queue.turn(queue.search(), 0)
    assert (queue.pages, queue.looked_up) == (0, 0)


def test_a_changed_limit_is_seen_within_ten_seconds() -> None:
    """Raised and removed; one that is lower than what runs lets nothing pass until tasks have ended."""
    queue = Queue()
    queue.add("a", 50, limit=2)
    search = queue.search()
    assert len(queue.turn(search, 10)) == 2
    queue.limits[id_of("a")] = JobLimit(5, 0, 500)
    assert len(queue.turn(search, 10)) == 0
    queue.ticks += 10
    assert len(queue.turn(search, 10)) == 3
    queue.limits[id_of("a")] = JobLimit()
    queue.ticks += 11
    assert len(queue.turn(search, 10)) == 5


def test_tasks_of_upstreams_scheduler_are_not_looked_up() -> None:
    """Their ids have no record; a request each would cost as much as their invocation."""
    queue = Queue(places={f"{number:08x}c0ffee11{'9' * 16}": number for number in range(20)})
    assert len(queue.turn(queue.search(), 10)) == 10
    assert queue.looked_up == 0


def test_jobs_at_the_front_come_first() -> None:
    """In the order of their moving, whatever stands before them; one page of rows each is read beside the head."""
    queue = Queue()
    for number, name in enumerate("abcd"):
        queue.add(name, 100, base=number * 1_000)
    queue.move("d", "front")
    queue.move("c", "front")
    search = queue.search()
    assert names(queue.turn(search, 60)) == {"d": 60}
    assert (queue.pages, queue.rows, queue.looked_up) == (2, 120, 2)
    queue.running.clear()
    assert names(queue.turn(search, 60)) == {"d": 40, "c": 20}
    queue.running.clear()
    queue.move("d", "planned")
    queue.move("c", "planned")
    assert names(queue.turn(search, 60)) == {"a": 60}


def test_the_retries_of_a_job_at_the_front_come_before_its_other_tasks() -> None:
    """They stand at the head of the queue, as those of other jobs, which wait."""
    queue = Queue()
    queue.add("a", 5, base=1_000)
    queue.add("b", 5, base=2_000)
    queue.places |= {task_id(id_of("a"), 7): 3, task_id(id_of("b"), 7): 4}
    queue.move("b", "front")
    assert queue.turn(queue.search(), 3) == [task_id(id_of("b"), index) for index in (7, 0, 1)]


def test_a_job_at_the_front_keeps_its_limit() -> None:
    """The other places are those of the jobs behind it."""
    queue = Queue()
    queue.add("a", 50)
    queue.add("b", 50, limit=3, base=1_000)
    queue.move("b", "front")
    search = queue.search()
    assert names(queue.turn(search, 10)) == {"b": 3, "a": 7}
    queue.pages = 0
    assert names(queue.turn(search, 11)) == {"a": 1}
    assert queue.pages == 1  # nothing of b may run, so its places are not read


def test_a_job_at_the_front_that_shares_its_places() -> None:
    """With one that was planned at the same moment: its tasks are found between the others."""
    queue = Queue()
    queue.add("a", 300)
    queue.add("b", 300)
    queue.move("b", "front")
    search, claimed = queue.search(), Counter[str]()
    for _ in range(40):
        queue.pages = 0
        claimed += names(queue.turn(search, 10))
        queue.running.clear()
        assert queue.pages <= 4
    assert claimed["b"] == 300


def test_jobs_at_the_back_come_last() -> None:
    """Others pass them, and they get what is left."""
    queue = Queue()
    queue.add("a", 2_000)
    queue.add("b", 12, base=10**6)
    queue.move("a", "back")
    search = queue.search()
    assert names(queue.turn(search, 10)) == {"b": 10}
    assert queue.rows < 150
    queue.running.clear()
    assert names(queue.turn(search, 10)) == {"b": 2, "a": 8}
    queue.running.clear()
    queue.add("c", 3, base=2 * 10**6)
    assert names(queue.turn(search, 10)) == {"c": 3, "a": 7}


def test_a_job_at_the_back_keeps_its_limit() -> None:
    """Though nothing else is queued."""
    queue = Queue()
    queue.add("a", 20, limit=2)
    queue.move("a", "back")
    assert names(queue.turn(queue.search(), 10)) == {"a": 2}


def test_without_a_free_place_no_moved_job_is_read() -> None:
    """As without any."""
    queue = Queue()
    queue.add("a", 10)
    queue.move("a", "front")
    queue.turn(queue.search(), 0)
    assert (queue.pages, queue.looked_up) == (0, 0)


def test_a_moved_job_that_is_over_is_forgotten() -> None:
    """Not while it is written, and not while a task of it is queued, runs, or waits for a retry."""
    queue = Queue()
    queue.add("a", 2)
    queue.limits[id_of("a")] = JobLimit(0, 0, 20, unfinished=True)
    queue.move("a", "back")
    search = queue.search()

    def turns(seconds: int = 100) -> bool:
        """Some turns; whether the job's place is kept."""
        for _ in range(seconds):
            queue.turn(search, 10)
        return bool(queue.moved.places)

    assert turns()
    queue.running.clear()
    assert turns()  # it is still written
    queue.limits[id_of("a")] = JobLimit(0, 0, 20)
    queue.retrying = {id_of("a")}
    assert turns()
    queue.retrying.clear()
    queue.pages = queue.looked_up = 0
    assert not turns()
    assert queue.looked_up == 1


def test_a_moved_job_without_a_record_is_forgotten_after_an_hour() -> None:
    """It may still be planned: a clear keeps the place of the job."""
    queue = Queue()
    queue.move("a", "front")
    search = queue.search()
    queue.turn(search, 1)
    queue.ticks += 3_000
    queue.turn(search, 1)
    assert queue.moved.places
    queue.ticks += 600
    queue.turn(search, 1)
    assert not queue.moved.places


def test_a_list_of_moved_jobs_that_is_something_else() -> None:
    """Another program has written it: what names no job is ignored, and so is what is too much."""
    text = "+" + "a" * 20 + "nonsense" + "-" + "b" * 20 + "+" + "c" * 19
    assert MovedJobs.of_lease({"moved_jobs": {"S": text}}).places == {id_of("a"): "front", id_of("b"): "back"}
    many = "".join(f"+{number:020x}" for number in range(10 * MOST_MOVED))
    assert len(MovedJobs.of_lease({"moved_jobs": {"S": many}}).places) == MOST_MOVED
    assert not MovedJobs.of_lease({"moved_jobs": {"N": "3"}}).places


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.integers(0, 4), st.integers(0, 600), st.sampled_from(PLACES)),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_every_task_is_claimed_once_and_no_limit_is_passed(
    jobs: list[tuple[int, int, int, Place]], limit: int, random: Any
) -> None:
    """Jobs of any size, limit and place, moved or not; the queue empties in a bounded number of turns."""
    queue = Queue()
    for name, (tasks, most, base, place) in zip("abcde", jobs, strict=False):
        queue.add(name, tasks, limit=most, base=base)
        queue.move(name, place)
    total = len(queue.places)
    search, claimed = queue.search(), []
    for _ in range(4 * total + 100):
        if not queue.places:
            break
        claimed += queue.turn(search, limit)
        most = len(queue.running)
        for task in random.sample(sorted(queue.running), k=random.randint(min(1, most), most)):
            queue.running.remove(task)
    assert len(set(claimed)) == len(claimed) == total
