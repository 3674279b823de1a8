"""Flame graphs of the expansion and of the writer, before and after: ``python -m benchmarks.flames``.

py-spy samples a process a few hundred times a second, and counts threads that run Python, not those that wait for an
answer; a box is as wide as the part of the samples that were in the function. What came before is a commit of this
repository, checked out beside. `make bench` installs py-spy.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.emulators.ministack_emulator import ministack_server

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parent.parent
_IMAGES = Path("docs", "images")

#: A commit before pages were ready text, and before nodes were checked together.
_BEFORE = "19517bf"

#: Samples a second, and boxes that are left out because nobody could read them, in percent of the width.
_RATE = 500
_NARROW = 1.5

#: Name -> tasks, and a program with places for them and for the emulator's address.
_WORKLOADS = {
    "expansion": (
        200_000,
        """
from benchmarks.jobs import JOBS, LABOURER, REFERENCE_DATE, SCHEMA
from sosw_airflow.jobs.blocks import blocks_of
from sosw_airflow.jobs.expansion import Expansion
from sosw_airflow.jobs.rows import LineCodec

job = JOBS["day"]({tasks})
for _ in range(20):
    expansion = Expansion(job, schema={{"chunkable_attrs": SCHEMA}}, reference_date=REFERENCE_DATE)
    for block in blocks_of(expansion, LineCodec(LABOURER)):
        block.text.encode("ascii")
""",
    ),
    "writer": (
        60_000,
        """
from benchmarks.writer_ours import measure_pages

measure_pages({url!r}, {tasks}, 0)
""",
    ),
}


def main() -> int:
    """Draw the four graphs into docs/images."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flames", description="Flame graphs, before and after.")
    parser.add_argument("--before", default=_BEFORE, metavar="COMMIT", help="default: %(default)s")
    parser.add_argument("--small", action="store_true", help="a fiftieth of the tasks, to see that it works")
    parser.add_argument("--folder", type=Path, default=_IMAGES, help="default: %(default)s")
    arguments = parser.parse_args()
    spy = shutil.which("py-spy") or _beside("py-spy")
    with (
        tempfile.TemporaryDirectory() as folder,
        ministack_server(Path(folder, "ministack.log")) as emulator,
        _checked_out(arguments.before, Path(folder, "before")) as before,
    ):
        for name, (tasks, program) in _WORKLOADS.items():
            for which, tree in (("before", before), ("after", _ROOT)):
                emulator.reset()
                _prepare(emulator)
                work = program.format(tasks=tasks // 50 if arguments.small else tasks, url=emulator.endpoint_url)
                target = arguments.folder / f"flame-{name}-{which}.svg"
                _draw(spy, tree, work, target.resolve())
                sys.stdout.write(f"{target}: {target.stat().st_size // 1024} KB\n")
    return 0


def _beside(program: str) -> str:
    """The program where `make bench` installs it."""
    return str(_ROOT / "build" / "benchmarks" / "packages" / "bin" / program)


def _prepare(emulator: Any) -> None:
    from benchmarks.writer_ours import BUCKET
    from sosw_airflow.stores.tables import create_missing_tables

    create_missing_tables(emulator.client("dynamodb"))
    emulator.create_bucket(BUCKET)


@contextmanager
def _checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """The files of a commit."""
    folder.mkdir()
    packed = subprocess.run(["git", "archive", commit], cwd=_ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603, S607
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)  # noqa: S603, S607
    yield folder


def _draw(spy: str, tree: Path, program: str, target: Path) -> None:
    work = [sys.executable, "-c", program]
    command = [spy, "record", "--rate", str(_RATE), "--gil", "--function", "--output", str(target), "--", *work]
    subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    places = {spy: "py-spy", str(target): target.name, sys.executable: "python", f"{tree}/": "", f"{sys.prefix}/": ""}
    target.write_text(_reduced(target.read_text(), places))


def _reduced(graph: str, places: dict[str, str]) -> str:
    """Without boxes that are too narrow to be read.

    :param places: of this machine, and what stands for them.
    """

    def kept(box: re.Match[str]) -> str:
        return box[0] if float(box[1]) >= _NARROW else ""

    graph = re.sub(r'<g><title>[^<]*</title><rect x="[^"]*" y="[^"]*" width="([\d.]+)%".*?</g>', kept, graph)
    for place, name in places.items():
        graph = graph.replace(place, name)
    return graph


if __name__ == "__main__":
    sys.exit(main())
