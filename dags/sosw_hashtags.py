"""The job of sosw's tutorial: popularity of hashtags, one task for each word and day of the last two days.

18 words in three topics, two days: 36 tasks a run. It needs, once:

    airflow variables set sosw_labourers '{"sosw_tutorial_pull_tweeter_hashtags": {}}'
    airflow variables set sosw_job_schemas '{"default": {"chunkable_attrs": ["topic", "word"]}}'
"""

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
            # Seen from the day of the DAG run, whenever it really runs.
            "period": "last_2_days",
            "isolate_days": True,
            "isolate_words": True,
        },
    )
