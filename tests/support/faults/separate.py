"""A fault proxy in a process of its own, so that it takes no time from the process that is measured."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.faults.proxy import SUMMARY_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

_REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class SeparateProxy:
    """A running proxy. `url` is what boto3 gets as `endpoint_url`."""

    url: str

    def summary(self) -> dict[str, Any]:
        """Ask for what has passed so far: `Journal.summary`."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request("GET", SUMMARY_PATH)
            summary: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return summary


@contextmanager
def separate_proxy(endpoint_url: str, *arguments: str) -> Iterator[SeparateProxy]:
    """Run `python -m tests.support.faults` with these arguments, until the end of the block."""
    command = [sys.executable, "-m", "tests.support.faults", endpoint_url, *arguments]
    with subprocess.Popen(
        command, cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"{command} ended without an address")
            yield SeparateProxy(url)
        finally:
            process.communicate(timeout=30)
