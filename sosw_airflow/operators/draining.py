"""What `SoswDrainQueueOperator` does when it executes; imported only then, so that DAG files parse fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sosw_airflow.dag_runs import job_identity, reference_date
from sosw_airflow.exceptions import Fault, InvalidConfiguration, MissingQueueFile
from sosw_airflow.stores.draining import DrainRequest, LeftFile, drain
from sosw_airflow.stores.scheduling import JobScheduler, Scheduled

if TYPE_CHECKING:
    from sosw_airflow._compat import Context
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.operators.killing import Killing

__all__ = ["Draining"]


@dataclass
class Draining:
    """One attempt at a queue file, with the operator's arguments after their rendering; see there for their meaning."""

    queue_file: Any
    take_locked: bool
    queue_position: Any
    hook: SoswHook
    killing: Killing
    argument_faults: Sequence[Fault] = ()

    def run(self, context: Context) -> Scheduled:
        """Check everything, then schedule."""
        faults = list(self.argument_faults)
        if not isinstance(self.queue_file, str) or not self.queue_file.strip():
            faults.append(Fault("queue_file", f"must be a name, a key or s3://bucket/key, not {self.queue_file!r}"))
        if faults:
            raise InvalidConfiguration(faults)
        deployment = self.hook.deployment()
        file = LeftFile.of(
            deployment.s3, self.queue_file.strip(), bucket=deployment.queue_bucket, prefix=deployment.s3_prefix
        )
        scheduler = JobScheduler(deployment, stop=self.killing.stop)
        identity = replace(job_identity(context, ""), queue_file=str(file))
        former = scheduler.records.header(identity.job_id)
        labourer_id = former.labourer_id if former else file.labourer_id()
        if labourer_id is None:
            raise MissingQueueFile(str(file))
        self.hook.labourer(labourer_id)
        identity = replace(identity, labourer_id=labourer_id)
        request = DrainRequest(identity, file, reference_date(context), self.queue_position)
        with self.killing.guarding(deployment, identity.job_id):
            return drain(scheduler, request, take_locked=self.take_locked)
