"""Reads that viewers share."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sosw_airflow.exceptions import AwsFault
from sosw_airflow.ui.cached_reads import CachedReads


def test_two_hundred_viewers_cause_one_read() -> None:
    """Whoever comes while it is under way, or in the seconds after it."""
    reads, calls = CachedReads(fresh=60, patience=30), []

    def read(_: object) -> int:
        time.sleep(0.05)
        calls.append(1)
        return 7

    with ThreadPoolExecutor(50) as viewers:
        found = list(viewers.map(lambda _: reads.read("subject", read).value, range(200)))
    assert (found, len(calls)) == ([7] * 200, 1)


def test_no_viewer_waits_for_an_aws_that_does_not_answer() -> None:
    """The page comes without it; the answer is there for the next one."""
    reads, answered = CachedReads(fresh=60, patience=0.05), threading.Event()

    def read(_: object) -> int:
        answered.wait(30)
        return 7

    began = time.monotonic()
    first = reads.read("subject", read)
    assert (first.value, first.waiting, time.monotonic() - began < 10) == (None, True, True)
    answered.set()
    while (later := reads.read("subject", read)).waiting:
        pass
    assert later.value == 7


def test_a_read_that_fails_keeps_what_was_read_before() -> None:
    """With the reason, and with its age."""
    reads, values = CachedReads(fresh=0, patience=30), iter([7])

    def read(_: object) -> int:
        try:
            return next(values)
        except StopIteration:
            raise AwsFault("throttled") from None

    assert reads.read("subject", read).problem == ""
    second = reads.read("subject", read)
    assert (second.value, second.problem) == (7, "throttled")


def test_an_error_of_ours_is_no_page_of_errors(caplog: object) -> None:
    """It is logged; the viewer learns its kind."""

    def read(_: object) -> int:
        raise ZeroDivisionError("secret")

    reading = CachedReads(patience=30).read("subject", read)
    assert "ZeroDivisionError" in reading.problem
    assert "secret" not in reading.problem


def test_subjects_are_forgotten() -> None:
    """Those that nobody has asked for longest: memory is bounded."""
    reads = CachedReads(fresh=60, patience=30)
    for number in range(300):
        reads.read(number, lambda _: 1)
    assert len(reads._subjects) == 256


def test_a_viewer_gets_the_last_reading_while_the_next_one_is_under_way() -> None:
    """Nobody waits for it; a later view has it."""
    reads, slow, values = CachedReads(fresh=0.2, patience=30), threading.Event(), iter([7, 8])

    def read(former: object) -> int:
        if former is not None:
            slow.wait(30)
        return next(values)

    assert reads.read("subject", read).value == 7
    time.sleep(0.25)
    assert reads.read("subject", read).value == 7
    slow.set()
    deadline = time.monotonic() + 30
    while reads.read("subject", lambda former: former).value != 8:
        assert time.monotonic() < deadline


def test_after_a_change_a_viewer_waits_for_the_next_reading() -> None:
    """What an action has changed shows at once."""
    reads, values = CachedReads(fresh=60, patience=30), iter([7, 8])
    reads.read(("job", "conn"), lambda _: next(values))
    reads.expire("conn")
    assert reads.read(("job", "conn"), lambda _: next(values)).value == 8


def test_a_viewer_who_has_changed_something_elsewhere_waits_for_a_newer_reading() -> None:
    """In a process that does not know of the action: once, and others get what is there."""
    reads, values = CachedReads(fresh=60, patience=30), iter([7, 8])
    reads.read("subject", lambda _: next(values))
    changed_at = time.time()
    with reads.one_page():
        assert reads.read("subject", lambda _: next(values)).value == 7
    for _ in range(2):
        with reads.one_page(changed_at):
            assert reads.read("subject", lambda _: next(values)).value == 8


def test_a_time_that_has_not_come_is_now() -> None:
    """Clocks of two machines differ a little; nobody reads forever for that."""
    reads, values = CachedReads(fresh=60, patience=30), iter([7, 8])
    reads.read("subject", lambda _: next(values))
    with reads.one_page(time.time() + 3600):
        assert reads.read("subject", lambda _: next(values)).value == 8


def test_a_change_during_a_reading_is_read_again() -> None:
    """That reading may have been before it, so the next viewer waits for one more."""
    reads, began, end, values = CachedReads(fresh=60, patience=30), threading.Event(), threading.Event(), iter([7, 8])

    def read(_: object) -> int:
        began.set()
        end.wait(30)
        return next(values)

    with ThreadPoolExecutor(1) as viewers:
        viewers.submit(reads.read, ("job", "conn"), read)
        began.wait(30)
        reads.expire("conn")
        threading.Timer(0.05, end.set).start()
        assert reads.read(("job", "conn"), read).value == 8
