"""Reads what users give as a job: a mapping, JSON text, or the event of sosw's Scheduler (sosw rules 1.1, 1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration, InvalidJob
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_documents import NotJson, parse_json
from sosw_airflow.jobs.json_values import is_utf8
from sosw_airflow.jobs.rendered_texts import rendered_wrongly

__all__ = ["JobRequest", "function_name", "parse_event"]

_ARN = re.compile(r"arn:[^:]+:lambda:[^:]*:[^:]*:function:(?P<name>[^:]+)(?::[^:]+)?")
_PARTIAL_ARN = re.compile(r"\d{12}:(?:function:)?(?P<name>[^:]+)(?::[^:]+)?")


@dataclass(frozen=True)
class JobRequest:
    """A job taken out of its event.

    :ivar job: the job without ``lambda_name``, in the order in which it was given.
    :ivar lambda_name: the labourer's id, or None if the job does not name one.
    :ivar schema_name: the ``job_schema_name`` of the job, or None. It also stays in the job, as upstream leaves it.
    """

    job: dict[str, Any]
    lambda_name: str | None
    schema_name: str | None


def parse_event(event: Mapping[str, Any] | str | bytes) -> JobRequest:
    """Take the job out of an event: the event itself, or its attribute ``job`` (sosw rule 1.1).

    :raises InvalidJob: the text is not JSON, the job is no object, or its names are not text.
    """
    document = _load(event, "")
    if "job" in document:
        document = _load(document["job"], "job")
    job = dict(document)
    faults: list[Fault] = []
    lambda_name = job.pop("lambda_name", None)
    labourer_id = None
    if lambda_name is not None:
        try:
            labourer_id = function_name(lambda_name, place="lambda_name")
        except InvalidConfiguration as error:
            faults += error.faults
    schema_name = job.get("job_schema_name") or None
    if schema_name is not None and not isinstance(schema_name, str):
        faults.append(Fault("job_schema_name", f"must be the name of a variant, not {excerpt(schema_name)}"))
    if not document:
        faults.append(Fault("", "the job is empty: give it at least one attribute for the worker"))
    if faults:
        raise InvalidJob(faults)
    return JobRequest(job, labourer_id, schema_name)


def function_name(name_or_arn: object, *, place: str = "labourer") -> str:
    """The name of a Lambda function, from its name or ARN of any partition, with or without version or alias.

    :param place: where it was given, for the message.
    :raises InvalidConfiguration: it is no text, it is empty, or it is the ARN of something else.

    >>> function_name("arn:aws-cn:lambda:cn-north-1:123456789012:function:puller:live")
    'puller'
    >>> function_name("puller:live")
    'puller'
    """
    text = name_or_arn.strip() if isinstance(name_or_arn, str) else ""
    match = _ARN.fullmatch(text) or _PARTIAL_ARN.fullmatch(text)
    name = match["name"] if match else text.split(":", 1)[0]
    if not name or (name == "arn" and not match) or not is_utf8(name):
        problem = f"must be the name or the ARN of a Lambda function, not {excerpt(name_or_arn)}"
        raise InvalidConfiguration([Fault(place, problem)])
    return name


def _load(value: object, path: str) -> Mapping[str, Any]:
    subject = "" if path else "the job "
    if isinstance(value, (str, bytes, bytearray)):
        try:
            value = parse_json(value)
        except NotJson as error:
            wrong = rendered_wrongly(value) if isinstance(value, str) and not error.readable else None
            raise InvalidJob([Fault(path, f"{subject}{wrong}")] if wrong else error.at(path, subject)) from None
    if not isinstance(value, Mapping):
        problem = f"{subject}must be an object (a dict, or its JSON), not {type(value).__name__}"
        raise InvalidJob([Fault(path, problem)])
    return value
