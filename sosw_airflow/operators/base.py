"""What the operators of this provider share: the wait for the workers, the kill, links, lineage."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sosw_airflow._compat import BaseOperator, default_deferrable
from sosw_airflow.links.sosw import LINKS

# Airflow imports this module whenever it parses a DAG file: what only `execute` needs is imported there.
if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from sosw_airflow._compat import Context
    from sosw_airflow.config.registry import Labourer
    from sosw_airflow.exceptions import Fault
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.operators.arguments import AirflowArguments
    from sosw_airflow.operators.cancellation import CancelOnKill
    from sosw_airflow.scheduling.scheduler import ScheduleResult
    from sosw_airflow.triggers.attempt import Attempt
    from sosw_airflow.waiting.poller import JobPoller, JobResult
    from sosw_airflow.waiting.tolerance import Tolerance

__all__ = ["SoswBaseOperator"]

Execution = TypeVar("Execution")


class SoswBaseOperator(BaseOperator):
    """Base of the operators that work on a job and can wait for its end. `SoswArguments` describes the arguments."""

    ui_color = "#e8f3ec"
    operator_extra_links = LINKS
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json", "job_schema": "json"}

    def __init__(
        self,
        *,
        sosw_conn_id: str = "sosw_default",
        queue_position: str = "back",
        max_running: int | None = None,
        wait_for_completion: bool = False,
        orchestrate: bool = False,
        deferrable: bool = default_deferrable(),
        poll_interval: float | timedelta = 60,
        timeout: float | timedelta | None = None,
        tolerated_failures: int | str = 0,
        fail_fast: bool = False,
        timeout_action: str = "fail",
        results: str | None = None,
        cancel_on_kill: bool = False,
        **kwargs: Unpack[AirflowArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.sosw_conn_id = sosw_conn_id
        self.queue_position = queue_position
        self.max_running = max_running
        self.wait_for_completion = wait_for_completion
        self.orchestrate = orchestrate
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.tolerated_failures = tolerated_failures
        self.fail_fast = fail_fast
        self.timeout_action = timeout_action
        self.results = results
        self.cancel_on_kill = cancel_on_kill
        self._cancel_on_kill: CancelOnKill | None = None
        self._attempt: Attempt | None = None
        self._lineage: dict[str, Any] | None = None

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any] | None = None,
        summary: dict[str, Any] | None = None,
        deadline: float | None = None,
    ) -> dict[str, Any]:
        """Resume after the deferral. The arguments are a contract: deferrals in flight survive an upgrade.

        :param event: of `sosw_airflow.triggers.sosw.SoswJobTrigger`.
        :raises SoswError: as when waiting without deferral.
        """
        from sosw_airflow.hooks.sosw import SoswHook
        from sosw_airflow.operators.costs import spent, used_by
        from sosw_airflow.operators.waiting import hops_after, job_of_deferral, poller_of
        from sosw_airflow.operators.without_retry import fail_without_retry
        from sosw_airflow.triggers.stored import mapping_of, moment_of
        from sosw_airflow.waiting.poller import JobResult, Status

        with fail_without_retry():
            hook = SoswHook(self.sosw_conn_id)
            deployment = hook.deployment()
            job_id = job_of_deferral(event, summary)
            # `dag.test()` loses the arguments that were deferred beside the trigger: the record has them.
            summary = spent(dict(mapping_of(summary)) or self._recorded_summary(hook, job_id), used_by(event))
            result, poller = JobResult.of(event), None
            if result is not None and result.progress.job_id != job_id:
                result = None
            if result is None or self._cancels_at(result):
                # The trigger could not poll: if the same fault stops this poll, it is raised here. Or the job is to be
                # cancelled, but it may be over by now.
                poller = poller_of(deployment, job_id, moment_of(deadline), tolerance=self._fast_tolerance)
                polled = poller.poll()
                if polled is not None:
                    result = polled
                elif result is None or result.status is Status.EXCEEDED:
                    hops = hops_after(event) if result is None else 0
                    self._defer(context, poller, spent(summary, hook.usage), hops=hops)
                    raise AssertionError  # _defer has raised
            self._lineage = summary
            return self._report(context, hook, {**summary, **self._conclude(context, hook, result, poller)})

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Take the job over from the deferral, then resume (or fail, if the trigger has failed)."""
        if self._may_cancel:
            self._attempt = self._begin_attempt(context)
        return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[arg-type]

    def on_kill(self) -> None:
        """Stop between two requests; ``cancel_on_kill`` decides what happens to the tasks in the queue."""
        if self._cancel_on_kill is not None:
            self._cancel_on_kill.kill()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """Report the labourer's queue to OpenLineage as the output, and the job with its counts."""
        from sosw_airflow.operators.lineage import facets_of

        return facets_of(self._lineage)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Report the same of a job that was scheduled and then failed."""
        return self.get_openlineage_facets_on_complete(task_instance)

    def _argument_faults(self) -> list[Fault]:
        from sosw_airflow.exceptions import Fault, InvalidConfiguration
        from sosw_airflow.jobs.excerpts import excerpt
        from sosw_airflow.jobs.max_running import max_running_problem
        from sosw_airflow.operators.waiting import ending_faults, waiting_faults
        from sosw_airflow.waiting.tolerance import Tolerance

        faults = [
            *waiting_faults(poll_interval=self.poll_interval, timeout=self.timeout),
            *ending_faults(
                fail_fast=self.fail_fast,
                timeout_action=self.timeout_action,
                timeout=self.timeout,
                waits=bool(self._waits),
            ),
        ]
        if self.queue_position not in ("back", "front"):
            faults.append(Fault("queue_position", f"must be 'back' or 'front', not {excerpt(self.queue_position)}"))
        if self.max_running is not None and (problem := max_running_problem(self.max_running)):
            faults.append(Fault("max_running", f"{problem}; None means no limit"))
        try:
            Tolerance.of(self.tolerated_failures)
        except InvalidConfiguration as error:
            faults += error.faults
        return [*faults, *self._faults_of_results()]

    def _faults_of_results(self) -> list[Fault]:
        from sosw_airflow.exceptions import Fault, InvalidConfiguration

        if self.results is None:
            return []
        from sosw_airflow.waiting.result_files import ResultPlace

        try:
            ResultPlace.of(self.results)
        except InvalidConfiguration as error:
            return list(error.faults)
        if not self._waits:
            return [Fault("results", "needs wait_for_completion=True: they are written once every task is closed")]
        return []

    def _begin(self, context: Context, hook: SoswHook, kind: Callable[..., Execution], **own: Any) -> Execution:
        """What this attempt carries out, with the arguments that all operators share, and those of its ``own``."""
        self._cancel_on_kill = self._stop_on_kill(context)
        return kind(
            queue_position=self.queue_position,
            max_running=self.max_running,
            hook=hook,
            on_kill=self._cancel_on_kill,
            announce=partial(self._announce, context, hook),
            argument_faults=self._argument_faults(),
            **own,
        )

    def _finish(self, context: Context, hook: SoswHook, scheduled: ScheduleResult) -> dict[str, Any]:
        """Wait if `wait_for_completion` is set. Returns the summary for the XCom, or defers."""
        from sosw_airflow.operators.costs import spent
        from sosw_airflow.operators.waiting import beside, deadline_after, poller_of, seconds, wait_until_over
        from sosw_airflow.run_context import dag_id_of

        summary = self._summary(hook, scheduled)
        self._lineage = summary
        if not self._waits:
            return self._report(context, hook, summary)
        deployment, job_id = hook.deployment(), summary["job_id"]
        poller = poller_of(deployment, job_id, deadline_after(self.timeout), tolerance=self._fast_tolerance)
        on_kill = self._cancel_on_kill = self._cancel_on_kill or self._stop_on_kill(context)
        with on_kill.watch(deployment, job_id):
            result = poller.poll()
            if result is None and not self.deferrable:
                labourer = summary["labourer"] if self.orchestrate else None
                orchestration = beside(hook, labourer, failures=self.fail_fast, dag_id=dag_id_of(context["ti"]))
                result = wait_until_over(poller, seconds(self.poll_interval), on_kill, orchestration)
        if result is None:
            self._defer(context, poller, spent(summary, hook.usage))
            raise AssertionError  # _defer has raised
        return self._report(context, hook, {**summary, **self._conclude(context, hook, result, poller)})

    def _summary(self, hook: SoswHook, scheduled: ScheduleResult) -> dict[str, Any]:
        """The summary of the job with the estimate of its costs, which a delivered job has not."""
        from sosw_airflow.jobs.transitions import JobState
        from sosw_airflow.operators.costs import estimate_of
        from sosw_airflow.operators.waiting import seconds

        summary: dict[str, Any] = scheduled.summary()
        if scheduled.header.state is JobState.WRITTEN:
            summary |= estimate_of(
                hook,
                scheduled.header,
                waits=bool(self._waits),
                orchestrates=self.orchestrate,
                results=self.results is not None,
                poll_interval=seconds(self.poll_interval),
            )
        return summary

    def _recorded_summary(self, hook: SoswHook, job_id: str) -> dict[str, Any]:
        """The same, from the job's record; only the id if the record does not exist."""
        from sosw_airflow.operators.waiting import recorded_job

        scheduled = recorded_job(hook.deployment(), job_id)
        return {"job_id": job_id} if scheduled is None else self._summary(hook, scheduled)

    def _report(self, context: Context, hook: SoswHook, summary: dict[str, Any]) -> dict[str, Any]:
        """Describe the job in the events of the outlets, log its costs; returns the summary for the XCom."""
        from sosw_airflow.operators.asset_events import describe_jobs
        from sosw_airflow.operators.costs import report_usage

        describe_jobs(context, self.outlets, summary)
        return report_usage(hook, summary)

    @property
    def _fast_tolerance(self) -> Tolerance | None:
        """What ends the wait as soon as it is exceeded."""
        from sosw_airflow.waiting.tolerance import Tolerance

        return Tolerance.of(self.tolerated_failures) if self.fail_fast else None

    @property
    def _may_cancel(self) -> bool:
        """Whether the arguments let an attempt cancel its job, which asks Airflow first."""
        return self.cancel_on_kill or self.fail_fast or self.timeout_action == "cancel"

    def _cancels_at(self, result: JobResult) -> bool:
        """Whether the arguments say that a wait which ends so cancels the job."""
        from sosw_airflow.waiting.poller import Status

        too_late = result.status is Status.TIMED_OUT and self.timeout_action == "cancel"
        return too_late or result.status is Status.EXCEEDED

    def _conclude(
        self, context: Context, hook: SoswHook, result: JobResult, poller: JobPoller | None
    ) -> dict[str, Any]:
        """Cancel the job, or write the results, if that is wanted; return what the end adds to the summary."""
        from dataclasses import replace

        from sosw_airflow.operators.cancellation import CancelOnKill, cancel_if_held
        from sosw_airflow.operators.costs import reported_if_failed
        from sosw_airflow.operators.waiting import conclude

        job_id, cancel = result.progress.job_id, None
        counts = {"completed": result.progress.completed, "failed": result.progress.failed}
        self._lineage = {**(self._lineage or {}), **counts}
        if self._cancels_at(result):
            self._attempt = self._attempt or self._begin_attempt(context)
            cancel = partial(cancel_if_held, hook.deployment(), job_id, self._attempt)
        # The job is over: a kill only stops the writing of its results.
        on_kill = self._cancel_on_kill = replace(self._cancel_on_kill or CancelOnKill(False), cancels=False)
        with on_kill.watch(hook.deployment(), job_id), reported_if_failed(hook, self._lineage):
            ended = conclude(
                hook,
                result,
                tolerated_failures=self.tolerated_failures,
                results=self.results,
                stop=on_kill.stop,
                reader=poller.reader if poller is not None else None,
                cancel=cancel,
            )
        self._lineage |= ended
        return ended

    @property
    def _waits(self) -> list[str]:
        """The arguments that say that this operator waits."""
        return [name for name in ("wait_for_completion", "orchestrate") if getattr(self, name)]

    def _stop_on_kill(self, context: Context) -> CancelOnKill:
        """The stop, and the cancellation, of a kill of this attempt."""
        from sosw_airflow.operators.cancellation import CancelOnKill

        self._attempt = self._begin_attempt(context) if self._may_cancel else None
        return CancelOnKill(self.cancel_on_kill, self._attempt)

    @property
    def _clear_kills(self) -> bool:
        """Whether a clear abandons the job: the next attempt schedules another one."""
        return True

    def _begin_attempt(self, context: Context) -> Attempt | None:
        from sosw_airflow.run_context import generation
        from sosw_airflow.triggers.attempt import Attempt

        return Attempt.begin(context["ti"], generation(context["ti"]), clear_kills=self._clear_kills)

    def _defer(self, context: Context, poller: JobPoller, summary: dict[str, Any], *, hops: int = 0) -> None:
        from sosw_airflow.operators.waiting import seconds
        from sosw_airflow.triggers.sosw import SoswJobTrigger

        # The deferral holds the job from now on.
        attempt = self._begin_attempt(context) if self.cancel_on_kill else None
        trigger = SoswJobTrigger(
            sosw_conn_id=self.sosw_conn_id,
            job_id=poller.reader.job_id,
            poll_interval=seconds(self.poll_interval),
            deadline=poller.deadline,
            cancel_on_kill=self.cancel_on_kill,
            must_exist=True,
            mark=attempt.mark.as_dict() if attempt is not None and attempt.mark is not None else None,
            clear_kills=self._clear_kills,
            hops=hops,
            orchestrate=summary.get("labourer") if self.orchestrate else None,
            tolerated_failures=self._fast_tolerance.as_given if self._fast_tolerance else None,
        )
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            kwargs={"summary": summary, "deadline": poller.deadline},
        )

    def _announce(self, context: Context, hook: SoswHook, labourer: Labourer, job_id: str) -> None:
        """Before the first row: check the orchestration, and show the links from now on, not only at the end."""
        from sosw_airflow.hooks.orchestration import check_labourer
        from sosw_airflow.links.sosw import push_links

        if self.orchestrate:
            check_labourer(hook, labourer.labourer_id)
        if self.results is not None:
            from sosw_airflow.waiting.result_files import ResultPlace

            ResultPlace.of(self.results).check(hook.deployment().s3, job_id)
        if self.do_xcom_push:
            push_links(context["ti"], hook, labourer, job_id)
