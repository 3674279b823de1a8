"""The benchmarks fit the code that they measure."""

from __future__ import annotations

import argparse
import io
import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

import benchmarks.__main__ as command
from benchmarks import ALL, BENCHMARKS, NAMED, QUICK
from benchmarks.fresh_process import repeated, spread
from benchmarks.report import Goal, Report, write_goals

PAGES = [Path("docs/guides/performance.md"), Path("docs/guides/scale.md")]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_can_be_started(name: str) -> None:
    """Its module finds everything that it imports, and describes itself for the command line."""
    module = import_module(BENCHMARKS[name])
    assert module.ABOUT
    assert callable(module.add_arguments)
    assert callable(module.run)


def test_all_are_known() -> None:
    """What `all` runs exists."""
    assert {*ALL, *NAMED} <= set(BENCHMARKS)
    assert set(ALL) == set(QUICK)


@pytest.mark.parametrize("name", ALL)
def test_its_arguments_are_known_and_its_table_has_a_place(name: str) -> None:
    """Else `make bench` fails after half an hour, or loses the table."""
    parser = argparse.ArgumentParser()
    import_module(BENCHMARKS[name]).add_arguments(parser)
    for options in (ALL[name], QUICK[name]):
        parser.parse_args(options)
    pages = "".join(page.read_text() for page in PAGES)
    assert pages.count(f"<!-- {name}: begin -->\n") == pages.count(f"<!-- {name}: end -->") == 1


def test_the_repetitions_differ_by_so_much() -> None:
    """In percent of the median."""
    assert spread([10.0, 9.0, 11.0]) == pytest.approx(20)
    assert spread([7.0]) == 0


def test_short_work_is_repeated() -> None:
    """Its time is that of once."""
    done: list[int] = []

    def work() -> dict[str, float]:
        done.append(sum(range(10_000)))
        return {"tasks": 3}

    figures = repeated(work, 0.01)
    assert len(done) > 1
    assert figures["tasks"] == 3
    assert figures["processor_seconds"] * len(done) == pytest.approx(0.01, rel=0.5)


def _report(name: str, goal: Goal) -> Report:
    return Report(name, f"About {name}", [("what", "what")], [{"what": "x"}], goals=[goal])


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two benchmarks of no work, and a document with their places."""
    found = {
        "one": _report("one", Goal("speed", "≥ 5 x", "6.0 x", reached=True)),
        "other": _report("other", Goal("memory", "≤ 40 MB", "41 MB", reached=False)),
    }
    modules = {
        name: SimpleNamespace(ABOUT=name, add_arguments=lambda _: None, run=lambda _, report=report: report)
        for name, report in found.items()
    }
    monkeypatch.setattr(command, "BENCHMARKS", {name: name for name in modules})
    monkeypatch.setattr(command, "ALL", {name: [] for name in modules})
    monkeypatch.setattr(command, "_FOLDER", tmp_path)
    monkeypatch.setattr(command.importlib, "import_module", modules.__getitem__)
    document = tmp_path / "page.md"
    places = [f"<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n" for name in ("goals", *modules)]
    document.write_text("# Page\n" + "text\n".join(places))
    return document


def _called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(command.sys, "argv", ["benchmarks", *arguments])
    return command.main()


def test_a_document_gets_every_table_and_the_goals(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the load and the time of each; the figures are also in files."""
    assert _called(monkeypatch, "all", "--document", str(two)) == 0
    text = two.read_text()
    assert "old" not in text
    assert "**About one** (" in text
    assert "; load " in text
    assert '| speed | ≥ 5 x | 6.0 x | yes | `make bench BENCH="one"` |' in text
    assert '| memory | ≤ 40 MB | 41 MB | no | `make bench BENCH="other"` |' in text
    assert json.loads((two.parent / "other.json").read_text())["goals"][0]["reached"] is False


def test_some_of_them_leave_the_goals_as_they_are(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of goals is of one run of all."""
    assert _called(monkeypatch, "all", "--only", "other", "--document", str(two)) == 0
    assert two.read_text().count("old") == 2


def test_quick_figures_go_into_a_copy(two: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are none."""
    before, copy = two.read_text(), tmp_path / "copies"
    copy.mkdir()
    monkeypatch.setattr(command, "_FOLDER", copy)
    assert _called(monkeypatch, "all", "--quick", "--document", str(two)) == 0
    assert two.read_text() == before
    assert "About one" in (copy / two.name).read_text()


def test_one_that_fails_leaves_the_document_as_it_is(
    two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others run, and the command fails."""
    before = two.read_text()
    monkeypatch.setattr(command.importlib.import_module("one"), "run", lambda _: 1 / 0)
    assert _called(monkeypatch, "all", "--document", str(two)) == 1
    assert two.read_text() == before
    found = capsys.readouterr()
    assert "FAILED: one" in found.out
    assert "ZeroDivisionError" in found.err
    assert "| memory |" in found.out


def test_the_goals_say_under_which_load() -> None:
    """At the start of the run, and at its end."""
    first, last = (_report(name, Goal("speed", "≥ 5 x")) for name in ("first", "last"))
    first.load, last.load, last.seconds = (0.1, 0.5), (0.5, 1.5), 90.0
    out = io.StringIO()
    write_goals([first, last], out)
    assert "| speed | ≥ 5 x | not in this run |  |" in out.getvalue()
    assert "One run of 1.5 minutes, of which last took 1.5" in out.getvalue()
    assert "load 0.1 at its start, 1.5 at its end" in out.getvalue()
