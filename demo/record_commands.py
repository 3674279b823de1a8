"""Records every command of `sosw-airflow` in a wide and in a narrow terminal, and writes docs/reference/cli.md.

`python -m demo.record_commands` records and writes; `--check` records and fails if the files differ;
`--from-transcript` writes the page from the transcript as it is. The transcript has the colours as well.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import json
import os
import pty
import re
import shlex
import struct
import sys
import tempfile
import termios
import traceback
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from demo.embedded_aws import running
from demo.settings import ACCESS_KEY, REGION, SECRET_KEY

ROOT = Path(__file__).parents[1]
TRANSCRIPT = ROOT / "docs" / "reference" / "cli-transcript.json"
PAGE = ROOT / "docs" / "reference" / "cli.md"

WIDE, NARROW = 100, 40

FILES: dict[str, Any] = {
    "job.json": {
        "topics": {"cars": {"words": ["toyota", "mazda"]}, "food": {"words": ["melon", "sushi"]}},
        "isolate_words": True,
        "period": "last_2_days",
        "isolate_days": True,
    },
    "sosw_scheduler_config.json": {
        "queue_bucket": "app_control-bucket",
        "task_config": {"labourers": {"pull_hashtags": {"max_simultaneous_invocations": 3}}},
        "job_schema_variants": {"default": {"chunkable_attrs": ["topic", "word"]}},
    },
}
VARIABLES = {
    "sosw_labourers": {"pull_hashtags": {}, "pull_weather": {"invocation": "request"}},
    "sosw_job_schemas": {"default": {"chunkable_attrs": ["topic", "word"]}},
}
BUCKET = "my-queue-bucket"


@dataclass(frozen=True)
class Entry:
    """A command, and what it has printed.

    :ivar output: of a terminal with so many columns; stderr, which is none here, comes last.
    """

    section: str
    command: str
    columns: int
    code: int
    output: str


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.record_commands", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    parser.add_argument("--from-transcript", action="store_true", help="do not record again")
    arguments = parser.parse_args()
    if arguments.from_transcript:
        entries = [Entry(**entry) for entry in json.loads(TRANSCRIPT.read_text())]
    else:
        entries = [entry for columns in (WIDE, NARROW) for entry in record(columns)]
    texts = {TRANSCRIPT: json.dumps([asdict(entry) for entry in entries], indent=1) + "\n", PAGE: page(entries)}
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if arguments.check:
            print(f"{path.relative_to(ROOT)} is not what the commands print. Fix: python -m demo.record_commands")
        else:
            path.write_text(texts[path])
            print(f"Written: {path.relative_to(ROOT)}")
    return 1 if arguments.check and stale else 0


# -- recording ---------------------------------------------------------------------------------------------------------


def record(columns: int) -> Iterator[Entry]:
    """Run all commands, with an AWS that is empty at first."""
    from demo.queue import Queue
    from sosw_airflow.cli import COMMANDS

    with tempfile.TemporaryDirectory() as folder, running(Path(folder, "aws")) as aws:
        _prepare(Path(folder), aws.url)

        def run(section: str, *words: str, code: int = 0) -> Entry:
            entry = _run(section, words, columns, Path(folder), aws.url)
            if entry.code != code:
                message = f"`{entry.command}` ended with {entry.code} instead of {code}:\n{entry.output}"
                raise RuntimeError(message)
            return entry

        yield run("", "--help")
        for name in COMMANDS:
            yield run(name, name, "--help")
        yield run("init", "init")
        yield run("doctor", "doctor", "--quiet", code=1)
        yield run("init", "init", "--apply")
        yield run("import-config", "import-config", "sosw_scheduler_config.json", "-o", "yaml")
        Queue(aws.url).create_function("pull_hashtags", failures=0)
        yield run("doctor", "doctor", code=1)
        yield run("plan", "plan", "job.json", "--labourer", "pull_hashtags", "--date", "2026-03-02")
        schedule = ("schedule", "job.json", "--labourer", "pull_hashtags", "--date", "2026-03-02", "--id", "by-hand")
        yield run("schedule", *schedule)
        yield run("schedule", *schedule)
        _work(aws.url, failing="mazda")
        _leave_queue_file()
        yield run("drain", "drain", "tasks_queue_left.txt", "--id", "left")
        yield run("jobs", "jobs")
        yield run("jobs", "jobs", "--output", "plain", "--labourer", "pull_hashtags")
        job_id = _job_id("schedule", "by-hand")
        yield run("status", "status", job_id, code=3)
        yield run("results", "results", job_id, "--limit", "6")
        yield run("results", "results", job_id, "--state", "failed", "--output", "plain")
        yield run("repair", "repair", job_id)
        yield run("status", "status", job_id, "--output", "yaml", "--failed", "1", code=3)
        yield run("set", "set", job_id, "--max-running", "3", "--position", "front")
        yield run("cancel", "cancel", job_id)
        Queue(aws.url).create_function("pull_weather", failures=0)
        yield run("orchestrate", "orchestrate", "pull_weather", "--until-idle")
        yield run("pause", "pause", "pull_hashtags", "--reason", "the supplier is away")
        yield run("resume", "resume", "pull_hashtags")


def _prepare(folder: Path, url: str) -> None:
    extra = {"queue_bucket": BUCKET, "region_name": REGION, "endpoint_url": url, "aws_conn_id": ""}
    os.environ.update(
        AIRFLOW_HOME=str(folder / "airflow"),
        AIRFLOW_CONN_SOSW_DEFAULT=json.dumps({"conn_type": "sosw", "extra": extra}),
        AWS_ACCESS_KEY_ID=ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY=SECRET_KEY,
        AWS_DEFAULT_REGION=REGION,
        AWS_ENDPOINT_URL=url,
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="127.0.0.1",
        **{f"AIRFLOW_VAR_{name.upper()}": json.dumps(document) for name, document in VARIABLES.items()},
    )
    for name, document in FILES.items():
        (folder / name).write_text(json.dumps(document))
    # Each command runs in a fork of this process, so that Airflow is imported once.
    from sosw_airflow.cli import main as command

    with redirect_stdout(io.StringIO()):
        command(["doctor"])


def _run(section: str, words: Sequence[str], columns: int, folder: Path, url: str) -> Entry:
    """Run a command in a terminal of so many columns."""
    from sosw_airflow.cli import main as command

    sys.stdout.flush()
    errors, errors_end = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        code = 99
        try:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
            os.dup2(errors_end, 2)
            # The streams of before know whether they could seek.
            for number, name in ((1, "stdout"), (2, "stderr")):
                stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
                setattr(sys, name, stream)
                setattr(sys, f"__{name}__", stream)
            os.environ.update(TERM="xterm-256color")
            for name in ("COLUMNS", "COLORTERM", "NO_COLOR", "FORCE_COLOR"):
                os.environ.pop(name, None)
            os.chdir(folder)
            code = command(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:  # noqa: BLE001 - the fork must not return into its parent's code
            traceback.print_exc()
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    os.close(errors_end)
    output = _read(terminal) + _read(errors)
    _, status = os.waitpid(pid, 0)
    text = _without_chance(output.decode().replace("\r\n", "\n"), url)
    return Entry(section, shlex.join(["sosw-airflow", *words]), columns, os.waitstatus_to_exitcode(status), text)


def _read(file: int) -> bytes:
    parts = []
    with suppress(OSError):  # Linux's way to say that the other end of a terminal is closed
        while part := os.read(file, 1 << 16):
            parts.append(part)
    os.close(file)
    return b"".join(parts)


def _without_chance(text: str, url: str) -> str:
    """The text without what differs from run to run: the clock's day and time, the server's port. Widths stay.

    Nor has it the table that follows the turns: how often that is drawn depends on the machine.
    """
    text = _LIVE.sub("", text)
    text = text.replace(datetime.now(timezone.utc).date().isoformat(), "2026-03-02")
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?=Z|\+00:00)", "2026-03-02T06:00:00", text)
    port = url.rpartition(":")[2]
    return text.replace(port, "4566".rjust(len(port), "1"))


def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def _work(url: str, *, failing: str) -> None:
    """Complete all tasks but those with this word, which fail."""

    def posts(payload: dict[str, Any]) -> dict[str, int]:
        return {word: 7 * len(word) for word in payload["words"]}

    from demo.queue import Queue

    sosw = Queue(url).sosw()
    error = "TimeoutError: no answer after 30 s"
    sosw.fail("pull_hashtags", only=lambda payload: failing in payload["words"], error=error)
    sosw.finish("pull_hashtags", result=posts)


def _leave_queue_file() -> None:
    lines = [json.dumps({"labourer_id": "pull_weather", "payload": {"city": city}}) for city in ("Kyoto", "Oslo")]
    _client("s3").put_object(Bucket=BUCKET, Key="sosw/scheduler/tasks_queue_left.txt", Body="\n".join(lines).encode())


def _job_id(command: str, run_id: str) -> str:
    from sosw_airflow.jobs.identity import command_identity

    return command_identity(command, run_id, "pull_hashtags").job_id


# -- the page ----------------------------------------------------------------------------------------------------------

#: From hiding the cursor to showing it again, and the removal of what was drawn between.
_LIVE = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h(\r|\n|\x1b\[1A|\x1b\[2K)*", re.DOTALL)

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_HEAD = """# The command line

`sosw-airflow` sets up a deployment, and schedules, watches and repairs jobs from a terminal. The same commands are
`airflow sosw ...` since Airflow 3.2. `python -m demo.record_commands` writes this page from what the commands print.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | refused, or failed; the reason is on stderr |
| 2 | wrong usage, a file that cannot be read, or no Airflow in this environment |
| 3 | not finished, or over a tolerance or a limit that you gave |
| 130 | interrupted by Ctrl-C |

**Output.** `--output table` is for you: it fits the terminal and is coloured by state. In a pipe it has neither
colours nor wrapped lines; `NO_COLOR=1` switches colours off. `json` and `yaml` have all fields. `plain` has a header
and one line a row. Results are on stdout; progress bars, hints and errors are on stderr.

**Completion.** `eval "$(register-python-argcomplete sosw-airflow)"` completes commands and options in bash and zsh.

**Ctrl-C** while `schedule`, `drain` or `repair` writes: the requests in flight are finished, and you see the command
that resumes the job. A second Ctrl-C does not wait. What is written stays written, and no task is written twice.
"""


def page(entries: Sequence[Entry]) -> str:
    """The Markdown page."""
    from sosw_airflow.cli import COMMANDS

    parts = [_HEAD]
    for name in ("", *COMMANDS):
        if name:
            parts.append(f"## {name}\n\n{COMMANDS[name].help}\n")
        mine = [entry for entry in entries if entry.section == name]
        wide = [entry for entry in mine if entry.columns == WIDE]
        narrow = [entry for entry in mine if entry.columns == NARROW and not entry.command.endswith("--help")]
        parts += [_block(entry) for entry in wide]
        if narrow:
            parts.append(f"In a terminal of {NARROW} columns:\n")
            parts += [_block(entry) for entry in narrow]
    return "\n".join(parts)


def _block(entry: Entry) -> str:
    lines = [line.rstrip() for line in _COLOUR.sub("", entry.output).splitlines()]
    code = [f"[exit code {entry.code}]"] if entry.code else []
    return "\n".join(["```text", f"$ {entry.command}", *lines, *code, "```", ""])


if __name__ == "__main__":
    sys.exit(main())
