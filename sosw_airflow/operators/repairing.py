"""What `SoswRepairOperator` does when it executes; imported only then, so that DAG files parse fast."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sosw_airflow.dag_runs import job_identity
from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.stores.repairing import repair
from sosw_airflow.stores.scheduling import JobScheduler, Scheduled

if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.operators.killing import Killing

__all__ = ["Repairing", "job_id_of"]


def job_id_of(given: object) -> str:
    """The id in an argument: itself, a job's summary, or the id of one of its tasks.

    :raises InvalidConfiguration: it is none of these.
    """
    value = given.get("job_id") if isinstance(given, Mapping) else given
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{20}([0-9a-f]{12})?", value.strip()):
        return value.strip()[:20]
    problem = "must be the id of a job (20 hexadecimal digits) or its summary from an XCom, not "
    raise InvalidConfiguration([Fault("job_id", f"{problem}{given!r}")])


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
            job_id = job_id_of(self.job_id)
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
