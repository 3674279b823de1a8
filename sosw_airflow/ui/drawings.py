"""Drawings as inline SVG: a bar of shares, and columns over time. Pure. Each has its figures as text beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Column", "Share", "columns", "shares"]


class Share(NamedTuple):
    """A part of a bar: the name of its colour, its place and its width, in thousandths of the bar."""

    kind: str
    left: float
    width: float


class Column(NamedTuple):
    """A column over time: its place, its width, and the heights of its two parts, in a drawing of 120 by 24."""

    left: float
    width: float
    completed: float
    failed: float


def shares(counts: Sequence[tuple[str, int]]) -> list[Share]:
    """The parts of a bar. What is not 0 is visible: at least 4 thousandths wide.

    >>> [(each.kind, round(each.width)) for each in shares([("completed", 999_999), ("failed", 1), ("open", 0)])]
    [('completed', 996), ('failed', 4)]
    """
    total = sum(count for _, count in counts)
    wide = [(kind, max(4.0, 1000 * count / total)) for kind, count in counts if count] if total else []
    factor = 1000 / sum(width for _, width in wide) if wide else 0
    parts, left = [], 0.0
    for kind, width in wide:
        parts.append(Share(kind, round(left, 2), round(width * factor, 2)))
        left += width * factor
    return parts


def columns(minutes: Sequence[tuple[int, int]], *, width: float = 120, height: float = 24) -> list[Column]:
    """A column for each step with an end, the highest as high as the drawing.

    >>> columns([(0, 0), (4, 0), (1, 1)], width=3, height=4)
    [Column(left=1.0, width=0.8, completed=4.0, failed=0.0), Column(left=2.0, width=0.8, completed=1.0, failed=1.0)]
    """
    most = max((sum(each) for each in minutes), default=0)
    if not most:
        return []
    step = width / len(minutes)
    return [
        Column(
            round(number * step, 2),
            round(0.8 * step, 2),
            round(height * completed / most, 2),
            round(height * failed / most, 2),
        )
        for number, (completed, failed) in enumerate(minutes)
        if completed or failed
    ]
