"""What the consumer has invoked: which task, in which attempt, in which order."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation. `attempt` is the row's `attempts` before it: 0 is the first time, more are retries of sosw."""

    labourer: str
    task_id: str
    attempt: int
    payload: str


class Ledger:
    """All invocations, in their order. May be shared by several consumers and read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._invocations: list[Invocation] = []

    def record(self, invocation: Invocation) -> None:
        """Note an invocation."""
        with self._lock:
            self._invocations.append(invocation)

    def invocations(self, task_id_prefix: str = "") -> list[Invocation]:
        """Give the invocations of all tasks, or of those whose id begins so (a job id), in their order."""
        with self._lock:
            return [entry for entry in self._invocations if entry.task_id.startswith(task_id_prefix)]

    def first_invocations(self, task_id_prefix: str = "") -> Counter[str]:
        """Count the invocations of each task that were no retry. More than one is a double."""
        return Counter(entry.task_id for entry in self.invocations(task_id_prefix) if entry.attempt == 0)

    def retries(self, task_id_prefix: str = "") -> Counter[str]:
        """Count the invocations of each task that were retries by sosw."""
        return Counter(entry.task_id for entry in self.invocations(task_id_prefix) if entry.attempt > 0)

    def doubles(self, task_id_prefix: str = "") -> dict[str, list[int]]:
        """Give the tasks that were invoked twice in the same attempt, with the attempts of all their invocations."""
        attempts: dict[str, list[int]] = {}
        for entry in self.invocations(task_id_prefix):
            attempts.setdefault(entry.task_id, []).append(entry.attempt)
        return {task_id: numbers for task_id, numbers in attempts.items() if len(set(numbers)) < len(numbers)}
