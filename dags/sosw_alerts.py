"""Alerts: a mail that names why tasks failed, and one when a run is late (Airflow 3.1 and later).

The error of a job has the causes of its failures, so any notifier that shows the exception shows them. Mails go through
Airflow's Connection `smtp_default`. Set this Variable once:

    airflow variables set sosw_labourers '{"charge_cards": {}}'
"""

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow.providers.smtp.notifications.smtp import SmtpNotifier

from sosw_airflow.operators.sosw import SoswScheduleOperator

# --8<-- [start:dag]
MAILS = {"from_email": "airflow@example.com", "to": "on-call@example.com"}

try:
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError:  # before Airflow 3.1
    ALERTS = {}
else:
    ALERTS = {
        "deadline": DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(hours=2),
            callback=AsyncCallback(
                SmtpNotifier, kwargs={**MAILS, "subject": "Cards are late", "html_content": "See Airflow."}
            ),
        )
    }

with DAG(
    dag_id="sosw_alerts",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
    **ALERTS,
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="charge_cards",
        job_schema={"chunkable_attrs": ["market"]},
        job={"period": "yesterday", "markets": ["de", "es", "fr"], "isolate_markets": True},
        wait_for_completion=True,
        deferrable=True,
        poll_interval=5,
        on_failure_callback=SmtpNotifier(
            **MAILS,
            subject="{{ ti.task_id }} of {{ ti.dag_id }} failed",
            html_content="<pre>{{ exception | e }}</pre>",  # causes, an example of each, and how to repair
        ),
    )
# --8<-- [end:dag]
