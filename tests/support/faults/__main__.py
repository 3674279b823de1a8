"""The fault proxy as a command: `python -m tests.support.faults http://127.0.0.1:4566 --latency-ms 10`.

It prints its address in the first line, and ends when its standard input closes or on Ctrl-C; then it prints what
passed through it, as JSON. Another process can ask for that at any time: `GET /_faults`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from tests.support.faults.faults import Delay, storm
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import anything, writes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.faults", description=__doc__)
    parser.add_argument("emulator", help="the endpoint that requests are passed on to")
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same choices")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every request")
    parser.add_argument("--throttled", type=float, default=0.0, help="share of the writes that are throttled")
    parser.add_argument("--lost", type=float, default=0.0, help="share of the writes whose response is lost")
    parser.add_argument("--errors", type=float, default=0.0, help="share of the writes that end in a 500")
    parser.add_argument(
        "--write-units", action="append", default=[], metavar="TABLE=N", help="make a table of N write units a second"
    )
    return parser.parse_args()


def main() -> None:
    """Serve until standard input closes."""
    arguments = _arguments()
    proxy = FaultProxy(arguments.emulator, seed=arguments.seed, port=arguments.port, keep_entries=False)
    if arguments.latency_ms:
        proxy.add(anything(), Delay(request=arguments.latency_ms / 1000))
    if arguments.throttled or arguments.lost or arguments.errors:
        proxy.add(writes(), storm(throttled=arguments.throttled, lost=arguments.lost, errors=arguments.errors))
    for setting in arguments.write_units:
        table, _, units = setting.partition("=")
        proxy.provision(table, float(units))
    with proxy:
        print(proxy.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
    print(json.dumps(proxy.journal.summary(), indent=2))


if __name__ == "__main__":
    main()
