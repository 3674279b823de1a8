"""Keeps Python's garbage collector from running over all of Airflow while something long-lived is made.

A full collection of a triggerer holds the interpreter, and so its event loop, for some tenths of a second. The many
objects of an import set it off, although none of them is garbage.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_collections"]


@contextmanager
def without_collections() -> Iterator[None]:
    """Make objects that live long: modules, clients. They go to the oldest generation, unsearched.

    Nothing is kept from later collections, unless the process itself keeps its objects from them, by `gc.freeze`.
    """
    if not gc.isenabled():
        yield
        return
    frozen = gc.get_freeze_count()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if not frozen:
            gc.unfreeze()
        gc.enable()
