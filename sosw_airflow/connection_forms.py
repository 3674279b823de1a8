"""The forms of both connection types in Airflow's UI: fields with labels, defaults and help, said once.

Airflow 3.2 and later read them from the provider info, older ones ask the hooks for WTForms fields, which are made
from the same here. Standard library alone, as the provider info.
"""

from __future__ import annotations

from typing import Any

__all__ = ["LABOURER_FORM", "SOSW_FORM", "form_behaviour", "form_widgets"]

_HIDDEN = ["host", "port", "login", "password", "schema"]


def _text(label: str, description: str, default: str | None = None) -> dict[str, Any]:
    return _field(label, description, "string", default)


def _number(label: str, description: str, default: int | None = None) -> dict[str, Any]:
    return _field(label, description, "integer", default)


def _field(label: str, description: str, kind: str, default: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": [kind, "null"]}
    if default is not None:
        schema["default"] = default
    return {"label": label, "description": description, "schema": schema}


#: ``conn-fields`` and ``ui-field-behaviour`` of the connection type ``sosw``, as the provider info has them.
SOSW_FORM: dict[str, Any] = {
    "conn-fields": {
        "queue_bucket": _text("Queue bucket", "S3 bucket for the queue files. Required; sosw's own bucket will do."),
        "s3_prefix": _text("S3 prefix", "Prefix of the queue files' keys in the bucket.", "sosw/scheduler"),
        "aws_conn_id": _text(
            "AWS Connection",
            "Id of the AWS Connection with the credentials; empty for boto3's own search (environment, role).",
            "aws_default",
        ),
        "region_name": _text("AWS region", "Region of tables and bucket; empty for the AWS Connection's."),
        "endpoint_url": _text("Endpoint URL", "Of an emulator or a private endpoint; empty for AWS's own."),
        "tasks_table": _text("Tasks table", "sosw's queue of tasks.", "sosw_tasks"),
        "index_greenfield": _text(
            "Index of the queue", "Of the tasks table: labourer_id, greenfield.", "sosw_tasks_greenfield"
        ),
        "closed_tasks_table": _text("Closed tasks table", "sosw's archive.", "sosw_closed_tasks"),
        "closed_tasks_index": _text(
            "Index of the archive",
            "Of the closed tasks table: labourer_id_task_status, closed_at.",
            "labourer_task_status_with_time",
        ),
        "retry_tasks_table": _text("Retry table", "sosw's tasks that wait for another attempt.", "sosw_retry_tasks"),
        "jobs_table": _text("Jobs table", "The records of scheduled jobs, of this provider.", "sosw_jobs"),
        "meta_table": _text("Table of histories", "sosw's optional history of each task; empty if it is not kept."),
        "max_rows_per_second": _number(
            "Rows a second", "A limit for each Airflow task that writes; empty for as fast as the tables allow."
        ),
        "lambda_payload_limit": _number("Payload limit", "Bytes of a Lambda invocation; empty for Lambda's own, 1 MB."),
        "namespace": _text("Namespace", "A name of this Airflow, if another one uses the same tables; else empty."),
        "server_side_encryption": _text(
            "Encryption", "AES256, aws:kms or aws:kms:dsse with every queue file; empty for the bucket's default."
        ),
        "kms_key_id": _text("KMS key", "Id or ARN of the key for aws:kms; empty for the key that AWS manages."),
    },
    "ui-field-behaviour": {
        "hidden-fields": _HIDDEN,
        "relabeling": {"extra": "Settings (JSON)"},
        "placeholders": {
            "extra": '{"queue_bucket": "my-sosw-bucket", "aws_conn_id": "aws_default"}',
            "queue_bucket": "my-sosw-bucket",
            "region_name": "us-west-2",
        },
    },
}

#: The same for ``sosw_labourer``. All of sosw's other settings of a labourer go into the extras as JSON.
LABOURER_FORM: dict[str, Any] = {
    "conn-fields": {
        "arn": _text("ARN", "Of the Lambda function; empty if the Connection's id is the function's name."),
        "max_simultaneous_invocations": _number("Invocations at once", "So many tasks may run at the same time."),
        "max_attempts": _number("Attempts", "How often sosw tries a task before it gives up. sosw's default is 3."),
        "duration": _number("Duration", "Seconds that a task may take. sosw's default is the function's time-out."),
        "cooldown": _number("Cooldown", "Seconds after a task's duration until sosw tries it again."),
    },
    "ui-field-behaviour": {
        "hidden-fields": _HIDDEN,
        "relabeling": {"extra": "Settings (JSON)"},
        "placeholders": {
            "extra": '{"arn": "arn:aws:lambda:...", "max_simultaneous_invocations": 10}',
            "arn": "arn:aws:lambda:us-west-2:123456789012:function:my_function",
        },
    },
}


def form_behaviour(form: dict[str, Any]) -> dict[str, Any]:
    """The behaviour as a hook's ``get_ui_field_behaviour`` gives it."""
    behaviour = form["ui-field-behaviour"]
    return {
        "hidden_fields": list(behaviour["hidden-fields"]),
        "relabeling": dict(behaviour["relabeling"]),
        "placeholders": dict(behaviour["placeholders"]),
    }


def form_widgets(form: dict[str, Any]) -> dict[str, Any]:
    """The fields as a hook's ``get_connection_form_widgets`` gives them, for Airflow before 3.2."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import IntegerField, StringField
    from wtforms.validators import Optional

    kinds = {"string": StringField, "integer": IntegerField}
    return {
        name: kinds[field["schema"]["type"][0]](
            lazy_gettext(field["label"]),
            widget=BS3TextFieldWidget(),
            description=field["description"],
            default=field["schema"].get("default"),
            validators=[Optional()],
        )
        for name, field in form["conn-fields"].items()
    }
