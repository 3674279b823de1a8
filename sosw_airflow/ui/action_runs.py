"""Runs actions in threads: one at a time for each subject, and a viewer waits a bounded time for its end.

A thread ends with its process. Every action can be repeated: it then finishes what it has begun.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from sosw_airflow.exceptions import SoswError

__all__ = ["ActionRun", "ActionRuns"]

log = logging.getLogger(__name__)

#: Seconds that a viewer waits for the end of an action.
PATIENCE_SECONDS = 20.0

#: Actions at the same time in one process.
_AT_ONCE = 8


@dataclass
class ActionRun:
    """One run.

    :ivar result: what the action returned; None if it failed, or runs.
    :ivar problem: why it failed, without secrets; empty if it did not.
    """

    over: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    problem: str = ""


class ActionRuns:
    """The actions of one process.

    :param patience: seconds that a viewer waits.
    """

    def __init__(self, *, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._running: dict[Hashable, ActionRun] = {}
        self._lock = threading.Lock()

    def run(self, subject: Hashable, act: Callable[[], Any]) -> ActionRun:
        """Run an action, or wait for the one that runs for this subject already.

        :return: a run that may not be over.
        """
        with self._lock:
            run = self._running.get(subject)
            if run is None and len(self._running) >= _AT_ONCE:
                return _refused(f"{_AT_ONCE} actions run in this process of Airflow. Try again when one has ended.")
            if run is None:
                run = self._running[subject] = ActionRun()
                threading.Thread(target=self._work, args=(subject, act, run), name="sosw-action", daemon=True).start()
        run.over.wait(self._patience)
        return run

    def _work(self, subject: Hashable, act: Callable[[], Any], run: ActionRun) -> None:
        try:
            run.result = act()
        except SoswError as error:
            run.problem = str(error)
        except Exception as error:
            log.exception("An action of a page has failed.")
            run.problem = f"The action has failed: {type(error).__name__}. Airflow's log has the details."
        finally:
            with self._lock:
                del self._running[subject]
            run.over.set()


def _refused(problem: str) -> ActionRun:
    run = ActionRun(problem=problem)
    run.over.set()
    return run
