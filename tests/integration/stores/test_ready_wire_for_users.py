"""What botocore does for its users, it does for requests that it does not serialise: every operation is tried."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, RefreshableCredentials
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sosw_airflow.stores.ready_actions import ReadyActions
from sosw_airflow.stores.ready_wire import use_ready_wire
from tests.support.unsent_requests import UnsentRequests

KEY = {"task_id": {"S": "5c1f"}}
PUT = '[{"Put": {"TableName": "sosw_tasks", "Item": {"task_id": {"S": "5c1f"}}}}]'

#: Each operation that is sent ready: the client's method, and its arguments. Add what becomes ready.
OPERATIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "transact_write_items": lambda: {"TransactItems": ReadyActions(PUT, ["sosw_tasks"]), "ClientRequestToken": "one"},
    "update_item": lambda: {"TableName": "sosw_tasks", "Key": KEY, "UpdateExpression": "REMOVE a"},
    "get_item": lambda: {"TableName": "sosw_tasks", "Key": KEY},
    "query": lambda: {"TableName": "sosw_tasks", "KeyConditionExpression": "a = :a"},
    "batch_get_item": lambda: {"RequestItems": {"sosw_tasks": {"Keys": [KEY]}}},
    "batch_write_item": lambda: {"RequestItems": {"sosw_tasks": [{"DeleteRequest": {"Key": KEY}}]}},
}
pytestmark = pytest.mark.parametrize("operation", OPERATIONS)

#: Headers that differ from request to request.
_VARYING = {"Authorization", "X-Amz-Date", "amz-sdk-invocation-id", "User-Agent"}


def call(client: Any, operation: str) -> None:
    """Send a request of this operation."""
    getattr(client, operation)(**OPERATIONS[operation]())


def body_of(operation: str) -> bytes:
    """As botocore writes it."""
    plain = UnsentRequests(ready=False)
    call(plain.client, operation)
    content: bytes = plain.sent[-1].body
    return content


def session_with(credentials: Any) -> boto3.session.Session:
    """A session that has these."""
    session = botocore.session.Session()
    session._credentials = credentials
    return boto3.session.Session(botocore_session=session)


def same_request(operation: str, **settings: Any) -> Any:
    """The request of a ready client, which is that of a plain one but for what changes with each request."""
    both = [UnsentRequests(ready=ready, **settings) for ready in (True, False)]
    for each in both:
        call(each.client, operation)
    ready, plain = (each.sent[-1] for each in both)
    assert (ready.method, ready.url, ready.body) == (plain.method, plain.url, plain.body)
    headers = [{name: each.headers[name] for name in each.headers if name not in _VARYING} for each in (ready, plain)]
    assert headers[0] == headers[1]
    return ready


def test_rotating_credentials(operation: str) -> None:
    """Each request is signed with those of its moment."""
    number = iter(range(9))

    def refresh() -> dict[str, str]:
        soon = datetime.now(timezone.utc) + timedelta(seconds=1)  # so they are refreshed for each request
        key = f"key{next(number)}"
        return {"access_key": key, "secret_key": "s", "token": f"token of {key}", "expiry_time": soon.isoformat()}

    credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "tests")
    wire = UnsentRequests(ready=True, session=session_with(credentials))
    for _ in range(2):
        call(wire.client, operation)

    tokens = [request.headers["X-Amz-Security-Token"].decode() for request in wire.sent]
    keys = [request.headers["Authorization"].decode().partition("Credential=")[2][:4] for request in wire.sent]
    assert len({*tokens}) == 2
    assert [f"token of {key}" for key in keys] == tokens


def test_an_assumed_role(operation: str) -> None:
    """The session's token of the role goes with the request."""

    class Sts:
        def assume_role(self, **arguments: Any) -> Any:
            until = datetime.now(timezone.utc) + timedelta(hours=1)
            role = {"AccessKeyId": "role", "SecretAccessKey": "s", "SessionToken": arguments["RoleArn"]}
            return {"Credentials": {**role, "Expiration": until}, "AssumedRoleUser": {"Arn": arguments["RoleArn"]}}

    arn = "arn:aws:iam::123456789012:role/writer"
    fetcher = AssumeRoleCredentialFetcher(lambda *_, **__: Sts(), Credentials("a", "b"), arn)
    credentials = RefreshableCredentials.create_from_metadata(fetcher.fetch_credentials(), dict, "assume-role")
    wire = UnsentRequests(ready=True, session=session_with(credentials))
    call(wire.client, operation)

    assert wire.sent[-1].headers["X-Amz-Security-Token"] == arn.encode()
    assert b"Credential=role/" in wire.sent[-1].headers["Authorization"]


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "dynamodb.us-west-2.amazonaws.com"),
        ({"use_fips_endpoint": True}, "dynamodb-fips.us-west-2.amazonaws.com"),
        ({"use_dualstack_endpoint": True}, "dynamodb.us-west-2.api.aws"),
        ({"endpoint_url": "http://localhost:4566/path"}, "localhost:4566/path"),
        ({"request_checksum_calculation": "when_supported"}, "dynamodb.us-west-2.amazonaws.com"),
        ({"request_checksum_calculation": "when_required"}, "dynamodb.us-west-2.amazonaws.com"),
    ],
)
def test_endpoints_and_headers(operation: str, settings: dict[str, Any], host: str) -> None:
    """FIPS, dual-stack, another server, checksums: address, body and headers are those of a plain client."""
    if "request_checksum_calculation" in settings and "request_checksum_calculation" not in Config.OPTION_DEFAULTS:
        pytest.skip("botocore before 1.36")
    request = same_request(operation, **settings)

    assert request.url.partition("://")[2].rstrip("/") == host


def test_hooks_of_a_deployment(operation: str) -> None:
    """What they add to the request before the call is signed and sent; those that sign and send see the real body."""
    wire, seen = UnsentRequests(ready=True), []
    events = wire.client.meta.events

    def trace(params: dict[str, Any], **_: Any) -> None:
        params["headers"]["X-Trace"] = "span"

    events.register("before-call.dynamodb", trace)
    events.register("before-sign.dynamodb", lambda request, **_: seen.append(request.data))
    events.register("before-send.dynamodb", lambda request, **_: seen.append(request.body))
    call(wire.client, operation)

    assert seen == [body_of(operation)] * 2
    assert wire.sent[-1].headers["X-Trace"] == b"span"
    assert b"x-trace" in wire.sent[-1].headers["Authorization"]


@pytest.mark.parametrize("mode", ["standard", "legacy", "adaptive"])
def test_retries(operation: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server error is answered by the same body again."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    retries = {"mode": mode, "total_max_attempts": 2}
    wire = UnsentRequests(ready=True, retries=retries)
    wire.client.meta.events.register_first(
        "before-send", lambda **_: setattr(wire, "status", 500 - len(wire.sent) * 300)
    )
    wire.answer = b"{}"
    call(wire.client, operation)

    assert [request.body for request in wire.sent] == [body_of(operation)] * 2


class _Server(BaseHTTPRequestHandler):
    """Answers every request with an empty object."""

    protocol_version = "HTTP/1.1"
    got: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        """Keep the request."""
        self.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    """A server on this machine: its port, and the paths and bodies that it got."""
    got: list[tuple[str, bytes]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Server,), {"got": got}))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_port, got
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key and the certificate of a server on this machine, which signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return file


def client_of(endpoint_url: str, **config: Any) -> Any:
    """A ready client whose requests are sent."""
    once = {"total_max_attempts": 1}
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client = boto3.session.Session(region_name="us-west-2", **keys).client(
        "dynamodb", endpoint_url=endpoint_url, config=Config(retries=once, **config)
    )
    use_ready_wire(client)
    return client


def test_a_bundle_of_certificates(operation: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`AWS_CA_BUNDLE` says whom the client trusts; without it the server's certificate is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as (port, got):
        url = f"https://127.0.0.1:{port}"
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        with pytest.raises(SSLError):
            call(client_of(url), operation)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        call(client_of(url), operation)

    assert got == [("/", body_of(operation))]


def test_a_proxy(operation: str) -> None:
    """It gets the whole address and the body."""
    with serving() as (port, got):
        call(client_of("http://dynamodb.example", proxies={"http": f"http://127.0.0.1:{port}"}), operation)

    assert got == [("http://dynamodb.example/", body_of(operation))]
