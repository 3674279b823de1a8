"""`python -m demo run --date 2026-03-02`, `python -m demo up`, `python -m demo stop`: see `make demo`, `make up`."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo import embedded_aws
from demo.airflow_home import AirflowFailedError, AirflowHome
from demo.settings import ORCHESTRATED, connections, variables

if TYPE_CHECKING:
    from demo.queue import Task

DAG_ID = "sosw_hashtags"
STATE = Path(__file__).parents[1] / ".demo"


class Ended(BaseException):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def main() -> int:
    """Run the command that the command line names; return the exit code."""
    arguments = _arguments()
    state: Path = arguments.state.resolve()
    _end_on_signals()
    logging.disable(logging.INFO)  # what the demo does, it prints
    try:
        with _alone(state):
            if arguments.command == "stop":
                stopped = embedded_aws.stop(state)
                print(
                    "The embedded AWS has ended, and its rows with it." if stopped else "No embedded AWS was running."
                )
            elif arguments.command == "up":
                from demo.up import up

                up(state, arguments.port)
            else:
                _run(state, arguments.date)
    except (AirflowFailedError, embedded_aws.EmbeddedAwsError) as error:
        print(error, file=sys.stderr)
        return 1
    except Ended as ended:
        with suppress(OSError):  # the terminal may be closed
            print(f"\nStopped. `make {'up' if arguments.command == 'up' else 'demo'}` resumes.", file=sys.stderr)
        return 128 + ended.number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return 0


def _end_on_signals() -> None:
    """Let the first SIGINT, SIGTERM or SIGHUP raise `Ended`; later ones do not disturb the end.

    Shells start background processes with SIGINT ignored, `nohup` ignores SIGHUP; only the latter is meant.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def end(number: int, _: object) -> None:
        for each in numbers:
            signal.signal(each, lambda *_: None)
        raise Ended(number)

    for each in numbers:
        signal.signal(each, end)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--state", type=Path, default=STATE, help="folder for all that the demo keeps (.demo)")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the DAG and show its tasks")
    run.add_argument("--date", type=_date, required=True, help="the logical date of the DAG run, such as 2026-03-02")
    whole = commands.add_parser("up", help="start a whole Airflow, to click through")
    whole.add_argument("--port", type=_port, default=8080, help="of the UI (8080)")
    commands.add_parser("stop", help="end the embedded AWS")
    return parser.parse_args()


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is not a date such as 2026-03-02"
        raise argparse.ArgumentTypeError(message) from None
    if not 1970 < day.year < 9999:  # the job has days before the date, and the demo names the one behind it
        message = f"{text!r} is not a date from 1971 to 9998"
        raise argparse.ArgumentTypeError(message)
    return day


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 2**16:
        message = f"{text!r} is not a port from 1 to 65535"
        raise argparse.ArgumentTypeError(message)
    return int(text)


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Two demos of one checkout at once would write into the same Airflow: the second one waits."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(state: Path, day: date) -> None:
    from demo.queue import Queue

    began = time.monotonic()
    aws = embedded_aws.find(state)
    if aws:
        print(f"Embedded AWS  still runs at {aws.url}")
    else:
        aws = embedded_aws.start(state)
        print(f"Embedded AWS  started at {aws.url}")

    queue = Queue(aws.url)
    created = queue.create_what_is_missing()
    for labourer_id, failures in ORCHESTRATED.items():
        queue.create_function(labourer_id, failures)
    print(f"sosw          {'created ' + ', '.join(created) if created else 'has its tables and its bucket already'}")

    airflow = AirflowHome(state)
    print(f"Airflow       {state / 'airflow'}: connection sosw_default, variables {', '.join(variables())}")
    airflow.set_up(connections(aws.url), variables())

    before = queue.tasks()
    print(f"DAG run       {DAG_ID} for {day}")
    run = airflow.run(day, DAG_ID)[DAG_ID]
    _report(before, queue.tasks(), run["results"]["schedule"])
    print(
        f"\n{time.monotonic() - began:.0f} s. More: make demo DATE={day + timedelta(days=1)}. The end: make demo-stop"
    )


def _report(before: Sequence[Task], after: Sequence[Task], summary: dict[str, Any]) -> None:
    tasks = [task for task in after if task.task_id.startswith(summary["job_id"])]
    print()
    heading = ("task", "state", "attempts", "result", "payload")
    rows = [(str(each.index), each.state, str(each.attempts), each.result, each.payload) for each in tasks]
    for line in _table([heading, *rows]):
        print(line)

    words = {word for task in tasks for word in task.attribute("words")}
    days = sorted({day for task in tasks for day in task.attribute("date_list")})
    known = {task.task_id for task in before}
    new = sum(task.task_id not in known for task in tasks)
    states = ", ".join(f"{count} {state}" for state, count in Counter(task.state for task in tasks).items())
    print(f"\n{len(tasks)} tasks for {summary['labourer']}: {len(words)} words x {len(days)} days ({', '.join(days)})")
    print(f"{new} of them are new{'' if new else ': this run was scheduled before, and each task is put in once'}.")
    print(f"Lambda has run them: {states}.")
    print(f"sosw's tables hold {len(after)} tasks, {len(after) - len(before)} more than before.")


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns of equal width, but for the last."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for number, row in enumerate(rows):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True))
        if number == 0:
            yield "  ".join("-" * width for width in [*widths, len(row[-1])])


if __name__ == "__main__":
    sys.exit(main())
