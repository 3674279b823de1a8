"""`sosw-airflow` as a process: pipes that close, Ctrl-C, completion, and how little it imports."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sosw_airflow import __version__
from sosw_airflow.cli import COMMANDS, main
from sosw_airflow.cli.exit_codes import INTERRUPTED
from sosw_airflow.testing.kit import Sosw

COMMAND = [sys.executable, "-c", "import sys; from sosw_airflow.cli import main; sys.exit(main())"]
SCHEMA = '{"chunkable_attrs": ["word"]}'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `job.json`, to be in."""
    monkeypatch.chdir(tmp_path)
    job = {"words": [f"word{number}" for number in range(3000)], "isolate_words": True}
    (tmp_path / "job.json").write_text(json.dumps(job))
    return tmp_path


PLAN = [*COMMAND, "plan", "job.json", "--labourer", "w", "--schema", SCHEMA]


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """Run it in bash, with the plan's command as its arguments."""
    return subprocess.run(["bash", "-c", script, "bash", *PLAN], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("samples", ["1", "2000"])
def test_a_pipe_that_closes(samples: str) -> None:
    """Ends the command quietly, as it ends any other; with little output and with more than a pipe holds."""
    ended = shell(f'set -o pipefail; "$@" --samples {samples} | (exec <&-; sleep 0.3)')
    assert (ended.returncode, ended.stderr) == (141, "")
    ended = shell(f'"$@" --samples {samples} | head -1')
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "job.json: 3,000 tasks for w\n", "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", ["--version", "--help", "plan --help"])
def test_help_into_a_closed_pipe(arguments: str, unbuffered: str) -> None:
    """Ends quietly; argparse itself passes over what it cannot write."""
    command = shlex.join(COMMAND)
    ended = shell(
        f"PYTHONUNBUFFERED={unbuffered} {command} {arguments} | (exec <&-; sleep 0.5); exit ${{PIPESTATUS[0]}}"
    )
    assert ended.stderr == ""
    assert ended.returncode in ((141,) if not unbuffered or arguments == "--version" else (0,))


def test_help_onto_a_full_disk() -> None:
    """Is reported in one line."""
    ended = shell(f"PYTHONUNBUFFERED= {shlex.join(COMMAND)} --version > /dev/full")
    assert (ended.returncode, ended.stderr) == (1, "sosw-airflow: cannot write the output: No space left on device\n")


def test_an_error_into_a_closed_pipe() -> None:
    """Keeps its exit code."""
    ended = shell('set -o pipefail; "$@" --schema none.json 2>&1 >/dev/null | (exec <&-; sleep 0.3)')
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_full_disk() -> None:
    """Is reported in one line."""
    ended = shell('"$@" > /dev/full')
    assert ended.returncode == 1
    assert ended.stderr == "sosw-airflow plan: cannot write the output: No space left on device\n"


def test_no_standard_output_at_all() -> None:
    """The work is done all the same."""
    ended = shell('"$@" --max-tasks 1 >&-')
    assert ended.returncode == 3
    assert "Traceback" not in ended.stderr


def test_a_terminal_that_knows_ascii_only() -> None:
    """Other characters are shown as escapes, not as a traceback."""
    Path("job.json").write_text(json.dumps({"words": ["é"], "isolate_words": True}))
    ended = shell('PYTHONIOENCODING=ascii "$@"')
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\\xe9 (1)" in ended.stdout


def test_a_file_that_is_not_utf_8() -> None:
    """Is refused with the place of the byte."""
    Path("job.json").write_bytes(b'{"words": ["\xe9"]}')
    ended = shell('"$@"')
    assert ended.returncode == 1
    assert "UTF-8" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_while_a_job_is_watched(
    sosw: Sosw, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends it without a traceback, with the shell's exit code for it."""
    Path("job.json").write_text('{"words": ["a", "b"], "isolate_words": true}')
    assert main(["schedule", "job.json", "--labourer", "pull", "--id", "x", "-o", "json"]) == 0
    job_id = json.loads(capsys.readouterr().out)["job_id"]

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    assert main(["status", job_id, "--watch"]) == INTERRUPTED
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "\n")


def test_a_watch_ends_with_the_job(
    sosw: Sosw, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And shows its end; a tolerance decides about the exit code."""
    Path("job.json").write_text('{"words": ["a", "b", "c", "d"], "isolate_words": true}')
    assert main(["schedule", "job.json", "--labourer", "pull", "--id", "x", "-o", "json"]) == 0
    job_id = json.loads(capsys.readouterr().out)["job_id"]
    polls = iter([None, lambda: sosw.fail("pull", limit=1), lambda: sosw.finish("pull")])

    def work(seconds: float) -> None:
        assert seconds == 7
        step: Any = next(polls)
        step() if step else None

    monkeypatch.setattr(time, "sleep", work)
    assert main(["status", job_id, "--watch", "--interval", "7"]) == 3
    assert next(polls, None) is None
    assert "closed" in capsys.readouterr().out.splitlines()[0]
    assert main(["status", job_id, "--tolerated-failures", "25%"]) == 0
    assert main(["status", job_id, "--tolerated-failures", "24%"]) == 3


@pytest.mark.slow
def test_ctrl_c_in_a_real_terminal() -> None:
    """In the middle of a command: one empty line, no traceback, and the cursor is back."""
    os.mkfifo("job.fifo")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(PLAN[0], ["job.fifo" if each == "job.json" else each for each in PLAN])  # noqa: S606
    with Path("job.fifo").open("wb"):  # opens once the command reads, which it does until the file ends
        os.write(terminal, b"\x03")
        time.sleep(0.2)
    printed = b""
    try:
        while part := os.read(terminal, 4096):
            printed += part
    except OSError:
        pass
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == INTERRUPTED
    assert b"Traceback" not in printed


def test_the_version() -> None:
    """For a report."""
    ended = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"airflow-provider-sosw {__version__}\n"


def completions(line: str) -> list[str]:
    """What argcomplete offers at the end of the line."""
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    script = f"{sys.executable} -c '{COMMAND[2]}' 8>&1 9>/dev/null >/dev/null 2>/dev/null"
    ended = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    return [each.strip() for each in ended.stdout.split("\n") if each.strip()]


def test_commands_are_completed() -> None:
    """And their options, and the values of these."""
    assert set(completions("sosw-airflow ")) >= set(COMMANDS)
    assert completions("sosw-airflow sch") == ["schedule"]
    assert completions("sosw-airflow schedule job.json --lab") == ["--labourer"]
    assert completions("sosw-airflow jobs --output y") == ["yaml"]
    assert completions("sosw-airflow jobs --state can") == ["cancelled"]


def test_argcomplete_finds_the_command() -> None:
    """Its global completion reads the first kilobyte of the entry point's module."""
    import sosw_airflow.cli

    assert "PYTHON_ARGCOMPLETE_OK" in Path(str(sosw_airflow.cli.__file__)).read_text()[:1024]


def imported_by(*arguments: str) -> set[str]:
    """The modules that a call loads."""
    script = (
        "import sys\nfrom sosw_airflow.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return set(ended.stderr.splitlines()[-1].split())


def test_help_imports_no_command() -> None:
    """It starts in the time of Python and argparse."""
    loaded = imported_by("--help")
    assert {name for name in loaded if name.startswith("sosw_airflow.")} == {"sosw_airflow.cli"}


def test_a_plan_in_a_pipe_needs_the_standard_library_alone() -> None:
    """Neither Airflow nor boto3 nor rich nor another command."""
    loaded = imported_by("plan", "job.json", "--labourer", "w", "--schema", SCHEMA)
    top_level = {name.partition(".")[0] for name in loaded}
    assert top_level & {"airflow", "boto3", "botocore", "rich", "yaml", "argcomplete"} == set()
    assert {f"sosw_airflow.cli.{name}" for name in ("jobs", "status", "doctor", "import_config")} & loaded == set()


def test_signals_of_a_background_process_are_heard(tmp_path: Path) -> None:
    """A shell's `&` ignores SIGINT in the child; SIGTERM ends it at once."""
    Path("job.json").write_text(json.dumps({"words": [str(n) for n in range(1_000_000)], "isolate_words": True}))
    process = subprocess.Popen(PLAN, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.7)
    process.terminate()
    _, error = process.communicate(timeout=10)
    assert (process.returncode, error) == (-signal.SIGTERM, b"")
