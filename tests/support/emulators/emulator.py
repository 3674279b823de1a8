"""What a test holds of a running emulator: its address, client factories, reset."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.emulators.server_process import HOST, ServerProcess, request

if TYPE_CHECKING:
    from pathlib import Path

# The same as in tests/conftest.py: both emulators keep apart what is in different regions.
REGION = "us-west-2"
# ministack takes a 12-digit access key for the account id; moto accepts it as well.
ACCESS_KEY = "123456789012"
SECRET_KEY = "not-a-secret"

_session_lock = threading.Lock()
_sessions: dict[str, Any] = {}


@dataclass(frozen=True)
class Emulator:
    """A running emulator. Each name is also the id of the parametrized fixture: `moto` or `ministack`."""

    name: str
    server: ServerProcess
    reset_path: str

    @property
    def endpoint_url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:41234`."""
        return f"http://{HOST}:{self.server.port}"

    @property
    def log_path(self) -> Path:
        """The file with everything that the server has printed."""
        return self.server.log_path

    def reset(self) -> None:
        """Forget all tables and buckets."""
        status = request(self.server.port, "POST", self.reset_path)
        if status != 200:
            raise RuntimeError(f"{self.name} answered {status} to POST {self.reset_path}; see {self.log_path}")

    def client(self, service: str, *, endpoint_url: str | None = None, retries: bool = False, **config: Any) -> Any:
        """Make a boto3 client of the emulator.

        endpoint_url: another address than the emulator's, such as the one of a fault proxy in front of it.
        retries: whether botocore may repeat a request (its standard mode). Off by default, so that a test sees
            every fault; then there is exactly one attempt.
        config: further arguments of `botocore.config.Config`.
        """
        import boto3
        from botocore.config import Config

        attempts = {"mode": "standard"} if retries else {"mode": "standard", "total_max_attempts": 1}
        settings: dict[str, Any] = {"retries": attempts, "proxies": {}, **config}
        # Clients may be used by many threads at once, sessions may not; a new session reads its data files again.
        with _session_lock:
            if "session" not in _sessions:
                _sessions["session"] = boto3.session.Session(
                    aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
                )
            return _sessions["session"].client(
                service, endpoint_url=endpoint_url or self.endpoint_url, config=Config(**settings)
            )

    def create_bucket(self, name: str) -> None:
        """Make an S3 bucket in the emulator's region."""
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def environment(self, endpoint_url: str | None = None) -> dict[str, str]:
        """Give the environment variables that lead boto3 in another process to the emulator (or to `endpoint_url`)."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint_url or self.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": HOST,
        }
