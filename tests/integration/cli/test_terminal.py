"""What is printed fits the terminal, is coloured by state, and is plain in a pipe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from sosw_airflow.cli import COMMANDS, main
from sosw_airflow.cli.output import FORMATS, print_document
from sosw_airflow.cli.progress import progress_bars
from sosw_airflow.cli.terminal import Column, Line, show_lines, show_table, show_text
from tests.integration.cli.conftest import Terminal

COLUMNS = (Column("job_id"), Column("state"), Column("tasks", right=True), Column("by", folds=True))
ROWS = [
    ("0123456789abcdef0123", "written", "1,234", "a_dag_with_a_long_name.schedule manual__2026-03-02T00:00:00"),
    ("fedcba98765432100000", "cancelled", "5", "short"),
]
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

OpenTerminal = Callable[[int], Terminal]


def lines(opened: Terminal) -> list[str]:
    """What a person sees."""
    return [line.rstrip() for line in _COLOUR.sub("", opened.getvalue()).splitlines()]


def test_a_table_in_a_wide_terminal(terminal: OpenTerminal) -> None:
    """One line a row."""
    opened = terminal(120)
    show_table(COLUMNS, ROWS)
    assert [line.split()[0] for line in lines(opened)] == ["job_id", *(row[0] for row in ROWS)]


def test_long_values_fold_before_ids_break(terminal: OpenTerminal) -> None:
    """In a terminal of medium width."""
    opened = terminal(70)
    show_table(COLUMNS, ROWS)
    seen = lines(opened)
    assert max(map(len, seen)) <= 70
    assert sum(row[0] in line for line in seen for row in ROWS) == 2


@pytest.mark.parametrize("columns", [40, 20, 10, 1])
def test_a_narrow_terminal_loses_nothing(columns: int, terminal: OpenTerminal) -> None:
    """The values of a row stand below each other, each whole."""
    opened = terminal(columns)
    show_table(COLUMNS, ROWS)
    text = "".join(re.sub(r"\s", "", line) for line in lines(opened))
    if columns >= 30:
        assert max(map(len, lines(opened))) <= columns
        assert all(re.sub(r"\s", "", cell) in re.sub("job_id|state|tasks|by", "", text) for row in ROWS for cell in row)


def test_a_state_has_a_colour(terminal: OpenTerminal) -> None:
    """Each state its own."""
    opened = terminal(120)
    show_table(COLUMNS, ROWS)
    assert re.search(r"\x1b\[36mwritten *\x1b\[0m", opened.getvalue())
    assert re.search(r"\x1b\[35mcancelled *\x1b\[0m", opened.getvalue())


def test_no_color_is_honoured(terminal: OpenTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell and no text has a colour then."""
    opened = terminal(120)
    monkeypatch.setenv("NO_COLOR", "1")
    show_table(COLUMNS, ROWS)
    show_text("closed", "closed")
    assert re.search(r"\x1b\[[0-9;]*3\d", opened.getvalue()) is None


def test_a_pipe_gets_whole_lines_without_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However narrow the terminal behind it is, and even if colours are forced."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    show_table(COLUMNS, ROWS)
    show_lines([Line("label", "long " * 50, "error")])
    show_text("text " * 50, "error")
    printed = capsys.readouterr().out
    assert printed.splitlines()[1] == f"{ROWS[0][0]}  written    1,234  {ROWS[0][3]}"
    assert len(printed.splitlines()) == 5
    assert "\x1b" not in printed


@pytest.mark.parametrize("piped", [True, False])
def test_control_characters_do_not_reach_the_terminal(
    piped: bool, terminal: OpenTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that was read from AWS can neither colour, move the cursor, nor reverse the text."""
    opened = None if piped else terminal(120)
    show_table(COLUMNS, [("\x1b[2J", "\x9b31m", "\u202e", "a\nb\tc [red]d[/red]")])
    text = capsys.readouterr().out if opened is None else _COLOUR.sub("", opened.getvalue())
    assert not re.search("[\x1b\x9b\u202e]", text)
    assert "\\x1b[2J" in text
    assert "[red]d[/red]" in text


def test_json_and_yaml_are_the_same_document(capsys: pytest.CaptureFixture[str]) -> None:
    """And YAML keeps texts that could be read as other types."""
    document = [{"a": (1, None), "b": "2026-03-02", "c": "é" * 200, "d": "no"}]
    print_document(document, "json")
    as_json = json.loads(capsys.readouterr().out)
    print_document(document, "yaml")
    assert as_json == yaml.safe_load(capsys.readouterr().out) == [{**document[0], "a": [1, None]}]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_format_is_wrong_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names those that exist."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--output", "xml"])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert all(known in error for known in ("xml", *FORMATS))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_narrow_terminal(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And ends with the exit codes."""
    monkeypatch.setenv("COLUMNS", "40")
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    text = capsys.readouterr().out.partition("\n\n")[2]  # argparse does not break the usage in the middle of a word
    assert ended.value.code == 0
    assert "exit codes:" in text
    assert [line for line in text.splitlines() if len(line) > 40 and " " in line.strip()] == []


def test_every_command_of_an_installation_in_a_narrow_terminal(
    sosw: Any, terminal: OpenTerminal, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is longer than the terminal, but for commands to copy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.json").write_text('{"words": ["a", "b"], "isolate_words": true}')
    opened = terminal(40)
    assert main(["schedule", "job.json", "--labourer", "pull", "--id", "x"]) == 0
    job_id = re.search("[0-9a-f]{20}", opened.getvalue())
    assert job_id is not None
    assert main(["status", job_id[0]]) == 3
    assert main(["jobs"]) == 0
    assert main(["init"]) == 0
    assert main(["plan", "job.json", "--labourer", "pull", "--schema", '{"chunkable_attrs": ["word"]}']) == 0
    main(["doctor"])
    sosw.finish("pull", limit=1)
    sosw.fail("pull")
    assert main(["repair", job_id[0]]) == 0
    row = json.dumps({"labourer_id": "pull", "words": ["c"]})
    sosw.s3.put_object(Bucket=sosw.queue_bucket, Key="sosw/scheduler/tasks_queue_left.txt", Body=row.encode())
    assert main(["drain", "tasks_queue_left.txt"]) == 0
    assert main(["cancel", job_id[0]]) == 0
    (tmp_path / "config.json").write_text('{"queue_bucket": "bucket", "job_schema": {"chunkable_attrs": []}}')
    assert main(["import-config", "config.json", "--output-dir", "imported"]) == 0
    assert [line for line in lines(opened) if len(line) > 40] == []


@pytest.mark.parametrize(("done", "share"), [(0, "0 %"), (999, "99 %"), (1000, "100 %")])
def test_the_share_of_a_progress_bar(
    terminal: OpenTerminal, monkeypatch: pytest.MonkeyPatch, done: int, share: str
) -> None:
    """Rounded down: 100 % are all tasks."""
    monkeypatch.setattr("sys.stderr", opened := terminal(120))
    with progress_bars() as bar:
        bar("Writing the job j", 1000, done=done).report()
    shown = re.findall(r"(\d+ %).*?(\d[\d,]*/1,000)", opened.getvalue())
    assert (share, f"{done:,}/1,000") in shown
    assert {each for each, _ in shown} == {share}
