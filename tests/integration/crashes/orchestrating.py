"""An orchestrator in a process that can be killed or paused, and what a kill at a chosen request needs."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from sosw_airflow.orchestration import pace, turn
from sosw_airflow.orchestration.orchestrator import Orchestrator
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.turn import Clients
from sosw_airflow.stores.tables import SOSW_NAMES
from tests.integration.crashes.worker import Attempt

LABOURER = "chaos_labourer"

#: Invocations at once, of all orchestrators together; and claims at the same time of one.
LIMIT, THREADS = 8, 4

#: Seconds without a sign of the holder, and seconds after which a task counts as lost.
LEASE, EXPIRY = 1.0, 6.0


@dataclass(frozen=True)
class Orchestrating(Attempt):
    """Process the queue of the labourer until SIGTERM. All waits are shorter than in life.

    :ivar lambda_url: where Lambda is.
    :ivar invocation: the labourer's setting.
    """

    lambda_url: str = ""
    invocation: str = "event"

    def act(self) -> dict[str, Any]:
        """Do it, in this process."""
        turn._BUSY, turn._LONGEST, turn._QUIET, turn._BESIDE = 0.1, 0.3, 0.2, 0.2
        turn._RETRIES_EVERY = 0.5
        pace._PAUSE, pace._LONGEST_PAUSE, pace._LEAST = 0.2, 0.5, 0.5
        settings = {
            "max_simultaneous_invocations": LIMIT,
            "invocation": self.invocation,
            "max_attempts": 1000,
            "expiry": EXPIRY,
            "retry_delay": {"seconds": 0.1, "factor": 1},
        }
        orchestrator = Orchestrator(
            [LabourerPolicy.of(LABOURER, settings)],
            self.clients(),
            SOSW_NAMES,
            concurrency=THREADS,
            poll_interval=0.2,
            lease_seconds=LEASE,
        )
        signal.signal(signal.SIGTERM, lambda *_: orchestrator.stop.set())
        parent = os.getppid()

        def end_with_parent() -> None:
            while os.getppid() == parent and not orchestrator.stop.wait(1.0):
                pass
            orchestrator.stop.set()

        threading.Thread(target=end_with_parent, daemon=True).start()
        orchestrator.run()
        return orchestrator.totals[LABOURER]

    def clients(self) -> Clients:
        """The clients as the hook makes them."""
        session = boto3.session.Session(
            aws_access_key_id="123456789012", aws_secret_access_key="not-a-secret", region_name="us-west-2"
        )

        def client(service: str, url: str, attempts: int) -> Any:
            retries: Any = {"mode": "standard", "total_max_attempts": attempts}
            config = Config(retries=retries, max_pool_connections=16, connect_timeout=5, read_timeout=20, proxies={})
            return session.client(service, endpoint_url=url, config=config)

        return Clients(
            dynamodb=client("dynamodb", self.endpoint_url, 5),
            dynamodb_once=client("dynamodb", self.endpoint_url, 1),
            aws_lambda=client("lambda", self.lambda_url, 5),
            aws_lambda_once=client("lambda", self.lambda_url, 1),
        )
