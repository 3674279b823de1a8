"""Jobs and schemas for the differential test, each a function of a seed and an index: `case(seed, index)`.

A case begins as a job that a user might write (plural names, attributes in every branch); a third then gets one or two
changes of the kind that upstream stumbles over or that a user gets wrong.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.differential.changes import CHANGES
from tests.differential.writer import Node, Writer, shuffled

_SCHEMAS = (
    *(("section", "store", "product"),) * 6,
    *(("topic", "word"),) * 6,
    *(("city",),) * 3,
    *(("a", "b", "c", "d"),) * 2,
    (),
)


@dataclass(frozen=True)
class Case:
    """A job (with its `lambda_name`), the chunkable attributes, the day, and what was done to the job."""

    job: Node
    attrs: tuple[str, ...]
    today: dt.date
    changes: tuple[str, ...]


def cases(seed: int, number: int) -> Iterator[Case]:
    """The first cases of a seed."""
    return (case(seed, index) for index in range(number))


def case(seed: int, index: int) -> Case:
    """One case, by itself."""
    rng = random.Random(f"{seed}:{index}")
    attrs = rng.choice(_SCHEMAS)
    writer = Writer(rng, attrs)
    job = writer.job()
    changes = []
    if rng.random() < 0.35:
        for change in rng.sample(CHANGES, rng.choice((1, 1, 1, 2))):
            if change(writer, job):
                changes.append(change.__name__.strip("_"))
    job["lambda_name"] = "worker"
    today = dt.date(2026, 11, 23) + dt.timedelta(days=rng.randrange(-400, 400))
    return Case(shuffled(rng, job), attrs, today, tuple(changes))
