"""Labourers and job schemas, as users keep them in Variables and Connections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration, InvalidJobSchema, UnknownJobSchema
from sosw_airflow.jobs.schema import JobSchema

__all__ = [
    "LABOURERS_VARIABLE",
    "LABOURER_CONN_TYPE",
    "SCHEMAS_VARIABLE",
    "Labourer",
    "job_schema_from",
    "job_schemas_from",
    "labourers_from",
]

#: ``{labourer_id: settings}``, upstream's ``task_config.labourers``.
LABOURERS_VARIABLE = "sosw_labourers"

#: ``{variant: {"chunkable_attrs": [...]}}``, upstream's ``job_schema_variants``.
SCHEMAS_VARIABLE = "sosw_job_schemas"

#: A labourer as a Connection, whose id is the labourer's.
LABOURER_CONN_TYPE = "sosw_labourer"


@dataclass(frozen=True)
class Labourer:
    """A Lambda function that works on tasks.

    :ivar labourer_id: as in ``sosw_tasks``; the function's name.
    :ivar settings: upstream's settings of it (``arn``, ``max_simultaneous_invocations``, ...), as they are.
    """

    labourer_id: str
    settings: Mapping[str, Any]

    @property
    def arn(self) -> str | None:
        """The function's ARN, where it is configured."""
        return self.settings.get("arn") or None  # a form gives an empty text


def labourers_from(text: str | None) -> dict[str, Labourer]:
    """The registered labourers, from the text of the Variable; none without it.

    :raises InvalidConfiguration: the text is not as it must be.
    """
    document = _document(text, LABOURERS_VARIABLE, "{labourer_id: {settings}}")
    faults = [
        Fault(f"Variable {LABOURERS_VARIABLE}.{name}", f"must be an object of settings, not {settings!r}")
        for name, settings in document.items()
        if not isinstance(settings, dict)
    ]
    if faults:
        raise InvalidConfiguration(faults)
    return {name: Labourer(name, settings) for name, settings in document.items()}


def job_schema_from(text: str | None, name: str) -> JobSchema:
    """One variant of the job schema, from the text of the Variable.

    :raises UnknownJobSchema: there is no such variant.
    :raises InvalidJobSchema: it cannot be used.
    """
    document = _document(text, SCHEMAS_VARIABLE, '{variant: {"chunkable_attrs": [...]}}')
    if name not in document:
        raise UnknownJobSchema(name, document)
    try:
        return JobSchema.of(document[name])
    except InvalidJobSchema as error:
        prefix = f"Variable {SCHEMAS_VARIABLE}.{name}"
        raise InvalidJobSchema(
            Fault(f"{prefix}.{fault.path}" if fault.path else prefix, fault.problem) for fault in error.faults
        ) from None


def job_schemas_from(text: str | None) -> dict[str, JobSchema]:
    """All variants, from the text of the Variable; none without it.

    :raises InvalidConfiguration: the text is not as it must be.
    :raises InvalidJobSchema: names the faults of all variants.
    """
    schemas: dict[str, JobSchema] = {}
    faults: list[Fault] = []
    for name in _document(text, SCHEMAS_VARIABLE, '{variant: {"chunkable_attrs": [...]}}'):
        try:
            schemas[name] = job_schema_from(text, name)
        except InvalidJobSchema as error:  # noqa: PERF203 - a few variants
            faults += error.faults
    if faults:
        raise InvalidJobSchema(faults)
    return schemas


def _document(text: str | None, variable: str, form: str) -> dict[str, Any]:
    if text is None or not text.strip():
        return {}
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidConfiguration([Fault(f"Variable {variable}", f"is not valid JSON ({error})")]) from None
    if not isinstance(document, dict):
        raise InvalidConfiguration([Fault(f"Variable {variable}", f"must be an object of the form {form}")])
    return document
