"""Labourers and job schemas, as users keep them in Variables and Connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration, InvalidJobSchema, UnknownJobSchema
from sosw_airflow.jobs.excerpts import excerpt, printable
from sosw_airflow.jobs.json_documents import read_object
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

_VARIANTS = '{variant: {"chunkable_attrs": [...]}}'

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

    @classmethod
    def of(cls, labourer_id: str, settings: object, *, place: str) -> Labourer:
        """A labourer from its document.

        :param place: of the document, for the message.
        :raises InvalidConfiguration: it is no object, or its ARN is no text.
        """
        if not isinstance(settings, Mapping):
            raise InvalidConfiguration([Fault(place, f"must be an object of settings, not {excerpt(settings)}")])
        if not isinstance(settings.get("arn") or "", str):
            raise InvalidConfiguration([Fault(f"{place}.arn", f"must be text, not {excerpt(settings['arn'])}")])
        return cls(labourer_id, settings)

    @property
    def arn(self) -> str | None:
        """The function's ARN, if it is configured."""
        return self.settings.get("arn") or None  # a form gives an empty text


def labourers_from(given: object) -> dict[str, Labourer]:
    """The registered labourers, from the Variable; none without it.

    :param given: the Variable's text, or the object that a file of secrets has in its place.
    :raises InvalidConfiguration: it is not as it must be.
    """
    document = _document(given, LABOURERS_VARIABLE, "{labourer_id: {settings}}")
    faults: list[Fault] = []
    labourers = {}
    for name, settings in document.items():
        try:
            labourers[name] = Labourer.of(name, settings, place=f"Variable {LABOURERS_VARIABLE}.{printable(name)}")
        except InvalidConfiguration as error:  # noqa: PERF203 - a few labourers
            faults += error.faults
    if faults:
        raise InvalidConfiguration(faults)
    return labourers


def job_schema_from(given: object, name: str, *, period_modules: Sequence[str] = ()) -> JobSchema:
    """One variant of the job schema, from the Variable.

    :param given: the Variable's text, or the object that a file of secrets has in its place.
    :param period_modules: prefixes of the modules whose functions it may name for custom periods.
    :raises UnknownJobSchema: it has no such variant.
    :raises InvalidJobSchema: it cannot be used.
    """
    document = _document(given, SCHEMAS_VARIABLE, _VARIANTS)
    if name not in document:
        raise UnknownJobSchema(name, document)
    try:
        return JobSchema.of(document[name], period_modules=period_modules)
    except InvalidJobSchema as error:
        prefix = f"Variable {SCHEMAS_VARIABLE}.{printable(name)}"
        raise InvalidJobSchema(
            Fault(f"{prefix}.{fault.path}" if fault.path else prefix, fault.problem) for fault in error.faults
        ) from None


def job_schemas_from(given: object, *, period_modules: Sequence[str] = ()) -> dict[str, JobSchema]:
    """All variants, from the Variable; none without it. The parameters are those of `job_schema_from`.

    :raises InvalidConfiguration: the text is not as it must be.
    :raises InvalidJobSchema: names the faults of all variants.
    """
    schemas: dict[str, JobSchema] = {}
    faults: list[Fault] = []
    document = _document(given, SCHEMAS_VARIABLE, _VARIANTS)
    for name in document:
        try:
            schemas[name] = job_schema_from(document, name, period_modules=period_modules)
        except InvalidJobSchema as error:  # noqa: PERF203 - a few variants
            faults += error.faults
    if faults:
        raise InvalidJobSchema(faults)
    return schemas


def _document(given: object, variable: str, form: str) -> dict[str, Any]:
    if given is None or (isinstance(given, (str, bytes)) and not given.strip()):
        return {}
    return read_object(given, InvalidConfiguration, place=f"Variable {variable}", form=form)
