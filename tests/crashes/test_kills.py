"""Kills at random instants, while sosw works on the rows.

In CI a small number; `make test-kills` (SOSW_TEST_KILLS=200) is the large run.
"""

from __future__ import annotations

import math
import os
import random
import time
from typing import Any

import pytest

from tests.crashes.worker import LABOURER, Attempt, started, until_success
from tests.faults.census import assert_exactly_once
from tests.faults.consumer import Behaviour, Consumer
from tests.faults.ledger import Ledger
from tests.faults.proxy import FaultProxy

KILLS = int(os.environ.get("SOSW_TEST_KILLS", "8"))
# moto copies tables at each transaction; the large run has jobs of up to 5,000 tasks on ministack.
LARGEST = {"moto": 300, "ministack": 5000 if KILLS >= 100 else 1000}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_random_instants(proxy: FaultProxy, dynamodb: Any, sosw: Any) -> None:
    """Each task exists exactly once over the tables, none is missing, none was invoked twice, whatever was killed."""
    chance = random.Random(2026)
    ledger, killed, round_number = Ledger(), 0, 0
    speed = 1e-3  # seconds a task, learned from the attempts that live
    with Consumer(dynamodb, [LABOURER], seed=7, ledger=ledger, behaviour=Behaviour(late=0.1)) as consumer:
        while killed < KILLS:
            round_number += 1
            tasks = round(math.exp(chance.uniform(0, math.log(LARGEST[sosw.name]))))
            attempt = Attempt(proxy.url, tasks, run_id=f"round-{round_number}")
            for _ in range(chance.randint(1, 4)):
                with started(attempt) as worker:
                    time.sleep(chance.uniform(0, 0.3 + 1.2 * tasks * speed))
                    worker.kill()
                    killed += worker.outcome() is None
            begun = time.monotonic()
            summary = until_success(attempt)
            speed = max(speed, (time.monotonic() - begun) / max(tasks, 200))
            proxy.wait_idle()
            assert summary["tasks"] == tasks
            with consumer.paused():
                assert_exactly_once(dynamodb, attempt.job_id, tasks, ledger=ledger)
    print(f"{killed} kills in {round_number} jobs on {sosw.name}")
