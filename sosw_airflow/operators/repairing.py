"""What `SoswRepairOperator` does when it executes; imported only then, so that DAG files parse fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sosw_airflow.dag_runs import job_identity
from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.identity import parse_job_id
from sosw_airflow.stores.repairing import repair
from sosw_airflow.stores.scheduling import JobScheduler, Scheduled

if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.operators.killing import Killing

__all__ = ["Repairing"]


@dataclass
class Repairing:
    """One attempt at a repair, with the operator's arguments after their rendering; see there for their meaning."""

    job_id: Any
    unfinished: str
    queue_position: Any
    hook: SoswHook
    killing: Killing
    argument_faults: Sequence[Fault] = ()

    def run(self, context: Context) -> Scheduled:
        """Check everything, then schedule."""
        faults = list(self.argument_faults)
        if self.unfinished not in ("refuse", "leave"):
            faults.append(Fault("unfinished", f"must be 'refuse' or 'leave', not {self.unfinished!r}"))
        try:
            job_id = parse_job_id(self.job_id)
        except InvalidConfiguration as error:
            faults += error.faults
        if faults:
            raise InvalidConfiguration(faults)
        scheduler = JobScheduler(self.hook.deployment(), stop=self.killing.stop)
        return repair(
            scheduler,
            job_id,
            asked_by=job_identity(context, ""),
            queue_position=self.queue_position,
            unfinished=self.unfinished,
            guard=lambda job_id: self.killing.guarding(scheduler.deployment, job_id),
        )
