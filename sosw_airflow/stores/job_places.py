"""The jobs that were moved to the front or the back of a labourer's queue.

Their rows stay where they are. The item of the labourer's lease lists the moved jobs, in the order of their moving, and
an orchestrator gets it with each beat. A job's header keeps its last place as well, for those who watch it and for its
repair.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import printable
from sosw_airflow.stores.aws_errors import error_code, explain_faults
from sosw_airflow.stores.job_record import header_key
from sosw_airflow.stores.lease_item import lease_key, read_lease

__all__ = ["MOST_MOVED", "PLACES", "JobPlaces", "MovedJobs", "Place"]

#: Where the tasks of a job are taken from the queue: before all others, after all others, or where they were planned.
Place = Literal["front", "back", "planned"]
PLACES: tuple[Place, ...] = get_args(Place)

#: Moved jobs of one labourer: their list stays below 1 KB, so that a beat costs one write unit more at most.
MOST_MOVED = 40

_SIGNS: Mapping[str, Place] = {"+": "front", "-": "back"}
_MOVED = re.compile(r"([+-])([0-9a-f]{20})", re.ASCII)


@dataclass(frozen=True)
class MovedJobs:
    """The moved jobs of one labourer.

    :ivar places: ``front`` or ``back`` of each job, in the order of their moving.
    """

    places: Mapping[str, Place]

    @classmethod
    def of_lease(cls, item: Mapping[str, Mapping[str, Any]]) -> MovedJobs:
        """From the item of a lease; what is no job there is ignored."""
        text = str(item.get("moved_jobs", {}).get("S", ""))
        return cls({job_id: _SIGNS[sign] for sign, job_id in _MOVED.findall(text)[:MOST_MOVED]} if text else {})

    @property
    def front(self) -> list[str]:
        """The jobs whose tasks come first, the first of them first."""
        return [job_id for job_id, place in self.places.items() if place == "front"]

    @property
    def back(self) -> frozenset[str]:
        """The jobs whose tasks come last."""
        return frozenset(job_id for job_id, place in self.places.items() if place == "back")

    def place(self, job_id: str) -> Place:
        """The place of a job."""
        return self.places.get(job_id, "planned")

    def moved(self, job_id: str, place: Place) -> MovedJobs:
        """With this job moved behind the others of its place. One that has this place already keeps its turn."""
        if self.place(job_id) == place:
            return self
        others = {each: found for each, found in self.places.items() if each != job_id}
        return MovedJobs(others if place == "planned" else {**others, job_id: place})

    def text(self) -> str:
        """As it is stored."""
        signs = {place: sign for sign, place in _SIGNS.items()}
        return "".join(f"{signs[place]}{job_id}" for job_id, place in self.places.items())


@dataclass(frozen=True)
class JobPlaces:
    """The places of jobs in the queues of one installation.

    :ivar dynamodb: a boto3 DynamoDB client.
    :ivar table: of the job records.
    """

    dynamodb: Any
    table: str

    def read(self, labourer_id: str) -> MovedJobs:
        """The moved jobs of a labourer: one read unit for 4 KB."""
        return MovedJobs.of_lease(read_lease(self.dynamodb, self.table, labourer_id))

    def move(self, labourer_id: str, job_id: str, place: Place) -> tuple[Place, dict[str, Any]]:
        """Give a job its place, and return the one before, and the item of the lease.

        No orchestrator has to exist. Repeating changes nothing.

        :raises InvalidConfiguration: so many jobs of the labourer are moved that no further one is.
        :raises SoswError: AWS refuses.
        """
        while True:  # a request that another one has overtaken is made again
            item = read_lease(self.dynamodb, self.table, labourer_id)
            before = MovedJobs.of_lease(item)
            after = before.moved(job_id, place)
            if len(after.places) > max(MOST_MOVED, len(before.places)):
                problem = (
                    f"cannot be {place}: {MOST_MOVED} jobs of {printable(labourer_id)} are moved already. Give one of "
                    f"them its planned place, such as with  sosw-airflow set {next(iter(before.places))} --position "
                    "planned"
                )
                raise InvalidConfiguration([Fault("position", problem)])
            if after == before or self._put(labourer_id, item, after):
                return before.place(job_id), item

    def forget(self, labourer_id: str, item: Mapping[str, Mapping[str, Any]], job_ids: Collection[str]) -> None:
        """Forget jobs that are over, unless a job was moved since this item of the lease was read.

        :raises SoswError: AWS refuses.
        """
        left = {each: place for each, place in MovedJobs.of_lease(item).places.items() if each not in job_ids}
        self._put(labourer_id, item, MovedJobs(left))

    def note(self, job_id: str, place: Place) -> None:
        """Keep the place in the job's header, if it has one.

        :raises SoswError: AWS refuses.
        """
        values = {} if place == "planned" else {":place": {"S": place}}
        self._update(
            header_key(job_id),
            "SET #position = :place" if values else "REMOVE #position",
            "attribute_exists(job_id)",
            values,
            {"#position": "position"},
        )

    def _put(self, labourer_id: str, item: Mapping[str, Mapping[str, Any]], after: MovedJobs) -> bool:
        """Put the list in the place of the one in the item. False: another request has changed it."""
        seen = item.get("moved_jobs")
        condition = "moved_jobs = :seen" if seen else "attribute_not_exists(moved_jobs)"
        # A lease that was never held is taken by its numbers.
        numbers = "SET fence = if_not_exists(fence, :zero), beat = if_not_exists(beat, :zero)"
        values: dict[str, Any] = {":zero": {"N": "0"}, **({":seen": dict(seen)} if seen else {})}
        if after.places:
            return self._update(
                lease_key(labourer_id),
                f"{numbers}, moved_jobs = :moved",
                condition,
                {**values, ":moved": {"S": after.text()}},
            )
        return self._update(lease_key(labourer_id), f"{numbers} REMOVE moved_jobs", condition, values)

    def _update(
        self,
        key: dict[str, Any],
        expression: str,
        condition: str,
        values: dict[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> bool:
        with explain_faults(action="dynamodb:UpdateItem", resource=self.table, setting="jobs_table"):
            try:
                self.dynamodb.update_item(
                    TableName=self.table,
                    Key=key,
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    **({"ExpressionAttributeValues": values} if values else {}),
                    **({"ExpressionAttributeNames": names} if names else {}),
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True
