"""moto for threads: one request at a time.

moto has no locks. A transaction works on copies of whole tables and puts them back when it is cancelled, so that a
concurrent write would be lost, which no DynamoDB does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.core.botocore_stubber import BotocoreStubber


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Serialise what moto answers within this process."""
    lock = threading.RLock()
    answer = BotocoreStubber.__call__

    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with lock:
            return answer(self, *args, **kwargs)

    with patch.object(BotocoreStubber, "__call__", locked):
        yield
