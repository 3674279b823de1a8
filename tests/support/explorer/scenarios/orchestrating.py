"""Queues that orchestrators process: two at once, beside late workers, a cancelling, a repair, upstream's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

from sosw_airflow.orchestration import assistant
from sosw_airflow.orchestration.job_changes import change_job
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.turn import Clients, LabourerOrchestration
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.repair import repair
from sosw_airflow.stores.job_places import MovedJobs, Place
from sosw_airflow.stores.tables import TableNames
from tests.support.deterministic_aws.clients import clients
from tests.support.deterministic_aws.lambda_events import Function, FunctionFailed, run_events
from tests.support.explorer.engine import Violation
from tests.support.explorer.scenario import LABOURER, Cast, Role, Scenario, request_for
from tests.support.explorer.sosw import close_failed, orchestrate, report_completed, scavenge

if TYPE_CHECKING:
    from typing_extensions import Self

    from tests.support.deterministic_aws.aws import DeterministicAws

JOB = request_for("ab")
SECOND = request_for("cd", run_id="second")
EXPIRY, LIMIT = 600, 2

#: Never starts a thread: actors do by themselves what they give to a pool.
_POOL = ThreadPoolExecutor(1)


class Orchestrating(Scenario):
    """Two queued tasks of one labourer, an orchestrator, and workers that report to the assistant."""

    settings = {}
    fates = frozenset({"dies", "lost"})
    deviations = 2
    limit = LIMIT
    cancels = False  # an actor removes queued tasks
    policy: ClassVar[Mapping[str, Any]] = {"expiry": EXPIRY}  # of the labourer, beside its limit

    def prepare(self) -> None:
        self.promise("job", JOB)
        self.scheduler().schedule(JOB)

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        yield Role("orchestrator", lambda: self.orchestrate("two"))
        yield Role("workers report", self.report, disturbed=False)

    def orchestration(self, owner: str) -> LabourerOrchestration:
        """A fresh orchestrator, as a new process would have it."""
        ours = clients()
        limits = {"max_simultaneous_invocations": self.limit, "max_attempts": 9, "retry_delay": 1}
        return LabourerOrchestration(
            LabourerPolicy.of(LABOURER, {**limits, **self.policy}),
            Clients(ours.dynamodb, ours.dynamodb_once, ours.aws_lambda, ours.aws_lambda_once),
            TableNames(),
            owner,
            _POOL,
            clock=self.aws.now,
            monotonic=self.aws.now,
        )

    def orchestrate(self, owner: str, turns: int = 2) -> None:
        """Some turns, and an orderly end."""
        orchestration = self.orchestration(owner)
        for _ in range(turns):
            orchestration.turn()
        orchestration.release()

    def report(self) -> None:
        """Each worker that was invoked reports its completion, twice: Lambda may deliver a report again."""
        for invocation in [each for each in self.aws.invocations if each.function == LABOURER]:
            envelope = {"requestContext": {"condition": "Success"}, "requestPayload": invocation.payload}
            for _ in range(2):
                self.mark(envelope)

    def mark(self, envelope: dict[str, Any]) -> bool:
        """What the assistant does with a report."""
        report = assistant.report_of(envelope)
        assert report is not None
        tables = {"tasks_table": "sosw_tasks", "retry_tasks_table": "sosw_retry_tasks"}
        return assistant.mark(clients().dynamodb, report, now=int(self.aws.clock), **tables)

    def afterwards(self) -> None:
        """A third orchestrator works until the queue is empty; who has died loses the lease."""
        last = self.orchestration("last")
        for _ in range(40):
            self.report()
            if last.turn().idle:
                break
            self.aws.clock += 120

    def violations(self) -> Iterator[Violation]:
        yield from super().violations()
        yield from self._ends()
        yield from self._invocations()
        yield from self._most_running()

    def _ends(self) -> Iterator[Violation]:
        left = self.aws.rows("sosw_tasks") + self.aws.rows("sosw_retry_tasks")
        ghosts = [row for row in left if "labourer_id" not in row]
        if ghosts:
            yield Violation("ghost", f"{len(ghosts)} items are no tasks, such as {ghosts[0]}")
        if len(left) > len(ghosts):
            yield Violation("left", f"{len(left) - len(ghosts)} tasks are not over in the end")
        closed = Counter(
            change.after["task_id"]["S"]
            for change in self.aws.journal
            if change.place == "sosw_closed_tasks" and change.before is None
        )
        came = {change.key[0][1] for change in self.aws.journal if change.place == "sosw_tasks" and change.after}
        for task in came:
            is_left = any(row["task_id"]["S"] == task for row in left)
            if not (closed[task] or is_left or self.cancels or "JobCancelled" in self.accepted):
                yield Violation("lost", f"the task {task} is in no table")
            if closed[task] > 1:
                yield Violation("closed-twice", f"the task {task} was closed {closed[task]} times")

    def _invocations(self) -> Iterator[Violation]:
        latest: dict[str, float] = {}
        for invocation in self.aws.invocations:
            if invocation.function != LABOURER:
                continue
            task = invocation.payload["task_id"]
            if task in latest and invocation.at - latest[task] < EXPIRY:
                seconds = invocation.at - latest[task]
                yield Violation("invoked-twice", f"the task {task} was invoked again after {seconds:.0f} s")
            latest[task] = invocation.at

    def _most_running(self) -> Iterator[Violation]:
        running: set[Any] = set()
        for change in self.aws.journal:
            if change.place != "sosw_tasks":
                continue
            claimed = change.after is not None and "queued_as" in change.after and "completed_at" not in change.after
            (running.add if claimed else running.discard)(change.key)
            if len(running) > self.limit + 1:  # the one thread of a holder that was paused
                yield Violation("limit", f"{len(running)} tasks run, {self.limit} may")
                return


class OrchestrateTwice(Orchestrating):
    """Two orchestrators of one labourer, which may die or lose an answer, and workers that report twice."""

    name = "orchestrate-twice"


class OrchestrateLateReports(Orchestrating):
    """A holder is paused for an hour, so its tasks expire and are retried; the workers report late."""

    name = "orchestrate-late-reports"
    fates = frozenset({"sleeps"})
    limit = 1

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        yield Role("workers report", self.report, disturbed=False)
        yield Role("orchestrator", self._later)

    def _later(self) -> None:
        self.aws.clock += 2 * EXPIRY
        self.orchestrate("two", turns=3)


class OrchestrateAndCancel(Orchestrating):
    """The job is cancelled while its tasks are claimed and invoked."""

    name = "orchestrate-and-cancel"
    fates = frozenset({"dies"})
    cancels = True

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        yield Role("cancel job", self._cancel)
        yield Role("workers report", self.report, disturbed=False)

    def _cancel(self) -> Any:
        return cancel_job(self.deployment(), JOB.identity.job_id)

    def afterwards(self) -> None:
        self.attempt("cancel job", self._cancel)
        super().afterwards()


class OrchestrateRefusedAndCancel(OrchestrateAndCancel):
    """Lambda refuses an invocation, and its claim is given back just after the cancelling has passed the row."""

    name = "orchestrate-refused-and-cancel"
    fates = frozenset({"refused", "lags"})

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        yield Role("cancel job", self._cancel)


class OrchestrateAndRepair(Orchestrating):
    """Failed tasks are scheduled again while an orchestrator works."""

    name = "orchestrate-and-repair"
    fates = frozenset({"dies"})

    def prepare(self) -> None:
        self.scheduler().schedule(JOB)
        last = self.orchestration("before")
        last.turn()
        row = self.aws.rows("sosw_tasks")[0]
        close_failed(self.deployment(), {row["task_id"]["S"]: row["payload"]["S"]})
        self.aws.invocations.clear()

    def cast(self) -> Cast:
        yield Role("repair", self._repair)
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        yield Role("workers report", self.report, disturbed=False)

    def _repair(self) -> Any:
        return repair(self.scheduler(), JOB.identity.job_id, unfinished="leave")

    def afterwards(self) -> None:
        self.attempt("repair", self._repair)
        super().afterwards()


class OrchestrateAndMove(Orchestrating):
    """A second job is moved to the front, then to the back, while two orchestrators work and forget moved jobs."""

    name = "orchestrate-and-move"
    fates = frozenset({"dies"})

    def prepare(self) -> None:
        super().prepare()
        self.promise("second job", SECOND)
        self.scheduler().schedule(SECOND)

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        yield Role("orchestrator", lambda: self.orchestrate("two"))
        yield Role("move job", self._move, disturbed=False)
        yield Role("workers report", self.report, disturbed=False)

    def _move(self) -> None:
        dynamodb, job_id = clients().dynamodb, SECOND.identity.job_id
        change_job(dynamodb, "sosw_jobs", job_id, place="front", now=self.aws.clock)
        change_job(dynamodb, "sosw_jobs", job_id, place="back", now=self.aws.clock)


class MoveTwice(Orchestrating):
    """Two people move a job at once, one to the front, the other to the back."""

    name = "move-twice"
    fates = frozenset()  # who gets an error gives the command again

    def cast(self) -> Cast:
        yield Role("move job", lambda: self._move("front"))
        yield Role("move job", lambda: self._move("back"))

    def _move(self, place: Place) -> None:
        change_job(clients().dynamodb, "sosw_jobs", JOB.identity.job_id, place=place, now=self.aws.clock)

    def afterwards(self) -> None:
        """What orchestrators follow, and what people see: the lease, and the record of the job."""
        items = {each["record"]["S"]: each for each in self.aws.rows("sosw_jobs")}
        followed = MovedJobs.of_lease(items["lease"]).place(JOB.identity.job_id)
        self.facts["places"] = followed, items["header"].get("position", {"S": "planned"})["S"]
        super().afterwards()

    def violations(self) -> Iterator[Violation]:
        yield from super().violations()
        followed, seen = self.facts["places"]
        if followed != seen:
            yield Violation("untrue", f"the record of the job says {seen}, orchestrators follow {followed}")


class OrchestrateBesideUpstream(Orchestrating):
    """Upstream's Orchestrator invokes from the same queue."""

    name = "orchestrate-beside-upstream"
    fates = frozenset({"dies"})

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        upstream = lambda: orchestrate(self.deployment(), clients().aws_lambda_once)  # noqa: E731
        yield Role("sosw's Orchestrator", upstream, disturbed=False)
        yield Role("workers report", self.report, disturbed=False)


class OrchestrateBesideScavenger(Orchestrating):
    """Upstream's Scavenger closes, expires and retries, and its assistant marks; ours invokes only."""

    name = "orchestrate-beside-scavenger"
    fates = frozenset({"dies"})
    policy: ClassVar[Mapping[str, Any]] = {"expiry": EXPIRY, "scavenger": "upstream"}

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        yield Role("workers report", self.report, disturbed=False)
        yield Role("sosw's Scavenger", self._scavenge, disturbed=False)

    def report(self) -> None:
        """Each worker reports its completion once, to upstream's assistant."""
        for invocation in self.aws.invocations[self.facts.get("reported", 0) :]:
            self.facts["reported"] = self.facts.get("reported", 0) + 1
            report_completed(self.deployment(), invocation.payload["task_id"])

    def _scavenge(self) -> bool:
        return scavenge(self.deployment())

    def afterwards(self) -> None:
        """Upstream's cron and our orchestrator continue, two minutes apart."""
        last = self.orchestration("last")
        for _ in range(40):
            last.turn()
            self.report()
            self._scavenge()
            if not self.aws.rows("sosw_tasks") + self.aws.rows("sosw_retry_tasks"):
                break
            self.aws.clock += 120


class OrchestrateAndScavenger(OrchestrateBesideScavenger):
    """Both close tasks that are completed: upstream's Scavenger then fails on rows that ours has closed (E12)."""

    name = "orchestrate-and-scavenger"
    policy: ClassVar[Mapping[str, Any]] = {"expiry": EXPIRY}

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one", turns=1))
        yield Role("workers report", self.report, disturbed=False)
        yield Role("sosw's Scavenger", self._scavenge, disturbed=False)
        yield Role("orchestrator", lambda: self.orchestrate("two"))


class OrchestrateWithDestinations(Orchestrating):
    """Lambda runs the tasks, one of which fails at first, retries it once, and calls the assistant as destination."""

    name = "orchestrate-with-destinations"
    fates = frozenset({"repeated", "sleeps"})
    policy: ClassVar[Mapping[str, Any]] = {}  # what expires follows from the function
    always_fails = False

    def __init__(self, aws: DeterministicAws) -> None:
        super().__init__(aws)
        self._executions: Counter[str] = Counter()
        self._latest: list[tuple[str, int, float]] = []
        self.aws.functions = {
            LABOURER: Function(self._work, retries=1, event_age=120, on_success="assistant", on_failure="assistant"),
            "assistant": Function(self.mark, event_age=3600),
        }

    def prepare(self) -> None:
        super().prepare()
        self.facts["first"] = self.aws.rows("sosw_tasks")[0]["task_id"]["S"]

    def copy(self) -> Self:
        """Its functions are its own: what they do to one does not happen to the other."""
        copied = super().copy()
        copied._executions, copied._latest = Counter(self._executions), list(self._latest)
        return copied

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one", turns=3))
        yield Role("Lambda", self._run_events)
        yield Role("orchestrator", lambda: self.orchestrate("two", turns=3))

    def _invocations(self) -> Iterator[Violation]:
        """A failure that is reported ends its attempt before the expiry, so `violations` checks the executions."""
        yield from ()

    def _work(self, event: dict[str, Any]) -> dict[str, Any]:
        task = event["task_id"]
        self._executions[task] += 1
        self._latest.append((task, event["attempts"] + 1, self.aws.clock))
        if task == self.facts["first"] and (self.always_fails or self._executions[task] == 1):
            raise FunctionFailed("not yet")
        return {"done": task}

    def _run_events(self) -> int:
        return run_events(self.aws, clients().aws_lambda_once)

    def report(self) -> None:
        """Lambda does."""
        self._run_events()

    def violations(self) -> Iterator[Violation]:
        yield from super().violations()
        running: dict[str, int] = {}
        for task, attempt, _ in self._latest:
            # After a reported failure the next attempt begins at once, though Lambda may run the event a second time.
            if attempt < running.get(task, 0) and not self.always_fails:
                yield Violation("overtaken", f"attempt {attempt} of the task {task} is executed beside a later one")
            running[task] = max(attempt, running.get(task, 0))
        for row in self.aws.rows("sosw_closed_tasks"):
            task, status = row["task_id"]["S"], row["labourer_id_task_status"]["S"]
            fails = self.always_fails and task == self.facts["first"]
            ends_well = self._executions[task] > 0 and not fails  # what Lambda has dropped as too old never ran
            if status != f"{LABOURER}_{int(ends_well)}":
                yield Violation("wrong-end", f"the task {task} was closed as {status}")


class OrchestrateFailingTask(OrchestrateWithDestinations):
    """As before, but the task fails for ever: its attempts are used up, and it is closed as failed once."""

    name = "orchestrate-failing-task"
    policy: ClassVar[Mapping[str, Any]] = {"max_attempts": 2}
    always_fails = True


class OrchestrateOnSmallTables(OrchestrateWithDestinations):
    """The tables have so little capacity that requests are refused, and batches are done in part."""

    name = "orchestrate-on-small-tables"
    fates = frozenset({"dies"})

    def prepare(self) -> None:
        super().prepare()
        tables, capacity = self.aws.dynamodb.tables, self.aws.dynamodb.capacity
        for name, units in (("sosw_tasks", 4), ("sosw_retry_tasks", 4), ("sosw_closed_tasks", 1)):
            capacity.provision(tables[name], read=2, write=units)
