"""boto3 clients of the stubs on the wire."""

from __future__ import annotations

from typing import Any

__all__ = ["stub_client"]


def stub_client(service: str, url: str, *, ready: bool) -> Any:
    """A client for the threads of a benchmark, which repeats nothing.

    :param ready: as `SoswHook` makes it, with its own JSON; False: as boto3 makes it.
    """
    import boto3
    from botocore.config import Config

    config: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "max_pool_connections": 40}
    if service == "s3":
        # A sink counts the signed body, so requests are not chunked.
        config |= {"request_checksum_calculation": "when_required", "s3": {"addressing_style": "path"}}
    keys = {"aws_access_key_id": "123456789012", "aws_secret_access_key": "x", "region_name": "us-west-2"}
    client = boto3.client(service, endpoint_url=url, config=Config(**config), **keys)
    if ready:
        from sosw_airflow.stores.ready_wire import use_ready_wire

        use_ready_wire(client)
    return client
