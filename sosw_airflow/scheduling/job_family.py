"""The relatives of a job: what it repairs, its repairs, and the other generations of the same Airflow task instance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from sosw_airflow.jobs.identity import COMMAND_DAG_ID
from sosw_airflow.scheduling.repair import chain_of, identity_of
from sosw_airflow.stores.job_record import Header, JobRecords

__all__ = ["Relative", "read_family"]

#: Jobs of a chain of repairs that are followed, and generations before and after this one that are searched.
_CHAIN, _GENERATIONS = 10, 5


@dataclass(frozen=True)
class Relative:
    """A job of the family.

    :ivar relation: to the Airflow task instance, or to the job before it, in words.
    """

    relation: str
    header: Header


def read_family(records: JobRecords, header: Header) -> list[Relative]:
    """The job and its relatives, in the order in which they were scheduled: 30 read units at most.

    A generation follows from the numbers of retries and clears, so that some numbers have no job.

    :raises SoswError: AWS refuses.
    """
    first = _first(records, header)
    repairs = islice(chain_of(records, first.job_id), 1, _CHAIN)
    chain = [Relative(_generation(first), first), *(Relative("repair of the one before", each) for each in repairs)]
    others = [] if first.dag_id == COMMAND_DAG_ID else list(_other_generations(records, first))
    earlier = [Relative(_generation(each), each) for each in others if each.generation < first.generation]
    later = [Relative(_generation(each), each) for each in others if each.generation > first.generation]
    return [*earlier, *chain, *later]


def _generation(header: Header) -> str:
    return f"generation {header.generation}"


def _first(records: JobRecords, header: Header) -> Header:
    """The job at the beginning of the chain of repairs; the last one that has a record."""
    for _ in range(_CHAIN):
        if not header.repairs:
            break
        repaired = records.header(header.repairs.split("#")[0], consistent=False)
        if repaired is None:
            break
        header = repaired
    return header


def _other_generations(records: JobRecords, header: Header) -> Iterator[Header]:
    here = header.generation
    for generation in range(max(0, here - _GENERATIONS), here + _GENERATIONS + 1):
        if generation == here:
            continue
        job_id = replace(identity_of(header), generation=generation).job_id
        found = records.header(job_id, consistent=False)
        if found is not None:
            yield found
