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
    ticks: float = 0.0
    pages: int = 0
    rows: int = 0
    looked_up: int = 0

    def add(self, name: str, tasks: int, *, limit: int = 0, base: int = 0, step: int = 10) -> None:
        """Put a job into the queue."""
        places = [base + (index + 1) * step for index in range(tasks)]
        self.places |= {task_id(id_of(name), index): place for index, place in enumerate(places)}
        self.limits[id_of(name)] = JobLimit(limit, base, places[-1])

    def head(self, *, now: int, rows: int, start: int | None = None) -> Sequence[TaskRow]:
        """As `LabourerRows.head`."""
        if rows <= 0:
            return []
        found = sorted((place, task) for task, place in self.places.items() if start is None or place >= start)[:rows]
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
        return QueueSearch(rows, POLICY, rows, lambda act, each_of: map(act, list(each_of)), lambda: self.ticks)

    def turn(self, search: QueueSearch, limit: int) -> list[str]:
        """One turn: the ids of the tasks that are claimed."""
        free = max(0, limit - len(self.running))
        decisions, _ = search.find(now=10**9, free=free, own_claims=(), running_ids=self.running)
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


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 4), st.integers(0, 600)), min_size=1, max_size=5),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_every_task_is_claimed_once_and_no_limit_is_passed(
    jobs: list[tuple[int, int, int]], limit: int, random: Any
) -> None:
    """Jobs of any size, limit and place; the queue empties in a bounded number of turns."""
    queue = Queue()
    for name, (tasks, most, base) in zip("abcde", jobs, strict=False):
        queue.add(name, tasks, limit=most, base=base)
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
