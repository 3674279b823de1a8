"""The plans of jobs in S3: made before anything else, found by later attempts, made again if they are gone."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sosw_airflow.exceptions import Fault, InvalidJob, JobRecordDamaged
from sosw_airflow.exceptions.faults import new_job
from sosw_airflow.jobs.pages import PageCutter
from sosw_airflow.jobs.rows import LineCodec
from sosw_airflow.jobs.transitions import JobState
from sosw_airflow.scheduling.pace import page_limits_for
from sosw_airflow.stores.job_record import RECORD_SECONDS, Header, JobRecords
from sosw_airflow.stores.queue_file import QueueFile
from sosw_airflow.stores.queue_file_keys import queue_file_key
from sosw_airflow.waiting.progress_log import ProgressFactory

if TYPE_CHECKING:
    from sosw_airflow.scheduling.first_reads import FirstReads
    from sosw_airflow.scheduling.requests import Request
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["Plans"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plans:
    """The plans of one installation.

    :ivar records: the job records of the installation.  :ivar most_rows: tasks of a page at the most.
    :ivar check_stop: is called often; what it raises ends the work.
    :ivar progress: begins to count the tasks.
    """

    deployment: Deployment
    records: JobRecords
    most_rows: int
    check_stop: Callable[[], None]
    progress: ProgressFactory

    def make(self, request: Request, reads: FirstReads, state: JobState) -> tuple[Header, bytes | None]:
        """Write the queue file; its text comes with the header if it is short. On any fault nothing is left behind."""
        at, identity = self.deployment, request.identity
        limits = page_limits_for(reads.tasks_capacity(), most_rows=self.most_rows)
        queue_file = self.of_request(request)
        cutter = PageCutter(limits)
        progress = self.progress(f"Planning job {identity.job_id}", None)
        with queue_file.writer() as plan:
            for block in request.blocks(self.codec(identity.labourer_id)):
                plan.write(block.text)
                cutter.take(block)
                progress.add(block.tasks)
                self.check_stop()
            tasks = progress.done
            if not tasks:
                raise InvalidJob([Fault("", "the job expands to no task")])
            placement = reads.place(tasks)
            size = plan.complete()
        log.info("The plan of the job %s is in %s: %s tasks.", identity.job_id, queue_file, f"{tasks:,}")
        now = int(at.now())
        header = Header(
            job_id=identity.job_id,
            state=state,
            labourer_id=identity.labourer_id,
            fingerprint=request.fingerprint,
            outline=json.dumps(request.outline()),
            tasks=tasks,
            pages=cutter.pages,
            page_rows=limits.rows,
            page_units=limits.units,
            greenfield_base=placement.base,
            greenfield_step=placement.step,
            queue_bucket=queue_file.bucket,
            queue_key=queue_file.key,
            queue_bytes=size,
            plan_digest=plan.digest,
            tasks_table=at.tables.tasks_table,
            meta_table=at.tables.meta_table or "",
            reference_date=request.reference_date.isoformat(),
            dag_id=identity.dag_id,
            run_id=identity.run_id,
            task_id=identity.task_id,
            map_index=identity.map_index,
            generation=identity.generation,
            created_at=now,
            updated_at=now,
            expires_at=now + RECORD_SECONDS,
            repairs=identity.repairs,
            namespace=identity.namespace,
            rerun=identity.rerun,
            run_started=identity.run_started,
            max_running=request.max_running,
            position=request.place,
            sources=request.sources,
        )
        return header, plan.text

    def restore(self, request: Request, header: Header) -> None:
        """Write the queue file of a planned job again. The job is known to be the same.

        :raises JobRecordDamaged: the job expands to another file now.
        """
        log.warning("The queue file of the job %s is gone, so it is written again.", header.job_id)
        with self.of(header).writer() as plan:
            for block in request.blocks(self.codec(header.labourer_id)):
                plan.write(block.text)
            # A record of version 0.1 has no digest.
            if plan.size != header.queue_bytes or header.plan_digest not in ("", plan.digest):
                raise JobRecordDamaged(
                    f"The queue file s3://{header.queue_bucket}/{header.queue_key} is gone, and the job expands to "
                    f"other tasks now ({plan.size:,} bytes) than when it was planned ({header.queue_bytes:,} bytes). "
                    f"Fix: restore the file, or {new_job(header.job_id, repairs=header.repairs)}."
                )
            plan.complete()

    def of_request(self, request: Request) -> QueueFile:
        """The queue file of a job that is to be planned.

        Copies of an attempt that read a source may get other values, or in another order: they never share a plan.
        """
        at = self.deployment
        holder = self.records.holder if request.varies else ""
        key = queue_file_key(at.s3_prefix, request.identity.job_id, request.fingerprint, holder)
        return QueueFile(at.s3, at.queue_bucket, key, fingerprint=request.fingerprint)

    def of(self, header: Header) -> QueueFile:
        """The queue file of a planned job, in the bucket where it was planned."""
        return QueueFile(
            self.deployment.s3,
            header.queue_bucket,
            header.queue_key,
            fingerprint=header.fingerprint,
            new_job=new_job(header.job_id, repairs=header.repairs),
        )

    def codec(self, labourer_id: str) -> LineCodec:
        """What makes the lines of this labourer, and reads them."""
        return LineCodec(labourer_id, lambda_payload_limit=self.deployment.lambda_payload_limit)
