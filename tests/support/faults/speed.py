"""How many small requests pass through the proxy in a second: `python -m tests.support.faults.speed`.

Clients on raw sockets and a server of a few lines, each in a process of its own, so that the proxy is what is
measured. For comparison the same without the proxy.
"""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from typing import TYPE_CHECKING

from tests.support.faults.faults import LoseRequest
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.rules import nth, on

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_BODY = b'{"TableName":"sosw_tasks","Key":{"task_id":{"S":"0123456789abcdef0123000000000000"}}}'
_REQUEST = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
) + _BODY
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n\r\n{}"
_SECONDS = 3.0


def _answer(server: socket.socket) -> None:
    while True:
        client, _ = server.accept()
        threading.Thread(target=_answer_one, args=(client,), daemon=True).start()


def _answer_one(client: socket.socket) -> None:
    received = 0
    while part := client.recv(65536):
        received += len(part)
        while received >= len(_REQUEST):
            received -= len(_REQUEST)
            client.sendall(_ANSWER)


def _ask(port: int, connections: int, result: Connection) -> None:
    done = [0] * connections
    end = time.monotonic() + _SECONDS

    def one(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            while time.monotonic() < end:
                client.sendall(_REQUEST)
                received = b""
                while not received.endswith(b"{}"):
                    received += client.recv(65536)
                done[number] += 1

    threads = [threading.Thread(target=one, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.send(sum(done) / _SECONDS)


def _measure(port: int, connections: int) -> float:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_ask, args=(port, connections, theirs))
    process.start()
    rate: float = ours.recv()
    process.join()
    return rate


def main() -> None:
    """Print the figures."""
    multiprocessing.set_start_method("spawn")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server_process = multiprocessing.Process(target=_answer, args=(server,), daemon=True)
        server_process.start()
        port = server.getsockname()[1]
        for connections in (1, 8):
            print(f"no proxy, {connections} connections: {_measure(port, connections):,.0f} requests/s")
        with FaultProxy(f"http://127.0.0.1:{port}") as proxy:
            for connections in (1, 8):
                print(f"proxy, {connections} connections: {_measure(proxy.port, connections):,.0f} requests/s")
            for number in range(10):
                proxy.add(on("GetItem"), LoseRequest(), when=nth(10**9 + number))
            proxy.provision("sosw_tasks", 1000)
            rate = _measure(proxy.port, 8)
            print(f"proxy with ten rules and a capacity, 8 connections: {rate:,.0f} requests/s")
        server_process.terminate()


if __name__ == "__main__":
    main()
