"""How messages count."""

from __future__ import annotations

import pytest

from sosw_airflow.exceptions import JobFailed, QueueFull
from sosw_airflow.exceptions.faults import counted, tasks_are
from sosw_airflow.scheduling.cancel import CancelResult


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 tasks are"), (1, "1 task is"), (2, "2 tasks are"), (1_000, "1,000 tasks are")]
)
def test_the_beginning_of_a_sentence(number: int, text: str) -> None:
    """Its noun and its verb agree with the number."""
    assert tasks_are(number) == text


def test_a_noun_takes_an_s() -> None:
    """Unless there is one of it."""
    assert [counted(number, "warning") for number in (0, 1, 2)] == ["0 warnings", "1 warning", "2 warnings"]


def test_a_job_of_one_task() -> None:
    """Is said to be one."""
    failed = JobFailed(job_id="j", total=1, completed=0, failed=1, tolerated="0", examples=["f (1 attempt)"])

    assert str(failed).startswith("1 of 1 task of the job j failed")


def test_no_room_for_one_task() -> None:
    """Counts its tasks, too."""
    full = QueueFull(labourer_id="pull", tasks=1, room=0, base=1, now=2)

    assert str(full).startswith("The queue of the labourer 'pull' has room for 0 of the job's 1 task.")


def test_what_a_cancelling_did() -> None:
    """Each verb agrees with its own number."""
    assert str(CancelResult("j", removed=1, kept=2, never_written=1)) == (
        "1 task was removed from the queue, 2 are with the workers or over, 1 was never written"
    )
