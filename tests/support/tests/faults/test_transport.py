"""What passes through the proxy arrives unchanged: large bodies, kept connections, many clients."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.faults.faults import Delay
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import on
from tests.support.faults.sample_rows import TASKS, key, puts, stored
from tests.support.faults.separate import separate_proxy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.emulators.emulator import Emulator

BUCKET = "queue-bucket"


@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
def test_object_comes_back_as_it_was_put(s3: Any, size: int) -> None:
    """Bodies of any size pass in both directions, also those which botocore announces with Expect: 100-continue."""
    body = os.urandom(size)
    s3.put_object(Bucket=BUCKET, Key="a", Body=io.BytesIO(body))
    assert (
        hashlib.sha256(s3.get_object(Bucket=BUCKET, Key="a")["Body"].read()).digest() == hashlib.sha256(body).digest()
    )


def test_upload_in_parts(proxy: FaultProxy, s3: Any, tmp_path: Path) -> None:
    """s3transfer's upload in parallel parts arrives whole, and its requests have their names in the journal."""
    source = tmp_path / "plan.txt"
    source.write_bytes(os.urandom(20_000_000))
    s3.upload_file(str(source), BUCKET, "sosw/scheduler/locked_a.txt")
    assert s3.head_object(Bucket=BUCKET, Key="sosw/scheduler/locked_a.txt")["ContentLength"] == 20_000_000
    counts = proxy.journal.operations()
    assert counts == {"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1, "HeadObject": 1}


def test_chunked_request(proxy: FaultProxy, s3: Any) -> None:
    """A request body in chunks is passed on with its length."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "a"})
    target = "/" + url.split("/", 3)[3]
    connection.request("PUT", target, body=iter([b"one ", b"two ", b"three"]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert s3.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"one two three"


def test_connection_is_kept(proxy: FaultProxy) -> None:
    """Requests of one connection follow each other on it, whatever the emulator does with its own."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
    ports = set()
    for _ in range(5):
        connection.request("GET", "/", headers={"Connection": "keep-alive"})
        connection.getresponse().read()
        assert isinstance(connection.sock, socket.socket)
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert len(ports) == 1


def test_parallel_clients(proxy: FaultProxy, emulator: Emulator, direct: Any) -> None:
    """Eight threads write at once; everything arrives and is counted."""
    client = emulator.client("dynamodb", endpoint_url=proxy.url, max_pool_connections=8)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: client.transact_write_items(TransactItems=puts(*range(n * 5, n * 5 + 5))), range(40)))
    assert stored(direct) == 200
    assert proxy.journal.count("TransactWriteItems") == 40


def test_latency_is_added(proxy: FaultProxy, dynamodb: Any) -> None:
    """A request takes at least the latency before and after it."""
    proxy.add(on("GetItem"), Delay(request=0.05, response=lambda random: random.uniform(0.05, 0.06)))
    started = time.monotonic()
    dynamodb.get_item(TableName=TASKS, Key=key(0))
    assert time.monotonic() - started >= 0.1


def test_latency_does_not_hold_other_connections(proxy: FaultProxy, emulator: Emulator) -> None:
    """Slow requests wait side by side."""
    proxy.add(on("GetItem"), Delay(request=0.3))
    client = emulator.client("dynamodb", endpoint_url=proxy.url, max_pool_connections=8)
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: client.get_item(TableName=TASKS, Key=key(n)), range(8)))
    assert time.monotonic() - started < 1.5


def test_wait_idle_waits_for_the_requests_under_way(proxy: FaultProxy, dynamodb: Any, direct: Any) -> None:
    """After `wait_idle` nothing is on its way to the emulator any more."""
    proxy.add(on("TransactWriteItems"), Delay(request=0.2))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(dynamodb.transact_write_items, TransactItems=puts(0))
        while not proxy.rules[0].seen:
            time.sleep(0.001)
        proxy.wait_idle()
        assert stored(direct) == 1


def test_wait_idle_gives_up(proxy: FaultProxy, dynamodb: Any) -> None:
    """A request that takes longer than the time-out is reported."""
    proxy.add(on("GetItem"), Delay(request=0.3))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(dynamodb.get_item, TableName=TASKS, Key=key(0))
        while not proxy.rules[0].seen:
            time.sleep(0.001)
        with pytest.raises(TimeoutError, match="1 requests are still under way"):
            proxy.wait_idle(timeout=0.05)


def test_proxy_in_a_process_of_its_own(emulator: Emulator) -> None:
    """The proxy as a command passes requests on, injects its faults and reports what has passed."""
    with separate_proxy(emulator.endpoint_url, "--latency-ms", "20") as proxy:
        client = emulator.client("dynamodb", endpoint_url=proxy.url)
        started = time.monotonic()
        client.list_tables()
        assert time.monotonic() - started >= 0.02
        assert proxy.summary()["operations"] == {"ListTables": 1}
