"""The scenarios; importing this package registers all of them in `SCENARIOS`."""

from tests.support.explorer.scenarios import cancelling, delivery, orchestrating, queue_files, repairs, writing

__all__ = ["cancelling", "delivery", "orchestrating", "queue_files", "repairs", "writing"]
