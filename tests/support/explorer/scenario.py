"""What scenarios are made of: an installation of sosw, attempts with their outcomes, and what was promised."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from unittest.mock import patch

from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.identity import JobIdentity
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.scheduling.cancel import cancel_job
from sosw_airflow.scheduling.drain import DrainRequest, LeftFile, drain
from sosw_airflow.scheduling.requests import ScheduleRequest, SourcedRequest
from sosw_airflow.scheduling.scheduler import JobScheduler, ScheduleResult
from sosw_airflow.stores.deployment import Deployment
from sosw_airflow.stores.tables import TableNames, table_definitions
from tests.support.deterministic_aws.aws import DeterministicAws
from tests.support.deterministic_aws.clients import clients
from tests.support.explorer.actors import Actor, Died, current_actor
from tests.support.explorer.clean_up import TWO_DAYS, carry_out, examine, things_left
from tests.support.explorer.engine import Ending, Violation, alone_with
from tests.support.explorer.invariants import Attempt, Promise, broken_promises
from tests.support.explorer.remedies import clears, endings_by_remedies
from tests.support.explorer.search import Found

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "BUCKET",
    "LABOURER",
    "PREFIX",
    "SCENARIOS",
    "Cast",
    "Role",
    "Scenario",
    "request_for",
    "sourced_request_for",
]

BUCKET, PREFIX, LABOURER = "queue", "sosw/scheduler", "worker"

#: All scenarios by their names.
SCENARIOS: dict[str, type[Scenario]] = {}

_WORDS = ("a", "b", "c", "d")

#: After so many examinations doctor gives no command any more.
_EXAMINATIONS = 5


def request_for(words: Iterable[str] = _WORDS, **identity: Any) -> ScheduleRequest:
    """A job with one task for each word; `identity` replaces parts of who it is."""
    if clears():
        identity["generation"] = identity.get("generation", 0) + clears()
    return _request_for(tuple(words), tuple(identity.items()))


@lru_cache(maxsize=64)
def _request_for(words: tuple[str, ...], identity: tuple[tuple[str, Any], ...]) -> ScheduleRequest:
    who = {
        "dag_id": "dag",
        "run_id": "scheduled__2026-03-02",
        "task_id": "schedule",
        "map_index": -1,
        "generation": 0,
        "labourer_id": LABOURER,
        **dict(identity),
    }
    job = {"words": list(words), "isolate_words": True}
    today = date(2026, 3, 2)
    expansion = Expansion(job, schema={"chunkable_attrs": ["word"]}, reference_date=today)
    return ScheduleRequest(JobIdentity(**who), expansion, today)


def sourced_request_for(words: Iterable[str]) -> SourcedRequest:
    """The same job with its words in a source, which gives these."""
    plain = request_for(words)

    @contextmanager
    def read() -> Iterator[tuple[Expansion, str]]:
        yield plain.expansion, "[]"

    job = {**plain.expansion.job, "words": {"$source": {"sql": "SELECT word FROM words"}}}
    return SourcedRequest(plain.identity, job, plain.expansion.schema, read, plain.reference_date)


class Role(NamedTuple):
    """What an actor does.

    :ivar disturbed: its requests may have fates; not so those of sosw and of people, who promise nothing.
    """

    name: str
    act: Callable[[], Any]
    disturbed: bool = True


Cast = Iterator[Role]


class Scenario:
    """Actors on an installation, and what must hold in the end. Subclasses are registered by their `name`.

    A scenario is made for each run; `prepare` runs once, the others begin with a copy of what it has left.

    :cvar rows: which known defect each kind of violation shows; for the report of a search.
    :cvar fates: that requests may have beside being done.
    :cvar deviations: with which the defects are found.
    :cvar accepted: names of errors that may be the outcome of the last attempt.
    :cvar people_remove: an actor removes objects, so AWS may say that they are missing.
    :cvar continues: what happens afterwards may also happen to a copy of it, after a clean-up.
    :cvar settings: values that replace those of modules, by their dotted names.
    :ivar promises: what was promised.  :ivar attempts: all that were made, in the order of their ends.
    """

    name: ClassVar[str] = ""
    rows: ClassVar[Mapping[str, str]] = {}
    fates: ClassVar[frozenset[str]] = frozenset()
    deviations: ClassVar[int] = 2
    accepted: frozenset[str] = frozenset()
    people_remove: ClassVar[bool] = False
    continues: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, object]] = {"sosw_airflow.scheduling.scheduler.MAX_PAGE_ROWS": 2}

    _prepared: ClassVar[dict[str, Scenario]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.name:
            SCENARIOS[cls.name] = cls

    def __init__(self, aws: DeterministicAws) -> None:
        self.aws = aws
        self.promises: list[Promise] = []
        self.attempts: list[Attempt] = []
        self.facts: dict[str, Any] = {}
        self._processes: Counter[str] = Counter()

    # -- what a scenario says ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """What has happened before."""

    def cast(self) -> Cast:
        """The actors, in their plain order."""
        raise NotImplementedError

    def afterwards(self) -> None:
        """What happens when all have ended."""

    @classmethod
    def all_rows_found(cls, found: Found) -> bool:
        """Each known defect that this scenario shows was found; False where it shows none."""
        return bool(cls.rows) and {cls.rows.get(kind) for kind in found.failures} >= set(cls.rows.values())

    # -- what the engine needs -----------------------------------------------------------------------------------------

    @classmethod
    def begin(cls) -> Scenario:
        """A scenario in its beginning."""
        if cls.name not in cls._prepared:
            first = cls(_empty_aws())
            with first.surroundings(), alone_with(first.aws):
                first.prepare()
            cls._prepared[cls.name] = first
        return cls._prepared[cls.name].copy()

    def copy(self) -> Self:
        """Another one in the same state; what happens to one does not happen to the other."""
        copied = type(self)(self.aws.copy())
        copied.promises, copied.attempts = list(self.promises), list(self.attempts)
        copied.facts, copied._processes = dict(self.facts), Counter(self._processes)
        return copied

    def endings(self) -> Iterator[tuple[str, Ending]]:
        """A clean-up, or the remedies of the actors' errors; or what happens anyway, and then a clean-up."""
        yield "clean-up", _CleanUpFirst(self.copy())
        if self.continues:
            yield from endings_by_remedies(self)
        yield "afterwards", _CleanUpLast(self)

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """The context in which it is run."""
        with ExitStack() as stack:
            for target, value in self.settings.items():
                stack.enter_context(patch(target, value))
            yield

    def actors(self) -> list[Actor]:
        """The actors, labelled with letters."""
        return [
            Actor(label, role.name, self._observed(label, role.name, role.act), disturbed=role.disturbed)
            for label, role in zip("ABCDEFGH", self.cast(), strict=False)
        ]

    def violations(self) -> Iterator[Violation]:
        """The promises that are broken in the end."""
        aws_fails = self.people_remove or not self.fates <= {"dies", "sleeps", "lags"}
        broken = broken_promises(self.aws.journal, self.promises, self.attempts, self.accepted, aws_fails=aws_fails)
        for kind, text in broken:
            yield Violation(kind, text)

    # -- what scenarios use --------------------------------------------------------------------------------------------

    def deployment(self, **changes: Any) -> Deployment:
        """The installation, with other names or limits where they are given."""
        ours = clients()
        return replace(
            Deployment(
                dynamodb=ours.dynamodb,
                dynamodb_once=ours.dynamodb_once,
                s3=ours.s3,
                s3_once=ours.s3_once,
                tables=TableNames(),
                queue_bucket=BUCKET,
                s3_prefix=PREFIX,
                now=self.aws.now,
            ),
            **changes,
        )

    def scheduler(self, **changes: Any) -> JobScheduler:
        """A scheduler as a new process would have it, with a name that is the same in every run."""
        scheduler = JobScheduler(self.deployment(**changes))
        actor = current_actor()
        label = actor.label if actor else "-"
        self._processes[label] += 1
        scheduler.records.holder = f"{label}{self._processes[label]}"
        return scheduler

    def schedule_rows(self) -> ScheduleResult:
        """Write the job of `request_for` as rows."""
        return self.scheduler().schedule(request_for())

    def promise(self, name: str, *requests: ScheduleRequest, **more: Any) -> Promise:
        """Promise that each task of these requests comes into the queue once."""
        payloads = [
            json.loads(line)
            for line in "".join(block.text + "\n" for block in requests[0].blocks(LineCodec(LABOURER))).splitlines()
        ]
        for payload in payloads:
            payload.pop("labourer_id", None)
        ids = frozenset(request.identity.job_id for request in requests)
        promise = Promise(name, ids, tuple(json.dumps(each, sort_keys=True) for each in payloads), **more)
        self.promises.append(promise)
        return promise

    def attempt(self, name: str, call: Callable[[], Any]) -> Any:
        """Make an attempt in this thread; an error is its outcome, and None is returned."""
        try:
            return self.observed(name, call)
        except Exception:  # noqa: BLE001 - it is recorded
            return None

    def observed(self, name: str, call: Callable[[], Any]) -> Any:
        """Make an attempt in this thread.

        :raises Exception: its own, which is kept as its outcome.
        """
        return self._observed("-", name, call)()

    def clean_up(self) -> None:
        """Two days later, run each command that doctor gives, and so on until it gives none."""
        at = self.deployment()
        self.aws.clock += TWO_DAYS
        for _ in range(_EXAMINATIONS):
            commands = {finding.command for finding in examine(at) if finding.command}
            if not commands:
                return
            for command in sorted(commands):
                carry_out(at, command, cancel=self._cancel_left, drain=self._drain_left)

    def _cancel_left(self, job_id: str) -> None:
        """Cancel a job, as an attempt at each promise about it."""
        names = [promise.name for promise in self.promises if job_id in promise.job_ids]
        self.attempt(" ".join(["cancel", *names]), lambda: cancel_job(self.deployment(), job_id))

    def _drain_left(self, name: str) -> None:
        """Drain a file by a job of its own, of which nothing was promised."""
        file = LeftFile.of(self.deployment(), name)
        who = JobIdentity("cli", "clean-up", "drain", -1, 0, LABOURER, queue_file=str(file))
        drain(self.scheduler(), DrainRequest(who, file, date(2026, 3, 2)), take_locked=True)

    def _observed(self, label: str, name: str, call: Callable[[], Any]) -> Callable[[], Any]:
        def body() -> Any:
            begun = len(self.aws.journal)
            try:
                value = call()
            except Died:
                raise
            except Exception as error:
                self.attempts.append(Attempt(label, name, begun, len(self.aws.journal), error=error))
                raise
            self.attempts.append(Attempt(label, name, begun, len(self.aws.journal), value=value))
            return value

        return body


class _CleanUpFirst:
    """A clean-up comes before any retry, and then what happens anyway."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.aws = scenario, scenario.aws
        self._left: list[str] = []

    def afterwards(self) -> None:
        self.scenario.clean_up()
        self._left = list(things_left(self.aws))
        if self.scenario.continues:
            # What the clean-up has cancelled is over: the remedy of that error is another job.
            self.scenario.accepted |= {"JobCancelled"}
            self.scenario.afterwards()

    def violations(self) -> Iterator[Violation]:
        yield from (Violation("left-behind", f"after a clean-up {text}") for text in self._left)
        if self.scenario.continues:
            yield from self.scenario.violations()


class _CleanUpLast:
    """What happens, as the scenario says; then a clean-up."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.aws = scenario, scenario.aws
        self._broken: list[Violation] = []

    def afterwards(self) -> None:
        self.scenario.afterwards()
        self._broken = list(self.scenario.violations())
        self.scenario.clean_up()

    def violations(self) -> Iterator[Violation]:
        yield from self._broken
        yield from (Violation("left-behind", f"in the end {text}") for text in things_left(self.aws))


def _empty_aws() -> DeterministicAws:
    aws = DeterministicAws()
    for names in (TableNames(), TableNames(tasks_table="other_tasks"), TableNames(meta_table="sosw_tasks_meta")):
        for definition in table_definitions(names):
            if definition.name not in aws.dynamodb.tables:
                aws.dynamodb.call("CreateTable", definition.create_arguments())
    aws.s3.buckets[BUCKET] = {}
    return aws
