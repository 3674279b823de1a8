"""botocore's models of AWS, read once: by all sessions of a process, and by the processes that are forked from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from inspect import CO_VARKEYWORDS
from typing import Any
from unittest.mock import patch

from botocore.client import ClientCreator
from botocore.compat import accepts_kwargs
from botocore.endpoint_provider import EndpointProvider
from botocore.hooks import EventAliaser
from botocore.loaders import create_loader

__all__ = ["LOADER", "read_once", "shared"]

LOADER = create_loader(None)


@contextmanager
def shared() -> Iterator[None]:
    """Inside, every session that is made uses `LOADER`: to parse the models takes most of a short test's time.

    Clients share what follows from the models alone: their methods, and the rules of their endpoints. For a session's
    130 handlers they share the names of events, and read from a handler's code which arguments it takes: 0.6 ms, not 4.
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

    names: dict[str, str] = {}
    alias = EventAliaser._alias_event_name

    def shared_alias(aliaser: Any, event_name: str) -> str:
        if event_name not in names:
            names[event_name] = alias(aliaser, event_name)
        return names[event_name]

    def takes_keywords(handler: Any) -> bool:
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        return bool(code.co_flags & CO_VARKEYWORDS if code else accepts_kwargs(handler))

    with ExitStack() as patches:
        # Here, and not in `botocore.loaders`: the session has imported the function by its name.
        patches.enter_context(patch("botocore.session.create_loader", lambda *_: LOADER))
        patches.enter_context(patch.object(ClientCreator, "_create_methods", shared_methods))
        patches.enter_context(patch("botocore.regions.EndpointProvider", shared_provider))
        patches.enter_context(patch("botocore.hooks.accepts_kwargs", takes_keywords))
        patches.enter_context(patch.object(EventAliaser, "_alias_event_name", shared_alias))
        yield


def read_once() -> None:
    """Read what the clients of DynamoDB and S3 need, for a process from which others are forked."""
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        LOADER.load_data(name)
    for service in ("dynamodb", "s3"):
        for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
            LOADER.load_service_model(service, kind)
