"""The orchestrator of the labourers that Airflow's Variables and Connections register."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.excerpts import excerpt
from sosw_airflow.jobs.json_documents import NotJson, parse_json
from sosw_airflow.jobs.rendered_texts import rendered_wrongly

if TYPE_CHECKING:
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.orchestration.background import Seat
    from sosw_airflow.orchestration.orchestrator import Orchestrator
    from sosw_airflow.orchestration.policy import LabourerPolicy

__all__ = ["check_labourer", "labourer_ids_of", "orchestrator_of", "policies_of", "seat_beside"]

log = logging.getLogger(__name__)

#: Seconds that the answer of a function may take that is waited for: it runs for 900 s at most.
_SYNCHRONOUS = 910.0

#: Seconds between two searches for tasks of a labourer without any, while an Airflow task waits for one.
_AWAITED = 10.0


def labourer_ids_of(value: Any) -> list[str] | None:
    """The labourers that an argument names: None for all, or one name, names with commas between them, a list.

    A list may be the output of a mapped Airflow task, or the JSON text of a template.

    :raises InvalidConfiguration: it is none of these, or a template found no value.
    """
    if value is None:
        return None
    names = value
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        names = [*iter(value)]  # its length would be another request
    elif isinstance(value, str):
        wrong = rendered_wrongly(value)
        if wrong:
            raise InvalidConfiguration([Fault("labourers", wrong)])
        names = _json_list(value) if value.strip().startswith("[") else value.split(",")
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        problem = f"must be a list of labourers, or None for all of the Variable sosw_labourers, not {excerpt(value)}"
        raise InvalidConfiguration([Fault("labourers", problem)])
    return [name.strip() for name in names]


def _json_list(text: str) -> Any:
    try:
        return parse_json(text)
    except NotJson as error:
        raise InvalidConfiguration([replace(error.faults[0], path="labourers")]) from None


def policies_of(hook: SoswHook, labourer_ids: Sequence[str] | None) -> list[LabourerPolicy]:
    """The policies of these labourers, or of all that the Variable ``sosw_labourers`` registers.

    :raises UnknownLabourer: a labourer is not registered.
    :raises InvalidConfiguration: names each faulty setting of each labourer.
    """
    from sosw_airflow.hooks.sosw import default_max_invocations
    from sosw_airflow.orchestration.policy import LabourerPolicy

    default_limit = default_max_invocations()
    labourers = [hook.labourer(each) for each in labourer_ids] if labourer_ids else list(hook.labourers().values())
    if not labourers:
        problem = "registers no labourer. Fix: add your Lambda functions to it, or name a labourer"
        raise InvalidConfiguration([Fault("Variable sosw_labourers", problem)])
    policies: list[LabourerPolicy] = []
    faults: list[Fault] = []
    for labourer in labourers:
        try:
            policies.append(LabourerPolicy.of(labourer.labourer_id, labourer.settings, default_limit=default_limit))
        except InvalidConfiguration as error:  # noqa: PERF203 - a few labourers
            faults += error.faults
    if faults:
        raise InvalidConfiguration(faults)
    return policies


def orchestrator_of(
    hook: SoswHook,
    labourer_ids: Sequence[str] | None = None,
    *,
    concurrency: int = 16,
    dag_id: str | None = None,
    **settings: Any,
) -> Orchestrator:
    """The orchestrator of these labourers, or of all.

    :param concurrency: claims and invocations at the same time.
    :param dag_id: of the Airflow task that orchestrates, for the metrics.
    :param settings: further arguments of `Orchestrator`.
    :raises SoswError: as `policies_of`, or the Connection is faulty.
    """
    from sosw_airflow.hooks.metrics import reporter
    from sosw_airflow.orchestration.orchestrator import Orchestrator
    from sosw_airflow.orchestration.policy import Invocation
    from sosw_airflow.orchestration.turn import Clients

    policies = policies_of(hook, labourer_ids)
    for policy in policies:
        if policy.limit_is_default:
            log.info(
                "The labourer %s names no max_simultaneous_invocations: %d by Airflow's configuration, section [sosw].",
                policy.labourer_id,
                policy.limit,
            )
    requests = sum(each.limit for each in policies if each.invocation is Invocation.REQUEST)
    connections = concurrency + requests + 4
    clients = Clients(
        dynamodb=hook.client("dynamodb", connections=connections),
        dynamodb_once=hook.client("dynamodb", attempts=1, connections=connections),
        aws_lambda=hook.client("lambda", connections=connections),
        aws_lambda_once=hook.client(
            "lambda", attempts=1, connections=connections, read_timeout=_SYNCHRONOUS if requests else None
        ),
        cloudwatch=hook.client("cloudwatch") if any(each.health_metrics for each in policies) else None,
    )
    tables, metrics = hook.settings.table_names(), reporter(dag_id)
    return Orchestrator(
        policies,
        clients,
        tables,
        concurrency=concurrency,
        metrics=metrics,
        usage=lambda: hook.usage,
        **settings,
    )


def check_labourer(hook: SoswHook, labourer_id: str) -> None:
    """See that the labourer can be orchestrated, before a job for it is written.

    :raises UnknownLabourer: it is not registered.
    :raises InvalidConfiguration: names each faulty setting.
    :raises AwsFault: its function does not exist, or may not be read and no ``expiry`` is set.
    """
    from sosw_airflow.exceptions import AccessDenied
    from sosw_airflow.orchestration.readings import function_facts

    (policy,) = policies_of(hook, [labourer_id])
    try:
        function_facts(hook.client("lambda"), policy.function)
    except AccessDenied:
        if policy.expiry is None:
            raise


def seat_beside(
    hook: SoswHook,
    labourer_id: str,
    *,
    on_news: Callable[[], None],
    failures: bool = False,
    dag_id: str | None = None,
) -> Seat:
    """A seat beside this process's orchestrator of a labourer, which starts if it does not run yet.

    :param on_news: called, in another thread, after each turn that finds no task of the labourer.
    :param failures: and after each turn that closes a task as failed.
    :param dag_id: of the Airflow task that waits, for the metrics of the orchestrator if it starts here.
    :raises SoswError: as `policies_of`, or the Connection is faulty.
    """
    from sosw_airflow.orchestration.background import take_seat

    return take_seat(
        (hook.sosw_conn_id, labourer_id),
        lambda: orchestrator_of(hook, [labourer_id], poll_interval=_AWAITED, dag_id=dag_id),
        on_news=on_news,
        failures=failures,
    )
