"""botocore's models of AWS, read once: by all sessions of a process, and by the processes that are forked from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from botocore.client import ClientCreator
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import create_loader

__all__ = ["LOADER", "read_once", "shared"]

LOADER = create_loader(None)


@contextmanager
def shared() -> Iterator[None]:
    """Inside, every session that is made uses `LOADER`: to parse the models takes most of a short test's time.

    Clients share what follows from the models alone: their methods, and the rules of their endpoints.
    """
    methods: dict[Any, dict[str, Any]] = {}
    providers: dict[Any, Any] = {}
    make_methods = ClientCreator._create_methods

    def shared_methods(creator: Any, service_model: Any) -> dict[str, Any]:
        key = (service_model.service_name, service_model.api_version)
        if key not in methods:
            methods[key] = make_methods(creator, service_model)
        return dict(methods[key])

    def shared_provider(ruleset_data: Any, partition_data: Any, **more: Any) -> Any:
        key = (id(ruleset_data), id(partition_data), repr(more))
        if key not in providers:
            made = EndpointProvider(ruleset_data=ruleset_data, partition_data=partition_data, **more)
            providers[key] = (made, ruleset_data, partition_data)  # so that no other object has the same id
        return providers[key][0]

    with ExitStack() as patches:
        # Here, and not in `botocore.loaders`: the session has imported the function by its name.
        patches.enter_context(patch("botocore.session.create_loader", lambda *_: LOADER))
        patches.enter_context(patch.object(ClientCreator, "_create_methods", shared_methods))
        patches.enter_context(patch("botocore.regions.EndpointProvider", shared_provider))
        yield


def read_once() -> None:
    """Read what the clients of DynamoDB and S3 need, for a process from which others are forked."""
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        LOADER.load_data(name)
    for service in ("dynamodb", "s3"):
        for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
            LOADER.load_service_model(service, kind)
