"""Queues that orchestrators process: two at once, beside late workers, a cancelling, a repair, upstream's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sosw_airflow.orchestration import assistant
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.turn import Clients, LabourerOrchestration
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.repair import repair
from sosw_airflow.stores.tables import TableNames
from tests.support.deterministic_aws.clients import clients
from tests.support.explorer.engine import Violation
from tests.support.explorer.scenario import LABOURER, Cast, Role, Scenario, request_for
from tests.support.explorer.sosw import close_failed, orchestrate

JOB = request_for("ab")
EXPIRY, LIMIT = 600, 2

#: Never starts a thread: actors do by themselves what they give to a pool.
_POOL = ThreadPoolExecutor(1)


class Orchestrating(Scenario):
    """Two queued tasks of one labourer, an orchestrator, and workers that report to the assistant."""

    settings = {}
    fates = frozenset({"dies", "lost"})
    deviations = 2
    limit = LIMIT
    cancels = False  # it removes queued tasks

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
        settings = {"max_simultaneous_invocations": self.limit, "expiry": EXPIRY, "max_attempts": 9, "retry_delay": 1}
        return LabourerOrchestration(
            LabourerPolicy.of(LABOURER, settings),
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
        for invocation in list(self.aws.invocations):
            envelope = {"requestContext": {"condition": "Success"}, "requestPayload": invocation.payload}
            report = assistant.report_of(envelope)
            assert report is not None
            for _ in range(2):
                assistant.mark(
                    clients().dynamodb,
                    report,
                    now=int(self.aws.clock),
                    tasks_table="sosw_tasks",
                    retry_tasks_table="sosw_retry_tasks",
                )

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
            if not closed[task] and not any(row["task_id"]["S"] == task for row in left) and not self.cancels:
                yield Violation("lost", f"the task {task} is in no table")
            if closed[task] > 1:
                yield Violation("closed-twice", f"the task {task} was closed {closed[task]} times")

    def _invocations(self) -> Iterator[Violation]:
        latest: dict[str, float] = {}
        for invocation in self.aws.invocations:
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
    fates = frozenset({"refused"})

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


class OrchestrateBesideUpstream(Orchestrating):
    """Upstream's Orchestrator invokes from the same queue."""

    name = "orchestrate-beside-upstream"
    fates = frozenset({"dies"})

    def cast(self) -> Cast:
        yield Role("orchestrator", lambda: self.orchestrate("one"))
        upstream = lambda: orchestrate(self.deployment(), clients().aws_lambda_once)  # noqa: E731
        yield Role("sosw's Orchestrator", upstream, disturbed=False)
        yield Role("workers report", self.report, disturbed=False)
