"""An end-to-end examination of a deployment: from the Connection to what has been left behind. Changes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sosw_airflow._compat import get_variable
from sosw_airflow.config.registry import (
    LABOURERS_VARIABLE,
    SCHEMAS_VARIABLE,
    Labourer,
    job_schemas_from,
    labourers_from,
)
from sosw_airflow.doctor.findings import Finding, Level, error, ok, reported, warning
from sosw_airflow.exceptions import InvalidConfiguration, InvalidJobSchema, SoswError
from sosw_airflow.hooks.sosw import SoswHook, default_max_invocations, period_modules

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment

__all__ = ["examine_deployment", "examine_labourer"]


def examine_deployment(hook: SoswHook) -> Iterator[Finding]:
    """Everything that can be checked; what cannot be checked is a finding of its own."""
    yield from _with_connection(hook, _findings(hook))


def examine_labourer(hook: SoswHook, labourer_id: str) -> Iterator[Finding]:
    """What can be checked of one labourer, and what is broken below it."""
    yield from _with_connection(hook, _findings_of_labourer(hook, labourer_id))


def _with_connection(hook: SoswHook, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, each with a command that names the Connection."""
    for finding in findings:
        if finding.command.startswith("sosw-airflow ") and hook.sosw_conn_id != hook.default_conn_name:
            yield replace(finding, command=f"{finding.command} --conn-id {shlex.quote(hook.sosw_conn_id)}")
        else:
            yield finding


def _findings(hook: SoswHook) -> Iterator[Finding]:
    subject = f"Connection {hook.sosw_conn_id}"
    try:
        settings = hook.settings
    except InvalidConfiguration as faulty:
        for fault in faulty.faults:
            command = hook.creation_command if hook.creation_command in fault.problem else ""
            yield error(
                "connection", fault.path, f"{fault.problem}.", "" if command else "Edit the Connection.", command
            )
        connected = False
    else:
        yield ok(
            "connection", subject, f"is right: bucket {settings.queue_bucket}, tables from {settings.tasks_table}."
        )
        for ignored in hook.ignored_extras:
            place, _, text = ignored.partition(": ")
            yield warning("connection", place, text, "Correct its name, or remove it.")
        connected = True
    labourers: dict[str, Labourer] = {}
    yield from _variables(labourers)
    if connected:
        yield from _aws(hook, labourers)


def _findings_of_labourer(hook: SoswHook, labourer_id: str) -> Iterator[Finding]:
    from sosw_airflow.doctor.tables import examine

    try:
        labourers = {labourer_id: hook.labourer(labourer_id)}
        deployment = hook.examined()
    except InvalidConfiguration as faulty:
        yield from _faults("labourer", faulty, LABOURERS_VARIABLE)
        return
    except SoswError as refused:
        yield error("labourer", f"labourer {labourer_id}", str(refused), "")
        return
    broken = []
    for each in examine(deployment):
        if each.level is Level.ERROR:
            broken.append(each.subject)
            yield each
            if each.check in ("endpoint", "credentials"):
                return
    yield from _labourers(hook, deployment, labourers, frozenset(broken))


def _variables(labourers: dict[str, Labourer]) -> Iterator[Finding]:
    """Check both Variables; the labourers that are found go into the mapping."""
    try:
        labourers.update(labourers_from(get_variable(LABOURERS_VARIABLE)))
    except InvalidConfiguration as faulty:
        yield from _faults("labourers", faulty, LABOURERS_VARIABLE)
    else:
        subject = f"Variable {LABOURERS_VARIABLE}"
        if labourers:
            yield ok("labourers", subject, f"registers {len(labourers)}: {', '.join(sorted(labourers)[:10])}.")
        else:
            fix = "Register your Lambda functions there, unless each is a Connection of type sosw_labourer."
            yield warning("labourers", subject, "registers no labourer.", fix)
    try:
        schemas = job_schemas_from(get_variable(SCHEMAS_VARIABLE), period_modules=period_modules())
    except (InvalidConfiguration, InvalidJobSchema) as faulty:
        yield from _faults("job_schemas", faulty, SCHEMAS_VARIABLE)
    else:
        subject = f"Variable {SCHEMAS_VARIABLE}"
        if schemas:
            yield ok("job_schemas", subject, f"has {len(schemas)}: {', '.join(sorted(schemas)[:10])}.")
        else:
            fix = "Add them, unless each operator has its own job_schema."
            yield warning("job_schemas", subject, "has no job schema.", fix)


def _faults(check: str, faulty: InvalidConfiguration | InvalidJobSchema, variable: str) -> Iterator[Finding]:
    for fault in faulty.faults:
        fix = f"Correct it: airflow variables get {variable} shows it."
        yield error(check, fault.path or f"Variable {variable}", f"{fault.problem}.", fix)


def _aws(hook: SoswHook, labourers: Mapping[str, Labourer]) -> Iterator[Finding]:
    from sosw_airflow.doctor import left_files, orphans
    from sosw_airflow.doctor.permissions import try_permissions
    from sosw_airflow.doctor.tables import examine

    try:
        deployment = hook.examined()
    except InvalidConfiguration as faulty:
        for fault in faulty.faults:
            yield error("connection", fault.path, f"{fault.problem}.", "Edit the Connection.")
        return
    except SoswError as refused:
        yield error("credentials", "credentials", str(refused), "")
        return
    broken = set()
    for each in examine(deployment):
        yield each
        if each.check in ("endpoint", "credentials"):
            return
        if each.level is Level.ERROR:
            broken.add(each.subject)
    yield from try_permissions(deployment)
    yield from _labourers(hook, deployment, labourers, broken)
    tables = deployment.tables
    if not broken.intersection({tables.jobs_table}):
        yield from reported("planned", tables.jobs_table, lambda: orphans.find_unfinished_jobs(deployment))
    if not broken.intersection({deployment.queue_bucket}):
        yield from reported("queue_file", deployment.queue_bucket, lambda: left_files.find_queue_files(deployment))
        yield from reported("copy", deployment.queue_bucket, lambda: left_files.find_copies(deployment))
        yield from reported("upload", deployment.queue_bucket, lambda: left_files.find_uploads(deployment))


def _labourers(
    hook: SoswHook, deployment: Deployment, labourers: Mapping[str, Labourer], broken: AbstractSet[str]
) -> Iterator[Finding]:
    """What is to be checked of these labourers.

    :param broken: tables and indexes that are.
    """
    from sosw_airflow.doctor.functions import check_functions
    from sosw_airflow.doctor.orphans import check_queue

    functions = {labourer_id: labourer.arn or labourer_id for labourer_id, labourer in labourers.items()}
    yield from check_functions(hook.client("lambda", attempts=2), functions)
    tables = deployment.tables
    if tables.jobs_table not in broken:
        yield from reported("labourers", tables.jobs_table, lambda: _orchestration(hook, deployment, labourers))
    if broken.isdisjoint({tables.tasks_table, f"{tables.tasks_table}/{tables.index_greenfield}"}):
        for labourer_id in labourers:
            yield from reported("queue", tables.tasks_table, partial(check_queue, deployment, labourer_id))


def _orchestration(hook: SoswHook, deployment: Deployment, labourers: Mapping[str, Labourer]) -> Iterator[Finding]:
    """What is to be checked of the labourers whose tasks Airflow invokes."""
    from sosw_airflow.doctor.labourers import check_assistant, check_labourer, check_pause, orchestrated
    from sosw_airflow.doctor.upstream import check_upstream
    from sosw_airflow.orchestration.policy import Invocation, LabourerPolicy
    from sosw_airflow.provision.assistant import ASSISTANT
    from sosw_airflow.stores.lease_item import read_lease

    dynamodb, tables, default_limit = deployment.dynamodb, deployment.tables, default_max_invocations()
    policies = []
    for each in labourers.values():
        lease = read_lease(dynamodb, tables.jobs_table, each.labourer_id)
        yield from check_pause(lease, each.labourer_id)
        if not orchestrated(lease, each.settings):
            continue
        try:
            policies.append(LabourerPolicy.of(each.labourer_id, each.settings, default_limit=default_limit))
        except InvalidConfiguration as faulty:
            yield from _faults("labourer", faulty, LABOURERS_VARIABLE)
    if not policies:
        return
    aws_lambda, events = hook.client("lambda", attempts=2), hook.client("events", attempts=2)
    for policy in policies:
        yield from check_labourer(aws_lambda, dynamodb, tables, policy)
    if any(policy.invocation is Invocation.EVENT for policy in policies):
        yield from reported("assistant", ASSISTANT, lambda: check_assistant(aws_lambda, tables))
    yield from reported("upstream", "sosw", lambda: check_upstream(aws_lambda, events, policies))
