"""The place in the queue that a job takes over from the one that it follows: the repair, the next generation.

A repair has the place in the header of the repaired job. A new generation has that of a former one as long as that one
is in the list of moved jobs: it is not over.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from sosw_airflow.exceptions import InvalidConfiguration
from sosw_airflow.stores.job_places import JobPlaces, Place

if TYPE_CHECKING:
    from sosw_airflow.jobs.identity import JobIdentity
    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.stores.job_record import Header

__all__ = ["move_as_planned", "place_of_former"]

log = logging.getLogger(__name__)


def place_of_former(deployment: Deployment, own: JobIdentity) -> str:
    """Where the newest former generation stands that was moved and is not over: one read; empty for none.

    :raises SoswError: AWS refuses.
    """
    places = JobPlaces(deployment.dynamodb, deployment.tables.jobs_table).read(own.labourer_id).places
    for generation in range(own.generation - 1, -1, -1) if places else ():
        for rerun in range(own.rerun, -1, -1):
            former = replace(own, generation=generation, rerun=rerun).job_id
            if former in places:
                return places[former]
    return ""


def move_as_planned(deployment: Deployment, header: Header) -> None:
    """Move a job to the place that its header has. If too many jobs are moved, it keeps its own, with a warning."""
    place: Place
    if header.position == "front":
        place = "front"
    elif header.position == "back":
        place = "back"
    else:
        return
    try:
        JobPlaces(deployment.dynamodb, deployment.tables.jobs_table).move(header.labourer_id, header.job_id, place)
    except InvalidConfiguration as error:
        log.warning("The job %s keeps its planned place: %s", header.job_id, error)
