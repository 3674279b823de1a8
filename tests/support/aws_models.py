"""botocore's models of AWS, read once: by all sessions of a process, and by the processes that are forked from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from botocore.loaders import create_loader

__all__ = ["LOADER", "read_once", "shared"]

LOADER = create_loader(None)


@contextmanager
def shared() -> Iterator[None]:
    """Inside, every session that is made uses `LOADER`: to parse the models takes most of a short test's time."""
    # Here, and not in `botocore.loaders`: the session has imported the function by its name.
    with patch("botocore.session.create_loader", lambda *_: LOADER):
        yield


def read_once() -> None:
    """Read what the clients of DynamoDB and S3 need, for a process from which others are forked."""
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        LOADER.load_data(name)
    for service in ("dynamodb", "s3"):
        for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
            LOADER.load_service_model(service, kind)
