"""The arguments that all operators share: each defined once, for editors, type checkers and the reference."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from typing_extensions import Required

__all__ = ["AirflowArguments", "SoswArguments"]


class AirflowArguments(TypedDict, total=False):
    """The arguments of Airflow's `BaseOperator`, of all supported versions. Airflow's documentation has their meaning.

    A key that your version of Airflow does not know is refused by Airflow itself.
    """

    task_id: Required[str]
    allow_nested_operators: bool
    dag: Any
    default_args: dict[str, Any] | None
    depends_on_past: bool
    do_xcom_push: bool
    doc: str | None
    doc_json: str | None
    doc_md: str | None
    doc_rst: str | None
    doc_yaml: str | None
    email: Any
    email_on_failure: bool
    email_on_retry: bool
    end_date: datetime | None
    execution_timeout: timedelta | None
    executor: str | None
    executor_config: dict[str, Any] | None
    ignore_first_depends_on_past: bool
    inlets: Any
    logger_name: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    max_retry_delay: timedelta | float | None
    multiple_outputs: bool
    on_execute_callback: Any
    on_failure_callback: Any
    on_retry_callback: Any
    on_skipped_callback: Any
    on_success_callback: Any
    outlets: Any
    owner: str
    params: Any
    pool: str | None
    pool_slots: int
    post_execute: Any
    pre_execute: Any
    priority_weight: int
    queue: str
    render_template_as_native_obj: bool | None
    resources: dict[str, Any] | None
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    retry_policy: Any
    run_as_user: str | None
    sla: timedelta | None
    start_date: datetime | None
    task_concurrency: int | None
    task_display_name: str | None
    task_group: Any
    trigger_rule: str
    wait_for_downstream: bool
    wait_for_past_depends_before_skipping: bool
    weight_rule: Any


class SoswArguments(AirflowArguments, total=False):
    """The arguments that `SoswScheduleOperator`, `SoswRepairOperator` and `SoswDrainQueueOperator` share."""

    sosw_conn_id: str
    """The Connection of type ``sosw``; by default ``"sosw_default"``. (templated)"""

    queue_position: str
    """``"back"`` (the default) or ``"front"``: before everything that waits for this labourer. (templated)"""

    max_running: int | None
    """Tasks of this job that are invoked at once at most, while other jobs of the labourer pass them. Airflow's
    orchestrator alone keeps it; sosw's own does not know it. A repair without one has that of the repaired job. You
    change it with ``sosw-airflow set``. None (the default) is no limit beside the labourer's."""

    wait_for_completion: bool
    """Wait until every task is closed: completed, or failed for good. By default False."""

    orchestrate: bool
    """Also invoke the tasks of the job's labourer while you wait, which this implies: Airflow then does what sosw's
    Orchestrator and Scavenger did. By default False."""

    deferrable: bool
    """Wait in the triggerer, which takes no worker slot. The default is ``[operators] default_deferrable``."""

    poll_interval: float | timedelta
    """Seconds between two polls, or a timedelta; by default 60."""

    timeout: float | timedelta | None
    """Seconds, or a timedelta, that one attempt waits at most. None (the default) is no limit."""

    tolerated_failures: int | str
    """Failed tasks with which the job still counts as done: a number, or a share such as ``"5%"``. By default 0."""

    fail_fast: bool
    """Cancel the job as soon as more tasks failed than ``tolerated_failures``: tasks that no worker has received leave
    the queue, running ones end by themselves. By default False: the wait ends when every task is closed."""

    timeout_action: str
    """What happens at the ``timeout``: ``"fail"`` (the default) fails the attempt, and a retry continues to wait.
    ``"cancel"`` also cancels the job, and nothing is retried."""

    results: str | None
    """``s3://bucket/prefix/`` to which the results are written once every task is closed: ``completed.jsonl``,
    ``failed.jsonl`` and ``manifest.json``, below the id of the job. None (the default) writes none. (templated)"""

    cancel_on_kill: bool
    """What happens to the tasks in the queue when you stop this Airflow task: clear it, or mark it as failed or
    successful, while it runs (or, since Airflow 3.3, while it is deferred).

    False (the default) leaves them, and a later attempt resumes the job. True cancels the job: this removes the tasks
    that no worker has received, and a cancelled job is never resumed.
    """
