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

from sosw_airflow.stores.tables import create_missing_tables
from tests.integration.crashes.worker import BUCKET, LABOURER, Attempt, started, until_success
from tests.support.faults.census import assert_exactly_once
from tests.support.faults.consumer import Behaviour, Consumer
from tests.support.faults.ledger import Ledger
from tests.support.faults.proxy import FaultProxy

KILLS = int(os.environ.get("SOSW_TEST_KILLS", "8"))
# moto copies tables at each transaction; the large run has jobs of up to 5,000 tasks on ministack.
LARGEST = {"moto": 300, "ministack": 5000 if KILLS >= 100 else 1000}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_random_instants(proxy: FaultProxy, dynamodb: Any, sosw: Any) -> None:
    """Each task exists exactly once over the tables, none is missing, none was invoked twice, whatever was killed."""
    chance = random.Random(2026)
    killed = rounds = 0
    while killed < KILLS:
        sosw.reset()  # the census reads all rows
        create_missing_tables(dynamodb)
        sosw.create_bucket(BUCKET)
        ledger, tasks_made = Ledger(), 0
        with Consumer(dynamodb, [LABOURER], seed=7, ledger=ledger, behaviour=Behaviour(late=0.1)) as consumer:
            while killed < KILLS and tasks_made < 2000:
                rounds += 1
                tasks = round(math.exp(chance.uniform(0, math.log(LARGEST[sosw.name]))))
                tasks_made += tasks
                attempt = Attempt(proxy.url, tasks, run_id=f"round-{rounds}")
                killed += sum(killed_at_random(attempt, chance) for _ in range(chance.randint(1, 4)))
                assert until_success(attempt)["tasks"] == tasks
                proxy.wait_idle()
                with consumer.paused():
                    assert_exactly_once(dynamodb, attempt.job_id, tasks, ledger=ledger)
    print(f"{killed} kills in {rounds} jobs on {sosw.name}")


def killed_at_random(attempt: Attempt, chance: random.Random) -> bool:
    """Start a worker and kill it after a while. False: it was done before."""
    with started(attempt) as worker:
        time.sleep(chance.uniform(0, 0.5 + attempt.tasks / 700))
        worker.kill()
        return worker.outcome() is None
