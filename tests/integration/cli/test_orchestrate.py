"""`sosw-airflow orchestrate`: processes the queues of labourers from a terminal."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from sosw_airflow.cli import main
from sosw_airflow.cli.exit_codes import BROKEN_PIPE
from sosw_airflow.orchestration.orchestrator import Orchestrator
from tests.conftest import Aws
from tests.integration.cli.conftest import Configure, Terminal
from tests.integration.orchestration.conftest import Lambda, Reply

SYNCHRONOUS = {"invocation": "request", "max_simultaneous_invocations": 2}


@pytest.fixture
def function(aws: Aws, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Lambda:
    """The labourers `worker` and `other` have this function. It answers at once."""
    stub = Lambda(reply=lambda event: (200, "", b'"done"'))
    configure(labourers=json.dumps({"worker": SYNCHRONOUS, "other": SYNCHRONOUS}))
    stub.answer_all(monkeypatch)
    for name in ("_BUSY", "_QUIET"):
        monkeypatch.setattr(f"sosw_airflow.orchestration.turn.{name}", 0.02)
    return stub


def queue(*words: str, labourer: str = "worker", payload_bytes: int = 0) -> None:
    """Put a task a word into the queue; the word is the first letter of its id."""
    for number, word in enumerate(words, start=1):
        item = {
            "task_id": {"S": word * 32},
            "labourer_id": {"S": labourer},
            "payload": {"S": json.dumps({"word": word, "more": "x" * payload_bytes})},
            "created_at": {"N": "1795431000.5"},
            "greenfield": {"N": str(1000 * number)},
            "attempts": {"N": "0"},
        }
        boto3.client("dynamodb").put_item(TableName="sosw_tasks", Item=item)


def records(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """What `--output json` has printed: labourer -> record."""
    return {record["labourer"]: record for record in json.loads(capsys.readouterr().out)}


@pytest.fixture
def stopping_after_turns(monkeypatch: pytest.MonkeyPatch) -> Callable[[signal.Signals], None]:
    """Let a signal arrive at the first turn that completes a task, once."""

    def prepare(number: signal.Signals) -> None:
        take, signals = Orchestrator._take, [number]

        def interrupted(self: Orchestrator, report: Any, last: Any) -> None:
            take(self, report, last)
            if report.completed and signals:
                assert threading.current_thread() is threading.main_thread()
                signal.raise_signal(signals.pop())

        monkeypatch.setattr(Orchestrator, "_take", interrupted)

    return prepare


def test_until_idle_empties_the_queues(function: Lambda, aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Of all labourers; a pipe gets one line for each turn that did something, and the counts."""
    queue("a", "b", "c")
    queue("x", labourer="other")
    assert main(["orchestrate", "--until-idle"]) == 0
    assert len(aws.rows("sosw_closed_tasks")) == 4
    *lines, done, header, worker, other = capsys.readouterr().out.splitlines()
    assert done == "Done."
    assert header.split() == ["labourer", "state", "running", "invoked", "completed", "retried", "failed", "note"]
    assert worker.split() == ["worker", "idle", "0", "3", "3", "0", "0"]
    assert other.split() == ["other", "idle", "0", "1", "1", "0", "0"]
    assert all(" worker: " in line or " other: " in line for line in lines)
    assert any("other: 1 started, 1 of 2 running" in line for line in lines)


def test_a_turn_without_work_prints_no_line(function: Lambda, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty queue is idle at once."""
    assert main(["orchestrate", "worker", "--until-idle"]) == 0
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["Done.", "labourer", "worker"]
    assert printed.err == ""


def test_only_the_named_labourers(function: Lambda, capsys: pytest.CaptureFixture[str]) -> None:
    """Each once, though it is named twice."""
    queue("a")
    queue("x", labourer="other")
    assert main(["orchestrate", "worker", "worker", "--until-idle", "--output", "json"]) == 0
    assert [event["word"] for event in function.events] == ["a"]
    assert list(records(capsys)) == ["worker"]


def test_once_takes_one_turn(function: Lambda, capsys: pytest.CaptureFixture[str]) -> None:
    """Of as many tasks as may run at once; other output than the table has the lines on stderr."""
    queue("a", "b", "c")
    assert main(["orchestrate", "worker", "--once", "--output", "json"]) == 0
    printed = capsys.readouterr()
    (record,) = json.loads(printed.out)
    assert (record["invoked"], record["state"]) == (2, "working")
    assert "worker: 2 started, 2 of 2 running" in printed.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_turns_under_way(
    number: signal.Signals,
    function: Lambda,
    aws: Aws,
    capfd: pytest.CaptureFixture[str],
    stopping_after_turns: Callable[[signal.Signals], None],
) -> None:
    """With the counts; what is left in the queue stays there, for the next call, which need not wait for a lease."""
    queue(*"abcdef")
    stopping_after_turns(number)
    assert main(["orchestrate", "worker"]) == 0
    printed = capfd.readouterr()
    assert "Stopped by a signal, after the turns under way." in printed.out
    assert printed.err == "Stopping after the turns under way. A second signal does not wait.\n"
    assert len(function.events) < 6
    assert main(["orchestrate", "worker", "--until-idle", "--output", "json"]) == 0
    assert records(capfd)["worker"]["holder"] == ""
    assert sorted(event["word"] for event in function.events) == list("abcdef")
    assert len(aws.rows("sosw_closed_tasks")) == 6


def test_a_task_that_fails_for_good(function: Lambda, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 3."""
    configure(labourers=json.dumps({"worker": {**SYNCHRONOUS, "max_attempts": 1}}))
    function.reply = lambda event: (200, "Handled", b'{"errorMessage": "no"}')
    queue("a")
    assert main(["orchestrate", "--until-idle", "--output", "json"]) == 3
    assert records(capsys)["worker"]["failed"] == 1


@pytest.mark.parametrize("invocation", ["request", "event"])
def test_a_task_that_cannot_be_invoked(
    invocation: str, function: Lambda, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """It failed for good, and was not invoked."""
    configure(labourers=json.dumps({"worker": {**SYNCHRONOUS, "invocation": invocation}}))
    function.reply = lambda event: (413, "RequestTooLargeException", b"{}")
    queue("a")
    assert main(["orchestrate", "--until-idle", "--output", "json"]) == 3
    assert records(capsys)["worker"]["failed"] == 1


@pytest.mark.parametrize("invocation", ["request", "event"])
def test_a_function_that_does_not_exist(
    invocation: str, function: Lambda, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """The labourer pauses, the reason is on stderr, and the exit code is 1."""
    configure(labourers=json.dumps({"worker": {**SYNCHRONOUS, "invocation": invocation}}))
    function.reply = lambda event: (404, "ResourceNotFoundException", b"{}")
    queue("a")
    assert main(["orchestrate", "worker", "--once"]) == 1
    printed = capsys.readouterr()
    assert "The labourer worker pauses: " in printed.err
    assert "paused" in printed.out


@pytest.mark.parametrize("invocation", ["request", "event"])
def test_until_idle_ends_if_only_labourers_with_a_lasting_fault_have_tasks(
    invocation: str,
    function: Lambda,
    configure: Configure,
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All other tasks are closed; the reason and its fix are on stderr, and the exit code is 1."""
    monkeypatch.setattr("sosw_airflow.orchestration.pace._PAUSE", 0.01)
    configure(labourers=json.dumps({"worker": {**SYNCHRONOUS, "invocation": invocation}, "other": SYNCHRONOUS}))

    def reply(event: dict[str, Any]) -> Reply:
        if event["labourer_id"] == "worker":
            return 403, "AccessDeniedException", b"{}"
        return 200, "", b"1"

    function.reply = reply
    queue("a")
    queue("x", "y", labourer="other")
    assert main(["orchestrate", "--until-idle"]) == 1
    assert "The labourer worker pauses: " in capsys.readouterr().err
    assert [row["task_id"]["S"][0] for row in aws.rows()] == ["a"]
    assert len(aws.rows("sosw_closed_tasks")) == 2


def test_a_labourer_of_another_orchestrator(function: Lambda, aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name stands in the table; nothing is invoked."""
    from sosw_airflow.orchestration.lease import Lease

    queue("a")
    assert Lease(aws.dynamodb, aws.names.jobs_table, "worker", "host/1").acquire()
    assert main(["orchestrate", "worker", "--once"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "worker: processed by host/1" in lines[0]
    assert lines[-1].split() == ["worker", "elsewhere", "0", "0", "0", "0", "0", "host/1"]
    assert function.events == []


def test_an_unknown_labourer(function: Lambda, capsys: pytest.CaptureFixture[str]) -> None:
    """Is refused before anything is invoked."""
    queue("a")
    assert main(["orchestrate", "worker", "strange", "--once"]) == 1
    assert "strange" in capsys.readouterr().err
    assert function.events == []


def test_once_and_until_idle_exclude_each_other(function: Lambda, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage."""
    assert main(["orchestrate", "--once", "--until-idle"]) == 2
    assert "--once or --until-idle" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [100, 40])
def test_a_terminal_has_a_table_that_follows(
    columns: int, function: Lambda, terminal: Callable[[int], Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    """It fits the terminal; at the end the counts stay, in colour."""
    queue("a", "b", "c")
    opened = terminal(columns)
    assert main(["orchestrate", "worker", "--until-idle"]) == 0
    printed = opened.getvalue()
    assert "Ctrl-C ends it." in printed
    live, _, last = printed.rpartition("Done.")
    assert "\x1b[2K" in live  # the table was removed
    assert "\x1b[32midle" in last
    assert "running\n" not in live.replace("of 2 running", "")  # no line for a turn
    assert capsys.readouterr().err == ""


class ClosedPipe:
    """A standard output whose reader has gone."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It is no terminal."""
        return False

    def write(self, text: str) -> int:
        """Fail as a pipe does."""
        raise BrokenPipeError

    def flush(self) -> None:
        """Nothing waits."""

    def fileno(self) -> int:
        """It has none."""
        raise ValueError


def test_a_closed_pipe_ends_it(function: Lambda, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a traceback, and without a lease that the next orchestrator would wait for."""
    queue(*"abcdef")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", ClosedPipe())
        assert main(["orchestrate", "worker"]) == BROKEN_PIPE
    assert len(function.events) < 6
    assert main(["orchestrate", "worker", "--until-idle"]) == 0
    assert len(aws.rows("sosw_closed_tasks")) == 6
