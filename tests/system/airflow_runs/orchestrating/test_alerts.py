"""The recipe of the deadline, as its page quotes it: a running Airflow sends the mail while the job still runs."""

from __future__ import annotations

import pytest

from tests.system.airflow_runs.orchestrating.conftest import ALERTS
from tests.system.airflow_runs.orchestrating.mail_server import MailServer
from tests.system.airflow_runs.versions import VERSION
from tests.system.airflow_runs.waiting.deployment import AirflowThatWaits


@pytest.mark.skipif(VERSION < (3, 1), reason="Airflow 3.1 has deadlines")
def test_a_late_run_sends_a_mail(airflow: AirflowThatWaits, mails: MailServer) -> None:
    """From the triggerer, by Airflow's own scheduler; the Airflow task still waits for its workers."""
    airflow.in_state(ALERTS, "deferred")
    airflow.wait_until(lambda: bool(mails.mails), "the deadline has sent its mail", airflow.triggerer_log)
    (mail,) = mails.mails
    assert (mail["Subject"], mail["From"], mail["To"]) == (
        "Cards are late",
        "airflow@example.com",
        "on-call@example.com",
    )
    assert [each.state for each in airflow.instances(ALERTS)] == ["deferred"]
