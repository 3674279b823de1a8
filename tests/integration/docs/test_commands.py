"""The commands in docs/ print what the pages show.

In a `console` block a line with `$ sosw-airflow ...` is run, and what follows it up to the next `$` must be its output
(stdout, then stderr), or for `$ echo $?` its exit code. A JSON block whose paragraph before names a file in backticks
(`job.json`) is that file.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from sosw_airflow.cli import main
from tests.integration.docs.test_examples import PAGES, blocks_of, page_name

WITH_COMMANDS = [page for page in PAGES if any("$ sosw-airflow" in b.code for b in blocks_of(page, "console"))]
_FILE = re.compile(r"`([\w.-]+\.json)`[^`]*\n\n```json\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=page_name)
def test_commands_print_what_the_page_shows(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """All of a page, in its order, with the files that it shows; AWS, where it is needed, is empty at first."""
    monkeypatch.chdir(tmp_path)
    if "$ sosw-airflow doctor" in page.read_text():
        request.getfixturevalue("mocked_aws")
        extra = {"queue_bucket": "my-queue-bucket", "region_name": "us-west-2", "aws_conn_id": ""}
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as the commands set it, but not beyond the test
        monkeypatch.setenv("AIRFLOW_CONN_SOSW_DEFAULT", json.dumps({"conn_type": "sosw", "extra": extra}))
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_LABOURERS", '{"puller": {}}')
        monkeypatch.setenv("AIRFLOW_VAR_SOSW_JOB_SCHEMAS", '{"default": {"chunkable_attrs": ["word"]}}')
    for name, text in _FILE.findall(page.read_text()):
        Path(name).write_text(text)
    expected = [command for block in blocks_of(page, "console") for command in commands_of(block.code)]
    found, code = [], 0
    for command, _ in expected:
        if command != "echo $?":
            assert shlex.split(command)[0] == "sosw-airflow"
            code = main(shlex.split(command)[1:])
            printed = capsys.readouterr()
            found.append((command, printed.out + printed.err))
        else:
            found.append((command, f"{code}\n"))
    assert expected == found


def commands_of(console: str) -> list[tuple[str, str]]:
    """Each command of a block with its output."""
    parts = re.split(r"^\$ (.*)\n", console, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))
