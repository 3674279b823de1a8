"""What one claim and one invocation take of the processor, part by part: what an orchestrator can save, and what not.

A part is the difference of two clients that differ in nothing else. Each is measured in short turns with the others, in
one thread against a stub that answers at once, and the least counts: what the machine does besides only adds.
"""

from __future__ import annotations

import argparse
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks.clients import stub_client
from benchmarks.fresh_process import Figures, measured, medians
from benchmarks.labourer_stub import serve_until_the_end
from benchmarks.report import Report
from benchmarks.stub_process import stub_process

__all__ = ["ABOUT", "add_arguments", "run"]

ABOUT = "a claim and an invocation, part by part: what of their processor time is whose"

#: Calls of one turn of a client.
_CALLS = 40

#: The names of the two acts, and of what is measured of each.
_ACTS = ("claim", "invocation")
_CLIENTS = ("plain", "ready", "ours", "unsigned", "unsent", "by_socket")

#: Row of the table -> what it is of these figures.
_PARTS: dict[str, Callable[[Figures], float]] = {
    "a plain boto3 client": lambda figures: figures["plain"],
    "ours: the transition, by a client with `wire = ready`": lambda figures: figures["ours"],
    "of it our own: the row, the event, the answer": lambda figures: figures["ours"] - figures["ready"],
    "of it the connection: urllib3, http.client, the answer's headers": lambda figures: (
        figures["ready"] - figures["unsent"]
    ),
    "of it the signature": lambda figures: figures["ready"] - figures["unsigned"],
    "of it the rest of botocore": lambda figures: figures["unsent"] + figures["unsigned"] - figures["ready"],
    "the same over a bare socket, which no client has": lambda figures: (
        figures["ours"] - figures["ready"] + figures["by_socket"]
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--turns", type=int, default=40, help=f"of {_CALLS} calls by each client (default: 40)")
    parser.add_argument("--runs", type=int, default=3, help="processes, for the median (default: 3)")


def run(arguments: argparse.Namespace) -> Report:
    """Measure both acts, several times."""
    runs = [measured("benchmarks.calls:calls", turns=arguments.turns) for _ in range(arguments.runs)]
    middle = medians(runs)
    figures = {act: {name: middle[f"{act} {name}"] for name in _CLIENTS} for act in _ACTS}
    plain = sum(figures[act]["plain"] for act in _ACTS)
    rows = []
    for part, value in _PARTS.items():
        row = {act: value(figures[act]) for act in _ACTS}
        rows.append({"part": part, **row, "share": sum(row.values()) / plain})
    return Report(
        "calls",
        "A claim and an invocation, processor time of one call",
        columns=[("", "part"), ("claim, µs", "claim"), ("invocation, µs", "invocation"), ("of plain", "share")],
        rows=rows,
        notes=[
            f"The least of {arguments.turns} turns of {_CALLS} calls, in the middle one of {arguments.runs} processes.",
            "One thread, and a stub that answers at once. After a pause a processor is slower: each part takes longer.",
        ],
    )


def calls(turns: int) -> Figures:
    """Microseconds of each act by each client."""
    with stub_process(__name__) as url:
        acts = {
            f"{act} {client}": call
            for act, of_clients in (("claim", _claims(url)), ("invocation", _invocations(url)))
            for client, call in of_clients.items()
        }
        taken: dict[str, list[float]] = {name: [] for name in acts}
        for _ in range(turns):
            for name, act in acts.items():
                begun = time.thread_time()
                for _ in range(_CALLS):
                    act()
                taken[name].append(time.thread_time() - begun)
    return {name: 1e6 * min(times) / _CALLS for name, times in taken.items()}


def _clients(service: str, url: str) -> dict[str, Any]:
    from botocore import UNSIGNED

    clients = {name: stub_client(service, url, ready=name != "plain") for name in _CLIENTS}
    clients["unsigned"].meta.events.register("choose-signer", lambda **_: UNSIGNED)
    clients["unsent"].meta.events.register("before-send", lambda request, **_: _answer(request, b"{}"))
    clients["by_socket"].meta.events.register("before-send", _BareSocket(url))
    return clients


def _claims(url: str) -> dict[str, Callable[[], Any]]:
    """The transition, and the one call that it makes, by each client."""
    from sosw_airflow.orchestration.transitions import Transitions
    from sosw_airflow.stores.tables import TableNames

    clients, row = _clients("dynamodb", url), _row()
    arguments: dict[str, Any] = {}
    calls_of = Transitions(_Recorder("update_item", arguments), TableNames(), "host/4242/9f3c")
    calls_of.claim(row, now=1_795_431_000)
    acts = {name: lambda client=client: client.update_item(**arguments) for name, client in clients.items()}
    ours = Transitions(clients["ours"], TableNames(), "host/4242/9f3c")
    return {**acts, "ours": lambda: ours.claim(row, now=1_795_431_000)}


def _invocations(url: str) -> dict[str, Callable[[], Any]]:
    from sosw_airflow.orchestration.invoker import invoke
    from sosw_airflow.orchestration.policy import LabourerPolicy
    from sosw_airflow.orchestration.task_rows import event_of

    clients, row, policy = _clients("lambda", url), _row(), LabourerPolicy.of("worker", {})
    arguments: dict[str, Any] = {}
    invoke(_Recorder("invoke", arguments), policy, event_of(row))
    acts = {
        name: lambda client=client: client.invoke(**arguments)["Payload"].read() for name, client in clients.items()
    }
    return {**acts, "ours": lambda: invoke(clients["ours"], policy, event_of(row))}


def _row() -> Any:
    from sosw_airflow.orchestration.task_rows import row_of

    return row_of(
        {
            "task_id": {"S": f"{7:032x}"},
            "labourer_id": {"S": "worker"},
            "payload": {"S": '{"words": ["word-7"], "section": "' + "a" * 200 + '"}'},
            "created_at": {"N": "1795431000.5"},
            "greenfield": {"N": "1007"},
            "attempts": {"N": "0"},
        }
    )


class _Recorder:
    """A client that keeps the arguments of a call."""

    def __init__(self, method: str, arguments: dict[str, Any]) -> None:
        def call(**parameters: Any) -> dict[str, Any]:
            arguments.update(parameters)
            return {"Payload": _Body(b"")}

        setattr(self, method, call)


class _Body:
    """The body of an answer, as urllib3 has it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, _amount: int | None = None) -> bytes:
        content, self._content = self._content, b""
        return content

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def _answer(request: Any, body: bytes) -> Any:
    from botocore.awsrequest import AWSResponse

    status = 202 if request.url.endswith("/invocations") else 200
    return AWSResponse(request.url, status, {"content-type": "application/x-amz-json-1.0"}, _Body(body))


class _BareSocket:
    """Sends what botocore has signed with nothing around it: no proxy, TLS, pool, time-out, check."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._host = where.netloc.encode()
        self._socket = socket.create_connection((str(where.hostname), where.port or 80))

    def __call__(self, request: Any, **_: Any) -> Any:
        lines = [b"%s %s HTTP/1.1" % (request.method.encode(), urlsplit(request.url).path.encode() or b"/")]
        lines += [b"Host: " + self._host]
        for name, value in request.headers.items():
            lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()))
        self._socket.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + request.body)
        _, _, body = self._socket.recv(65_536).partition(b"\r\n\r\n")  # the stub's answer comes in one piece
        return _answer(request, body)


class _AtOnce:
    """Takes everything."""

    async def answer(self, target: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """An empty object."""
        del target, body
        return 202 if path.endswith("/invocations") else 200, {}


if __name__ == "__main__":
    serve_until_the_end(_AtOnce())
