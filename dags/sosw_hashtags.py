"""Your first job: pull the popularity of hashtags, one task for each word and day.

The job names 18 words in three topics. Each run schedules them for the last two days: 36 tasks, which Airflow invokes.
Set these Variables once:

    airflow variables set sosw_labourers '{"sosw_tutorial_pull_tweeter_hashtags": {"invocation": "request"}}'
    airflow variables set sosw_job_schemas '{"default": {"chunkable_attrs": ["topic", "word"]}}'
"""

# --8<-- [start:dag]
from datetime import datetime, timezone

from airflow import DAG

from sosw_airflow.operators.sosw import SoswScheduleOperator

with DAG(
    dag_id="sosw_hashtags",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["sosw"],
):
    SoswScheduleOperator(
        task_id="schedule",
        labourer="sosw_tutorial_pull_tweeter_hashtags",
        job={
            "topics": {
                "cars": {"words": ["toyota", "mazda", "nissan", "racing", "automobile", "car"]},
                "food": {"words": ["recipe", "cooking", "eating", "food", "meal", "tasty"]},
                "shows": {"words": ["opera", "cinema", "movie", "concert", "show", "musical"]},
            },
            "period": "last_2_days",  # seen from the day of the DAG run, on whatever day it runs
            "isolate_days": True,
            "isolate_words": True,
        },
        orchestrate=True,  # invoke the tasks, and wait until they are done
    )
# --8<-- [end:dag]
