"""Run moto's server until standard input closes. A script: `python moto_launcher.py PORT`.

Two things differ from `moto_server`:

- One request at a time. moto has no locks: its transactions restore copies of whole tables when they are cancelled, so
  that a concurrent write is lost, and two conditional puts can both succeed.
- TransactWriteItems copies a table once for each transaction, not once for each item of it, and copies only the items
  that the transaction updates. The results are the same; a page of 100 items into a table of thousands takes
  milliseconds, not minutes.
"""

from __future__ import annotations

import copy
import os
import sys
import threading
from collections import defaultdict
from typing import Any

from moto.dynamodb import models
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

try:
    from moto.moto_server.werkzeug_app import MotoRequestHandler
except ImportError:  # the lowest moto has none
    MotoRequestHandler = WSGIRequestHandler


class _CopyOncePerTransaction:
    """Stands for the module `copy` inside moto's DynamoDB backend."""

    def __init__(self) -> None:
        self._copies: dict[int, Any] | None = None
        self._updates: list[dict[str, Any]] = []

    def begin(self, transact_items: list[dict[str, Any]]) -> None:
        self._copies = {}
        # An update changes the item object in place; the other actions put in or take out whole objects.
        self._updates = [item["Update"] for item in transact_items if "Update" in item]

    def end(self) -> None:
        self._copies = None

    def deepcopy(self, value: Any) -> Any:
        if self._copies is None or not isinstance(value, Table):
            return copy.deepcopy(value)
        key = id(value)
        if key not in self._copies:
            self._copies[key] = self._copy(value)
        return self._copies[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)

    def _copy(self, table: Any) -> Any:
        twin = copy.copy(table)
        twin.items = defaultdict(dict)
        for hash_key, entry in table.items.items():
            twin.items[hash_key] = dict(entry) if table.range_key_attr else entry
        for update in self._updates:
            hash_key = DynamoType(update["Key"].get(table.hash_key_attr, {"S": ""}))
            if update["TableName"] == table.name and hash_key in table.items:
                twin.items[hash_key] = copy.deepcopy(table.items[hash_key])
        return twin


def _make_transactions_fast() -> None:
    copies = _CopyOncePerTransaction()
    original = models.DynamoDBBackend.transact_write_items

    def transact_write_items(self: Any, transact_items: list[dict[str, Any]]) -> None:
        copies.begin(transact_items)
        try:
            original(self, transact_items)
        finally:
            copies.end()

    models.copy = copies  # type: ignore[attr-defined,assignment]
    models.DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign]


class _OneAtATime:
    """WSGI middleware: the application never runs in two threads at once."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with self._lock:
            return [b"".join(self._application(environ, start_response))]


class _QuietRequestHandler(MotoRequestHandler):
    """Without a line for each request: the log is for what goes wrong."""

    # Without it each response waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def _exit_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main(port: int) -> None:
    """Serve on the loopback port until the parent closes our standard input."""
    os.environ["MOTO_PORT"] = str(port)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _make_transactions_fast()
    application = _OneAtATime(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", port, application, threaded=True, request_handler=_QuietRequestHandler)


if __name__ == "__main__":
    main(int(sys.argv[1]))
