"""A run as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.support.explorer.actors import Actor
from tests.support.explorer.engine import Run

__all__ = ["describe"]


def describe(run: Run, actors: Iterable[Actor] = ()) -> str:
    """Who did what, in columns, and which promises were broken."""
    return "\n".join(_lines(run, list(actors)))


def _lines(run: Run, actors: list[Actor]) -> Iterator[str]:
    yield f"replay: {run.schedule}"
    if actors:
        yield f"actors: {', '.join(map(str, actors))}"
    former = ""
    for event in run.events:
        if event.actor != former:
            yield f"{event.actor}:"
            former = event.actor
        number = f"{event.actor}{event.number}" if event.number else ""
        outcome = "" if event.outcome in ("ok", "") else f"  -> {event.outcome}"
        yield f"    {number:>4} {event.what}{outcome}"
    for actor in actors:
        if actor.error is not None:
            yield f"{actor.label} raised {type(actor.error).__name__}: {actor.error}"
        elif not actor.alive:
            yield f"{actor.label} returned {actor.result}"
    for violation in run.violations:
        yield f"BROKEN {violation}"
