"""sosw's own configuration, turned into the Connection and the Variables of this provider.

Input are the documents that sosw keeps in SSM, in its `config` table or in its documentation: the Scheduler's
configuration and, if there is one, the Orchestrator's. Nothing in them is dropped silently: a setting is taken over, or
equal to sosw's default, or named in `ImportedConfiguration.not_understood`, or the whole is refused because following
it would be wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sosw_airflow.config.registry import LABOURERS_VARIABLE, SCHEMAS_VARIABLE
from sosw_airflow.config.upstream_settings import (
    COLUMN_TYPES,
    LABOURER_DEFAULTS,
    META_ONLY,
    ORCHESTRATOR_ONLY,
    REQUIRED_FIELDS,
    SCHEDULER_EXTRAS,
    SCHEDULER_ONLY,
    SCHEDULER_PARTS,
    TABLE_EXTRAS,
    TABLE_ONLY,
    TASK_EXTRAS,
    TASK_ONLY,
    WRITTEN_COLUMNS,
    PassedOver,
)
from sosw_airflow.exceptions import Fault, InvalidConfiguration, InvalidJobSchema
from sosw_airflow.jobs import JobSchema
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_values import JsonCheck
from sosw_airflow.jobs.redaction import without_secrets

__all__ = ["ImportedConfiguration", "from_upstream"]


@dataclass(frozen=True)
class ImportedConfiguration:
    """What sosw's configuration means here.

    :ivar connection_extra: the extras of the Connection of type `sosw`.
    :ivar variables: the documents of the Variables `sosw_labourers` and `sosw_job_schemas`.
    :ivar not_understood: one line ``path: why`` for each setting that was not taken over.
    """

    connection_extra: dict[str, Any]
    variables: dict[str, dict[str, Any]]
    not_understood: list[str]

    def airflow_connections(self, conn_id: str = "sosw_default") -> dict[str, Any]:
        """The document for ``airflow connections import``."""
        return {conn_id: {"conn_type": "sosw", "extra": self.connection_extra}}

    def airflow_variables(self) -> dict[str, Any]:
        """The document for ``airflow variables import``."""
        # Airflow 3 takes {"value": ...} for a wrapper around the value, so a labourer of that name is given as text.
        return {
            name: json.dumps(document) if "value" in document else document for name, document in self.variables.items()
        }


def from_upstream(
    scheduler: Mapping[str, Any],
    *,
    orchestrator: Mapping[str, Any] | None = None,
    task_client: Mapping[str, Any] | None = None,
    tasks_table: Mapping[str, Any] | None = None,
    aws_conn_id: str | None = "aws_default",
) -> ImportedConfiguration:
    """Turn sosw's configuration into ours.

    `task_client` and `tasks_table` (TASK_CLIENT_CONFIG and TASKS_TABLE_CONFIG of sosw's documentation) are used where
    `scheduler` has no `task_config`, or that no `dynamo_db_config`.

    :raises InvalidConfiguration: with every reason why the configuration cannot be followed.
    """
    given = {
        "scheduler": scheduler,
        "orchestrator": orchestrator,
        "task_client": task_client,
        "tasks_table": tasks_table,
    }
    faults = [fault for name, document in given.items() for fault in _endless(document, name)]
    if faults:
        raise InvalidConfiguration(faults)
    reading = _DocumentReader()
    scheduler = reading.completed(scheduler, task_client, tasks_table)
    reading.component(scheduler, "scheduler", SCHEDULER_EXTRAS, SCHEDULER_ONLY)
    reading.meta_handler(scheduler.get("meta_handler_config"), "scheduler.meta_handler_config")
    reading.schemas(scheduler)
    if orchestrator is not None:
        reading.component(orchestrator, "orchestrator", {}, ORCHESTRATOR_ONLY)
    return reading.finished({"aws_conn_id": aws_conn_id}, with_orchestrator=orchestrator is not None)


def _endless(document: object, name: str) -> list[Fault]:
    """Why a document cannot be followed to its end. What JSON does not know may be in it: these are Python dicts."""
    check = JsonCheck(document, (name,))
    return check.faults[-1:] if check.endless else []


class _DocumentReader:
    """The documents being read: what was found so far, and what is wrong with it."""

    def __init__(self) -> None:
        self.extra: dict[str, str] = {}
        self.stated_at: dict[str, str] = {}
        self.labourers: dict[str, dict[str, Any]] = {}
        self.labourers_of: dict[str, set[str]] = {}
        self.labourer_defaults: dict[str, tuple[Any, str]] = {}
        self.variants: dict[str, Any] = {}
        self.faults: list[Fault] = []
        self.notes: list[str] = []

    def completed(
        self, scheduler: Any, task_client: Mapping[str, Any] | None, tasks_table: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """The Scheduler's configuration with the parts that were given beside it."""
        document = dict(self.mapping(scheduler, "scheduler"))
        for given, name, key, path in (
            (task_client, "TASK_CLIENT_CONFIG", "task_config", "scheduler.task_config"),
            (tasks_table, "TASKS_TABLE_CONFIG", "dynamo_db_config", "scheduler.task_config.dynamo_db_config"),
        ):
            part = document if key == "task_config" else document.get("task_config", {})
            if not given or not isinstance(part, Mapping):
                continue
            if not part.get(key):
                part = {**part, key: given}
                document = part if key == "task_config" else {**document, "task_config": part}
            elif part[key] != given:
                self.note(name, f"{path} says something else, and that was used")
        return document

    def component(self, document: Any, path: str, extras: Mapping[str, str], passed: PassedOver) -> None:
        """The configuration of the Scheduler or of the Orchestrator."""
        document = self.mapping(document, path)
        self.settings(document, path, extras)
        self.task_config(document.get("task_config", {}), f"{path}.task_config")
        self.read_labourers(document.get("labourers", {}), f"{path}.labourers", of=path)
        table = document.get("dynamo_db_config")
        if isinstance(table, Mapping) and not self.repeats(table):
            self.note(f"{path}.dynamo_db_config", "sosw reads task_config.dynamo_db_config; this one is not used")
        parts = SCHEDULER_PARTS if path == "scheduler" else set()
        self.pass_over(document, path, {*extras, *parts, "task_config", "labourers", "dynamo_db_config"}, passed)

    def repeats(self, table: Mapping[str, Any]) -> bool:
        """Whether a `dynamo_db_config` that sosw does not use says nothing but what the used one says."""
        defaults = {"tasks_table": "sosw_tasks", "index_greenfield": "sosw_tasks_greenfield"}
        return all(
            key in ("row_mapper", "required_fields", "field_names")
            or value == self.extra.get(TABLE_EXTRAS.get(key, ""), defaults.get(TABLE_EXTRAS.get(key, "")))
            for key, value in table.items()
        )

    def task_config(self, document: Any, path: str) -> None:
        document = self.mapping(document, path)
        self.settings(document, path, TASK_EXTRAS)
        self.table(document.get("dynamo_db_config", {}), f"{path}.dynamo_db_config")
        of = path.split(".", maxsplit=1)[0]
        self.read_labourers(document.get("labourers", {}), f"{path}.labourers", of=of)
        defaults = [key for key in document if key in LABOURER_DEFAULTS or str(key).startswith("max_attempts_")]
        self.labourer_defaults.update((key, (document[key], f"{path}.{key}")) for key in defaults)
        self.pass_over(document, path, {*TASK_EXTRAS, "dynamo_db_config", "labourers", *defaults}, TASK_ONLY)

    def table(self, document: Any, path: str) -> None:
        """`dynamo_db_config` of the task table."""
        document = self.mapping(document, path)
        self.settings(document, path, TABLE_EXTRAS)
        for column, kind in self.mapping(document.get("row_mapper", {}), f"{path}.row_mapper").items():
            expected = COLUMN_TYPES.get(column)
            if kind == expected:
                continue
            where = f"{path}.row_mapper.{column}"
            if column in WRITTEN_COLUMNS:
                self.fault(
                    where, f"is {excerpt(kind)}, but sosw and this provider write {expected!r}; types cannot be changed"
                )
            else:
                self.note(
                    where, f"the column's type {excerpt(kind)} is sosw's own affair; no row is written with it here"
                )
        required = document.get("required_fields", ())
        if not isinstance(required, (list, tuple)):
            self.fault(f"{path}.required_fields", f"must be a list of columns, not {excerpt(required)}")
            required = ()
        surplus = [column for column in required if not isinstance(column, str) or column not in REQUIRED_FIELDS]
        if surplus:
            self.note(f"{path}.required_fields", f"{', '.join(map(excerpt, surplus))} is not required of a task here")
        for column, renamed in self.mapping(document.get("field_names", {}), f"{path}.field_names").items():
            if renamed != column:
                problem = f"renames the column to {excerpt(renamed)}; columns have sosw's own names here"
                self.fault(f"{path}.field_names.{column}", problem)
        self.pass_over(document, path, {*TABLE_EXTRAS, "row_mapper", "required_fields", "field_names"}, TABLE_ONLY)

    def meta_handler(self, document: Any, path: str) -> None:
        """`meta_handler_config`: sosw writes audit rows unless it says no."""
        if document is None:
            return
        document = self.mapping(document, path)
        table = self.mapping(document.get("dynamo_db_config", {}), f"{path}.dynamo_db_config")
        if document.get("write_meta_to_ddb", True):
            name = table.get("table_name", "sosw_tasks_meta")
            self.setting("meta_table", name, f"{path}.dynamo_db_config.table_name")
        flat = {**document, **{f"dynamo_db_config.{key}": value for key, value in table.items()}}
        self.pass_over(flat, path, {"write_meta_to_ddb", "dynamo_db_config", "dynamo_db_config.table_name"}, META_ONLY)

    def read_labourers(self, document: Any, path: str, *, of: str) -> None:
        """The labourers that the component `of` knows; what two components say of one is put together."""
        for labourer_id, settings in self.mapping(document, path).items():
            where = f"{path}.{labourer_id}"
            if not isinstance(labourer_id, str) or not labourer_id:
                self.fault(where, "a labourer's id is the name of a Lambda function, so it must be text")
                continue
            stated = self.as_json(self.mapping(settings, where), where)
            known = self.labourers.setdefault(labourer_id, {})
            self.labourers_of.setdefault(labourer_id, set()).add(of)
            for key, value in stated.items():
                if key in known and known[key] != value:
                    other, kept = (excerpt(each, name=key) for each in (known[key], value))
                    self.note(f"{where}.{key}", f"is {other} elsewhere; {kept} was kept")
            known.update(stated)

    def schemas(self, scheduler: Mapping[str, Any]) -> None:
        """`job_schema_variants` and `job_schema`, of which sosw uses the latter only if nothing replaces it."""
        variants = self.mapping(scheduler.get("job_schema_variants", {}), "scheduler.job_schema_variants")
        found = {
            name: self.schema(variant, f"scheduler.job_schema_variants.{name}") for name, variant in variants.items()
        }
        # sosw's own default variant is the empty one of its documentation: a job_schema beside it is meant to be used.
        own = self.schema(scheduler.get("job_schema") or {}, "scheduler.job_schema")
        default = found.get("default") or JobSchema()
        if not default.chunkable_attrs:
            found["default"] = own or default
        elif own and own.chunkable_attrs and own != default:
            self.note("scheduler.job_schema", "sosw replaces it by job_schema_variants.default; it was not taken over")
        self.variants = {name: (schema or JobSchema()).as_dict() for name, schema in found.items()}

    def schema(self, document: Any, path: str) -> JobSchema | None:
        """One schema; None if it has faults."""
        try:
            schema = JobSchema.of(document)
        except InvalidJobSchema as error:
            self.faults += [Fault(f"{path}.{fault.path}".rstrip("."), fault.problem) for fault in error.faults]
            return None
        for position, entry in enumerate(document.get("chunkable_attrs", ())):
            if isinstance(entry, (list, tuple)) and any(entry[1:]):
                self.note(
                    f"{path}.chunkable_attrs[{position}]", "only the name counts, as in sosw; the rest is not used"
                )
        self.pass_over(document, path, {"chunkable_attrs", "expand_period", "custom_period_patterns"}, {})
        return schema

    def settings(self, document: Mapping[str, Any], path: str, extras: Mapping[str, str]) -> None:
        for key, setting in extras.items():
            if document.get(key) is not None:
                self.setting(setting, document[key], f"{path}.{key}")

    def setting(self, setting: str, value: Any, path: str) -> None:
        """An extra of the Connection; two components must not differ about it."""
        if not isinstance(value, str) or not value.strip():
            self.fault(path, f"must be a name, not {excerpt(value)}")
            return
        value = value.strip("/") if setting == "s3_prefix" else value
        if self.extra.setdefault(setting, value) != value:
            self.fault(
                path,
                f"is {excerpt(value)}, but {self.stated_at[setting]} is {self.extra[setting]!r}; they must be equal",
            )
        self.stated_at.setdefault(setting, path)

    def finished(self, extra: dict[str, Any], *, with_orchestrator: bool) -> ImportedConfiguration:
        if "queue_bucket" not in self.extra and not any(f.path == "scheduler.queue_bucket" for f in self.faults):
            self.fault("scheduler.queue_bucket", "is missing: name the S3 bucket for the queue files")
        if self.faults:
            raise InvalidConfiguration(self.faults)
        if not self.labourers:
            self.note("scheduler.task_config.labourers", "there are none; register one before you schedule a job")
        for key, (value, path) in self.labourer_defaults.items():
            self.default_of_labourers(key, value, path)
        if with_orchestrator:
            for labourer_id, components in self.labourers_of.items():
                if "orchestrator" not in components:
                    problem = (
                        "the Orchestrator's configuration has no such labourer, so its tasks would never be invoked"
                    )
                    self.note(f"scheduler.task_config.labourers.{labourer_id}", problem)
        secrets: list[str] = []
        labourers = {
            labourer_id: without_secrets(settings, f"labourers.{labourer_id}", secrets)
            for labourer_id, settings in self.labourers.items()
        }
        for path in secrets:
            self.note(
                path, "is a secret by its name: give it to the Lambda function, or add it to the Variable yourself"
            )
        variables = {LABOURERS_VARIABLE: labourers, SCHEMAS_VARIABLE: self.variants}
        return ImportedConfiguration({**extra, **self.extra}, variables, list(dict.fromkeys(self.notes)))

    def default_of_labourers(self, key: str, value: Any, path: str) -> None:
        """A setting of all labourers, or (`max_attempts_<id>`) of one; what a labourer says itself goes before it."""
        if key in LABOURER_DEFAULTS:
            if value != LABOURER_DEFAULTS[key]:
                for labourer_id, settings in self.labourers.items():
                    own = self.labourer_defaults.get(f"{key}_{labourer_id}", (value, path))[0]
                    settings.setdefault(key, own)
        elif (labourer_id := key.removeprefix("max_attempts_")) in self.labourers:
            self.labourers[labourer_id].setdefault("max_attempts", value)
        else:
            self.note(path, f"there is no labourer {labourer_id!r}")

    def mapping(self, value: Any, path: str) -> Mapping[Any, Any]:
        if isinstance(value, Mapping):
            return value
        self.fault(path, f"must be a mapping, not {type(value).__name__}")
        return {}

    def as_json(self, value: Any, path: str) -> Any:
        """The value as JSON keeps it: lists for tuples, text for the numbers that are keys (as in `feelings`)."""
        if isinstance(value, Mapping):
            return {str(key): self.as_json(item, f"{path}.{key}") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.as_json(item, f"{path}[{position}]") for position, item in enumerate(value)]
        if not isinstance(value, (str, int, float, type(None))) or (
            isinstance(value, float) and not math.isfinite(value)
        ):
            self.fault(path, f"{excerpt(value)} cannot be kept in a Variable, which is JSON")
        return value

    def pass_over(self, document: Mapping[str, Any], path: str, handled: set[str], passed: PassedOver) -> None:
        """Note every setting that nothing has handled, unless it has sosw's default."""
        for key, value in document.items():
            if key in handled:
                continue
            defaults, why = passed.get(key, ((), "sosw 0.7.51 has no such setting"))
            if value not in defaults:
                self.note(f"{path}.{key}", why)

    def fault(self, path: str, problem: str) -> None:
        self.faults.append(Fault(path, problem))

    def note(self, path: str, why: str) -> None:
        self.notes.append(f"{path}: {why}")
