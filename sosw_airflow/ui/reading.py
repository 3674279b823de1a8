"""What the pages show, read through a Connection: bounded, and shared by all viewers of this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import find_connection, get_variable
from sosw_airflow._compat.server import connections_of_type
from sosw_airflow.config.registry import LABOURERS_VARIABLE, Labourer, labourers_from
from sosw_airflow.exceptions import Fault, InvalidConfiguration, SoswError, UnknownJob
from sosw_airflow.hooks.sosw import SoswHook, default_max_invocations
from sosw_airflow.ui.cached_reads import CachedReads, Reading
from sosw_airflow.ui.job_costs import JobCosts, costs_so_far
from sosw_airflow.ui.payload_search import PayloadSearch, search_payloads
from sosw_airflow.ui.shown_tasks import ShownTask

if TYPE_CHECKING:
    from sosw_airflow.waiting.results import ResultReader

__all__ = ["LABOURER_ROWS", "PAGE_TASKS", "JobSight", "LabourerSight", "Overview", "SoswReadings", "TaskPage"]

#: Read units of one reading of all labourers. Those that were read longest ago come first; a busy one counts as older.
OVERVIEW_UNITS = 20.0
_BUSY = 3

#: Rows of each index for the page of one labourer: 60 read units for rows of 1 KB.
LABOURER_ROWS = 200

#: Jobs of a labourer's queue that are named.
_NAMED_JOBS = 20

#: Pages of 1,000 closings, 25 read units each, that one reading of a job takes; the next one continues.
_JOB_PAGES = 2

#: Failed tasks of a job whose causes are read: 100 read units for rows of up to 4 KB, and seconds between two readings.
_CAUSES_OF, _CAUSES_EVERY = 200, 60

#: Seconds for which the clients of a Connection are kept.
_CONNECTED_SECONDS = 60.0

#: Tasks of a page of a job's tasks: up to 75 read units for rows of up to 4 KB.
PAGE_TASKS = 25


@dataclass
class Overview:
    """All labourers, as far as they were seen.

    :ivar glances: by labourer; None for one that was not read yet.
    :ivar units: read units of the last reading.
    """

    glances: dict[str, Any] = field(default_factory=dict)
    units: float = 0.0


@dataclass(frozen=True)
class LabourerSight:
    """One labourer.

    :ivar jobs: of its queue's head: header (None if it has no record), id, tasks among the rows that were read.
    :ivar causes: of its newest failures in a week, and ``causes_at`` the time of their reading, on the monotonic clock.
    :ivar policy: None if its settings are faulty; ``problem`` says why.
    :ivar registered: in the Variable; else it is a Connection, or only its rows are known.
    """

    glance: Any
    jobs: list[tuple[Any, str, int]]
    policy: Any
    problem: str
    registered: bool
    settings: Mapping[str, Any]
    causes: Any = None
    causes_at: float = float("-inf")


@dataclass
class JobSight:
    """One job.

    :ivar reader: continues at the next reading.
    :ivar times: when its tasks were closed, as far as they are counted.
    :ivar causes: of its failures, and ``causes_at`` the time of their reading, on the monotonic clock.
    :ivar costs: so far; None if they cannot be estimated.
    """

    reader: Any
    header: Any = None
    progress: Any = None
    activity: Any = None
    activity_problem: str = ""
    times: Any = None
    causes: Any = None
    causes_at: float = float("-inf")
    costs: JobCosts | None = None


@dataclass(frozen=True)
class TaskPage:
    """Some tasks of a job.

    :ivar found: tasks of the job in this state, as far as they are counted.
    """

    results: list[ShownTask]
    found: int


class SoswReadings:
    """The readings of all Connections."""

    def __init__(self, cache: CachedReads | None = None) -> None:
        self.cache = cache or CachedReads()
        self._connected: dict[str, tuple[float, SoswHook, Any]] = {}

    def connections(self) -> Reading:
        """The ids of the Connections of type ``sosw``."""
        return self.cache.read(("connections",), lambda _: connections_of_type(SoswHook.conn_type))

    def overview(self, conn_id: str) -> Reading:
        """An `Overview`."""
        return self.cache.read(("overview", conn_id), lambda former: self._overview(conn_id, former))

    def labourer(self, conn_id: str, labourer_id: str) -> Reading:
        """A `LabourerSight`."""
        subject = ("labourer", conn_id, labourer_id)
        return self.cache.read(subject, lambda former: self._labourer(conn_id, labourer_id, former))

    def header(self, conn_id: str, job_id: str) -> Reading:
        """The header of a job, or None in it if there is none."""
        return self.cache.read(("header", conn_id, job_id), lambda _: self._header(conn_id, job_id))

    def family(self, conn_id: str, header: Any) -> Reading:
        """A job and its relatives."""
        subject = ("family", conn_id, header.job_id)
        return self.cache.read(subject, lambda _: self._family(conn_id, header), fresh=_CAUSES_EVERY)

    def job(self, conn_id: str, job_id: str) -> Reading:
        """A `JobSight`."""
        return self.cache.read(("job", conn_id, job_id), lambda former: self._job(conn_id, job_id, former))

    def tasks(self, conn_id: str, sight: JobSight, state: str, number: int) -> Reading:
        """A `TaskPage`.

        :param state: ``completed``, ``failed``, ``open``, or nothing for all.
        :param number: of the page, from 1.
        """
        subject = ("tasks", conn_id, sight.header.job_id, state, number)
        return self.cache.read(subject, lambda _: self._tasks(conn_id, sight, state, number))

    def tasks_of_cause(self, conn_id: str, sight: JobSight, cause: str, number: int) -> Reading:
        """A `TaskPage` of the failed tasks of one cause, among those whose causes were read.

        :param cause: its message.
        """
        subject = ("cause", conn_id, sight.header.job_id, cause, number)
        return self.cache.read(subject, lambda _: self._tasks_of_cause(conn_id, sight, cause, number))

    def search(self, conn_id: str, sight: JobSight, text: str, start: int) -> Reading:
        """A `PayloadSearch`.

        :param start: index of the task from which on payloads are searched.
        """
        subject = ("text", conn_id, sight.header.job_id, text, start)
        return self.cache.read(subject, lambda _: self._search(conn_id, sight, text, start))

    def task(self, conn_id: str, sight: JobSight, index: int) -> Reading:
        """A `TaskPage` with one task."""
        subject = ("task", conn_id, sight.header.job_id, index)
        return self.cache.read(subject, lambda _: self._these(conn_id, sight, [index], 1))

    def hook(self, conn_id: str) -> SoswHook:
        """The hook of a Connection.

        :raises SoswError: as `deployment`.
        """
        return self._connect(conn_id)[0]

    def deployment(self, conn_id: str) -> Any:
        """The deployment of a Connection.

        :raises SoswError: the Connection is faulty, or no credentials are found.
        """
        return self._connect(conn_id)[1]

    def _connect(self, conn_id: str) -> tuple[SoswHook, Any]:
        """The hook of a Connection and its deployment, made again after a minute: the Connection may have changed."""
        if conn_id in self._connected:
            made_at, hook, deployment = self._connected[conn_id]
            if time.monotonic() - made_at < _CONNECTED_SECONDS:
                return hook, deployment
        hook = SoswHook(sosw_conn_id=conn_id)
        connection = find_connection(conn_id)
        if connection is not None and connection.conn_type != hook.conn_type:
            # As if it did not exist: a viewer learns nothing of other Connections.
            problem = f"does not exist: create it with  {hook.creation_command}"
            raise InvalidConfiguration([Fault(f"Connection {conn_id}", problem)])
        deployment = hook.examined()
        self._connected[conn_id] = (time.monotonic(), hook, deployment)
        return hook, deployment

    # -- reads, in threads of the cache --------------------------------------------------------------------------------

    def _overview(self, conn_id: str, former: Overview | None) -> Overview:
        from sosw_airflow.orchestration.glance import glance_at

        deployment = self.deployment(conn_id)
        labourers = labourers_from(get_variable(LABOURERS_VARIABLE))
        known = former.glances if former else {}
        glances = {labourer_id: known.get(labourer_id) for labourer_id in sorted(labourers)}
        now, units = int(deployment.now()), 0.0

        def urgency(labourer_id: str) -> float:
            glance = glances[labourer_id]
            if glance is None:
                return float("-inf")
            busy = bool(glance.queued.number or glance.running.number)
            return float(-(now - glance.seen_at) * (_BUSY if busy else 1))

        for labourer_id in sorted(glances, key=urgency):
            if units >= OVERVIEW_UNITS:
                break
            glance = glance_at(deployment.dynamodb, deployment.tables, labourer_id, now=now)
            glances[labourer_id], units = glance, units + glance.units
        return Overview(glances, units)

    def _labourer(self, conn_id: str, labourer_id: str, former: LabourerSight | None) -> LabourerSight:
        from sosw_airflow.orchestration.glance import glance_at
        from sosw_airflow.orchestration.policy import LabourerPolicy
        from sosw_airflow.stores.job_record import JobRecords
        from sosw_airflow.waiting.failure_causes import read_newest_causes

        hook, deployment = self._connect(conn_id)
        registered = labourer_id in labourers_from(get_variable(LABOURERS_VARIABLE))
        policy, problem, settings = None, "", {}
        try:
            labourer: Labourer = hook.labourer(labourer_id)
            settings = dict(labourer.settings)
            policy = LabourerPolicy.of(labourer_id, settings, default_limit=default_max_invocations())
        except SoswError as error:
            problem = str(error)
        glance = glance_at(
            deployment.dynamodb, deployment.tables, labourer_id, now=int(deployment.now()), rows=LABOURER_ROWS
        )
        records = JobRecords(deployment.dynamodb, deployment.tables.jobs_table)
        jobs = []
        for job_id, tasks in glance.jobs[:_NAMED_JOBS]:
            try:
                header = records.header(job_id, consistent=False)
            except SoswError:  # its page says what is wrong with it
                header = None
            jobs.append((header, job_id, tasks))
        causes, causes_at = (former.causes, former.causes_at) if former else (None, float("-inf"))
        if glance.spans[-1].failed and time.monotonic() - causes_at > _CAUSES_EVERY:
            since = glance.seen_at - glance.spans[-1].seconds
            causes = read_newest_causes(deployment.dynamodb, deployment.tables, labourer_id, since=since)
            causes_at = time.monotonic()
        return LabourerSight(glance, jobs, policy, problem, registered, settings, causes, causes_at)

    def _header(self, conn_id: str, job_id: str) -> Any:
        from sosw_airflow.stores.job_record import JobRecords

        deployment = self.deployment(conn_id)
        return JobRecords(deployment.dynamodb, deployment.tables.jobs_table).header(job_id, consistent=False)

    def _family(self, conn_id: str, header: Any) -> list[Any]:
        from sosw_airflow.scheduling.job_family import read_family
        from sosw_airflow.stores.job_record import JobRecords

        deployment = self.deployment(conn_id)
        return read_family(JobRecords(deployment.dynamodb, deployment.tables.jobs_table), header)

    def _job(self, conn_id: str, job_id: str, former: JobSight | None) -> JobSight:
        from sosw_airflow.exceptions import AccessDenied
        from sosw_airflow.waiting.activity import read_activity
        from sosw_airflow.waiting.failure_causes import read_causes

        deployment = self.deployment(conn_id)
        sight = former or self._first_sight(deployment, job_id)
        progress = sight.reader.read(most_pages=_JOB_PAGES)
        header = sight.reader.header
        if header is None:
            raise UnknownJob(job_id, table=deployment.tables.jobs_table)
        activity, problem = None, ""
        if not progress.over:
            try:
                activity = read_activity(
                    deployment.dynamodb,
                    deployment.tables,
                    header.labourer_id,
                    job_id,
                    now=int(deployment.now()),
                    rows=LABOURER_ROWS,
                )
            except AccessDenied as denied:
                problem = str(denied)
        causes, causes_at = sight.causes, sight.causes_at
        # A job that is over is not read again: its last causes are of all its failures.
        is_short = causes is not None and progress.over and causes.failed < progress.failed
        if progress.failed and (causes is None or is_short or time.monotonic() - causes_at > _CAUSES_EVERY):
            causes, causes_at = read_causes(sight.reader, most=_CAUSES_OF), time.monotonic()
        return replace(
            sight,
            header=header,
            progress=progress,
            activity=activity,
            activity_problem=problem,
            causes=causes,
            causes_at=causes_at,
            costs=costs_so_far(header, progress, self._settings(conn_id, header.labourer_id)),
        )

    def _settings(self, conn_id: str, labourer_id: str) -> Mapping[str, Any]:
        """The settings of a labourer; empty if it is not registered, or its settings cannot be read."""
        try:
            return self.hook(conn_id).labourer(labourer_id).settings
        except SoswError:
            return {}

    @staticmethod
    def _first_sight(deployment: Any, job_id: str) -> JobSight:
        from sosw_airflow.stores.closed_tasks import End
        from sosw_airflow.waiting.closed_over_time import ClosedOverTime
        from sosw_airflow.waiting.progress import ProgressReader

        times = ClosedOverTime()
        reader = ProgressReader(
            deployment.dynamodb,
            deployment.tables,
            job_id,
            on_closed=lambda at, end: times.add(at, completed=end is End.COMPLETED),
        )
        return JobSight(reader, times=times)

    def _tasks(self, conn_id: str, sight: JobSight, state: str, number: int) -> TaskPage:
        from sosw_airflow.stores.closed_tasks import End

        reader, progress = sight.reader, sight.progress
        start = (number - 1) * PAGE_TASKS
        if not state:
            indexes: Iterable[int] = range(start, min(start + PAGE_TASKS, progress.total))
            return self._these(conn_id, sight, list(indexes), progress.total)
        ends = {"completed": End.COMPLETED, "failed": End.FAILED}
        indexes = reader.ended(ends[state]) if state in ends else reader.open_indexes()
        found = {"completed": progress.completed, "failed": progress.failed}.get(
            state, progress.total - progress.closed
        )
        return self._these(conn_id, sight, list(islice(indexes, start, start + PAGE_TASKS)), found)

    def _tasks_of_cause(self, conn_id: str, sight: JobSight, cause: str, number: int) -> TaskPage:
        from sosw_airflow.links.console import log_of_tasks
        from sosw_airflow.waiting.failure_causes import read_failed_of_cause

        log_of = log_of_tasks(self._connect(conn_id)[0], sight.header.labourer_id)
        results = read_failed_of_cause(sight.reader, cause, most=_CAUSES_OF)
        start = (number - 1) * PAGE_TASKS
        shown = [ShownTask.of(each, log_of(each)) for each in results[start : start + PAGE_TASKS]]
        return TaskPage(shown, len(results))

    def _search(self, conn_id: str, sight: JobSight, text: str, start: int) -> PayloadSearch:
        reader, log_of = self._results(conn_id, sight)
        return search_payloads(reader, text, start, sight.progress.total, log_of)

    def _results(self, conn_id: str, sight: JobSight) -> tuple[ResultReader, Callable[[Any], str]]:
        """What reads the job's tasks, and what gives the address of a task's log."""
        from sosw_airflow.links.console import log_of_tasks
        from sosw_airflow.waiting.results import ResultReader

        hook, deployment = self._connect(conn_id)
        reader = ResultReader(deployment.dynamodb, deployment.tables, sight.header, deployment.now)
        return reader, log_of_tasks(hook, sight.header.labourer_id)

    def _these(self, conn_id: str, sight: JobSight, indexes: list[int], found: int) -> TaskPage:
        reader, log_of = self._results(conn_id, sight)
        with closing(reader.read(indexes)) as results:
            return TaskPage([ShownTask.of(result, log_of(result)) for result in results], found)
