"""The only room that knows the versions of Airflow; `server` is the part for pages, `metrics` for `Stats`.

| symbol                 | Airflow 2.10, 2.11                   | Airflow 3.0 and later                 |
| ---------------------- | ------------------------------------ | ------------------------------------- |
| `BaseHook`             | `airflow.hooks.base`                 | `airflow.sdk`                         |
| `BaseOperator`         | `airflow.models.baseoperator`        | `airflow.sdk`                         |
| `AirflowFailException` | `airflow.exceptions`                 | `airflow.sdk.exceptions`; 3.0: as 2   |
| `get_variable`         | `airflow.models.variable`            | `airflow.sdk`, at its first call      |
| `find_connection`      | `BaseHook`, `AirflowNotFoundException` | the same                            |
| `load_dag_bag`         | `airflow.models.dagbag`              | `airflow.dag_processing.dagbag`, 3.0: as 2 |
| `template_macros`      | `airflow.macros`                     | `airflow.sdk.execution_time.macros`   |
| `AirflowSensorTimeout` | `airflow.exceptions`                 | `airflow.sdk.exceptions`; 3.0: as 2   |
| `asset_class`          | `airflow.datasets` (`Dataset`)       | `airflow.sdk` (`Asset`)               |
| `execution_proof`      | `airflow.models.base`                | `airflow.sdk.bases.operator`          |
| `BaseOperatorLink`     | `airflow.models.baseoperatorlink`    | `airflow.sdk`                         |
| `AirflowSkipException` | `airflow.exceptions`                 | `airflow.sdk.exceptions`; 3.0: as 2   |
| `BaseSensorOperator`, `PokeReturnValue` | `airflow.sensors.base` | `airflow.sdk`                      |
| `DecoratedOperator`, `task_decorator_factory` | `airflow.decorators.base`   | `airflow.sdk.bases.decorator` |
| `call_with_context`    | `airflow.utils.context`, `.operator_helpers` | `airflow.sdk`, below it       |
| `hook_of`              | `airflow.exceptions` (its error)     | `airflow.sdk.exceptions`              |
| `pushed_xcom`          | `airflow.models.xcom`                | `airflow.sdk.execution_time.xcom`     |
| `redact`               | `airflow.utils.log.secrets_masker`   | below `airflow.sdk`; 3.0: beside it   |
| `stored_state`         | the metadata database                | the supervisor of the process         |

All are imported at their first use: neither a DAG file nor a process that loads plugins pays for what it does not use.

`airflow.providers.common.compat` has the same idea. But its releases for 2.10, 2.11 and 3.0 lack most of these symbols.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue
    from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory
    from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
    from airflow.triggers.base import BaseTrigger, TriggerEvent

    Context = Mapping[str, Any]

__all__ = [
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "BaseTrigger",
    "Context",
    "DecoratedOperator",
    "PokeReturnValue",
    "TriggerEvent",
    "asset_class",
    "call_with_context",
    "configured",
    "default_deferrable",
    "execution_proof",
    "find_connection",
    "get_variable",
    "hook_of",
    "is_run_by_airflow",
    "load_dag_bag",
    "outside_of_tasks",
    "pushed_xcom",
    "redact",
    "stored_state",
    "task_decorator_factory",
    "template_macros",
]


def __getattr__(name: str) -> Any:
    """Import a symbol at its first use."""
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, _AT_FIRST_USE[name]())


def _base_hook() -> Any:
    try:
        from airflow.sdk import BaseHook
    except ImportError:
        from airflow.hooks.base import BaseHook  # type: ignore[no-redef,attr-defined]
    return BaseHook


def _base_operator() -> Any:
    try:
        from airflow.sdk import BaseOperator
    except ImportError:
        from airflow.models.baseoperator import BaseOperator  # type: ignore[no-redef,import-not-found]
    return BaseOperator


def _airflow_fail_exception() -> Any:
    try:
        from airflow.sdk.exceptions import AirflowFailException
    except ImportError:
        from airflow.exceptions import AirflowFailException  # type: ignore[no-redef]
    return AirflowFailException


def _airflow_sensor_timeout() -> Any:
    try:
        from airflow.sdk.exceptions import AirflowSensorTimeout
    except ImportError:
        from airflow.exceptions import AirflowSensorTimeout  # type: ignore[no-redef]
    return AirflowSensorTimeout


def _airflow_skip_exception() -> Any:
    try:
        from airflow.sdk.exceptions import AirflowSkipException
    except ImportError:
        from airflow.exceptions import AirflowSkipException  # type: ignore[no-redef]
    return AirflowSkipException


def _poke_return_value() -> Any:
    try:
        from airflow.sdk import PokeReturnValue
    except ImportError:
        from airflow.sensors.base import PokeReturnValue  # type: ignore[no-redef,import-not-found]
    return PokeReturnValue


def _base_operator_link() -> Any:
    try:
        from airflow.sdk import BaseOperatorLink
    except ImportError:
        from airflow.models.baseoperatorlink import BaseOperatorLink  # type: ignore[no-redef,import-not-found]
    return BaseOperatorLink


def _base_sensor_operator() -> Any:
    try:
        from airflow.sdk import BaseSensorOperator
    except ImportError:
        from airflow.sensors.base import BaseSensorOperator  # type: ignore[no-redef]
    return BaseSensorOperator


def _base_trigger() -> Any:
    from airflow.triggers.base import BaseTrigger

    return BaseTrigger


def _trigger_event() -> Any:
    from airflow.triggers.base import TriggerEvent

    return TriggerEvent


def _decorated_operator() -> Any:
    try:
        from airflow.sdk.bases.decorator import DecoratedOperator
    except ImportError:
        from airflow.decorators.base import DecoratedOperator  # type: ignore[no-redef,import-not-found]
    if hasattr(DecoratedOperator, "xcom_push"):
        return DecoratedOperator

    class Decorated(DecoratedOperator):
        # Airflow 3.0 passes on this attribute, which its new operators lack, and never calls it.
        xcom_push = None

    return Decorated


def _task_decorator_factory() -> Any:
    try:
        from airflow.sdk.bases.decorator import task_decorator_factory
    except ImportError:
        from airflow.decorators.base import task_decorator_factory  # type: ignore[no-redef]
    return task_decorator_factory


_AT_FIRST_USE = {
    "AirflowFailException": _airflow_fail_exception,
    "AirflowSensorTimeout": _airflow_sensor_timeout,
    "AirflowSkipException": _airflow_skip_exception,
    "BaseHook": _base_hook,
    "BaseOperator": _base_operator,
    "BaseOperatorLink": _base_operator_link,
    "BaseSensorOperator": _base_sensor_operator,
    "BaseTrigger": _base_trigger,
    "PokeReturnValue": _poke_return_value,
    "TriggerEvent": _trigger_event,
    "DecoratedOperator": _decorated_operator,
    "task_decorator_factory": _task_decorator_factory,
}


def default_deferrable() -> bool:
    """The value of ``[operators] default_deferrable``, the default of every operator that can be deferred."""
    from airflow.configuration import conf

    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def execution_proof(operator: Any) -> dict[str, Any]:
    """The argument of `execute` by which Airflow knows its own call; without it, it warns or refuses."""
    try:
        from airflow.sdk.bases.operator import ExecutorSafeguard

        proof = ExecutorSafeguard.sentinel_value
    except (ImportError, AttributeError):
        from airflow.models.base import _sentinel as proof
    return {f"{type(operator).__name__}__sentinel": proof}


def configured(option: str) -> str:
    """The text of an option of the section ``[sosw]``, or its default."""
    from airflow.configuration import conf

    from sosw_airflow.get_provider_info import OPTIONS

    return str(conf.get("sosw", option, fallback=OPTIONS[option]["default"]))


def asset_class() -> Any:
    """`Asset`, which Airflow 2 calls `Dataset`."""
    try:
        from airflow.sdk import Asset
    except ImportError:
        from airflow.datasets import Dataset as Asset  # type: ignore[no-redef,import-not-found]
    return Asset


def pushed_xcom(ti_key: Any, key: str) -> Any:
    """The value of an XCom of an Airflow task instance, or None."""
    try:
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:
        from airflow.models.xcom import XCom  # type: ignore[no-redef]
    return XCom.get_value(key=key, ti_key=ti_key)


def redact(value: Any) -> Any:
    """A copy of a JSON value in which Airflow's masker has replaced secrets, at any depth.

    It knows those of the Connections and Variables that this process has read, and the names of sensitive attributes.
    """
    try:
        from airflow.sdk._shared.secrets_masker import redact as mask
    except ImportError:
        try:
            from airflow.sdk.execution_time.secrets_masker import redact as mask  # type: ignore[no-redef]
        except ImportError:
            from airflow.utils.log.secrets_masker import redact as mask  # type: ignore[no-redef,import-not-found]
    return mask(value, max_depth=_DEEPEST)


#: Deeper than any job; Airflow's masker stops after five levels otherwise.
_DEEPEST = 200


def is_run_by_airflow(ti: Any) -> bool:
    """Whether Airflow runs this Airflow task instance, so that it can be asked about it."""
    try:
        from airflow.sdk.execution_time import task_runner
    except ImportError:
        from airflow.models.taskinstance import TaskInstance

        return isinstance(ti, TaskInstance)
    return isinstance(ti, task_runner.RuntimeTaskInstance) and hasattr(task_runner, "SUPERVISOR_COMMS")


def stored_state(ti: Any) -> tuple[bool, str | None]:
    """Whether an Airflow task instance still exists, and its state now: asked of Airflow.

    :raises Exception: Airflow does not answer.
    """
    try:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    except ImportError:
        return _state_in_database(ti)
    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    found = list(states.get(ti.run_id, {}).values())
    return bool(found), _state_text(found[0]) if found else None


def _state_in_database(ti: Any) -> tuple[bool, str | None]:
    from airflow import settings
    from airflow.models.taskinstance import TaskInstance as Stored
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    # A session of its own: Airflow is in the middle of another one in this thread.
    with Session(settings.engine) as session:
        where = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
        row = session.execute(select(Stored.state).filter_by(**where)).one_or_none()
    return row is not None, _state_text(row[0]) if row is not None else None


def _state_text(state: Any) -> str | None:
    return None if state is None else str(getattr(state, "value", state))


def get_variable(name: str) -> str | None:
    """The text of a Variable, or None if it does not exist."""
    try:
        from airflow.sdk import Variable
    except ImportError:
        from airflow.models.variable import Variable

        return Variable.get(name, default_var=None)  # type: ignore[call-arg,no-any-return]
    try:
        return Variable.get(name, default=None)  # type: ignore[no-any-return]
    except ImportError:
        # Airflow 3.0 needs the connection to its API server, which only Airflow tasks have: this is a command.
        from airflow.models.variable import Variable as StoredVariable

        return StoredVariable.get_variable_from_secrets(name)


def find_connection(conn_id: str) -> Any | None:
    """The Connection, or None if it does not exist.

    :raises InvalidConfiguration: it is in the environment, and Airflow cannot read it.
    """
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined]

    try:
        return _base_hook().get_connection(conn_id)
    except AirflowNotFoundException:
        # Airflow 3 skips what it cannot read, then reports that it is not defined. Its reason may quote a secret.
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        if not os.environ.get(variable):
            return None
    from sosw_airflow.exceptions import Fault, InvalidConfiguration

    problem = f"cannot be read by Airflow from the environment variable {variable}: "
    problem += "it must be a URI, or a JSON object whose extra is a JSON object too"
    raise InvalidConfiguration([Fault(f"Connection {conn_id}", problem)])


def hook_of(connection: Any) -> Any | None:
    """The hook of a Connection; None if no installed provider knows its type."""
    try:
        from airflow.sdk.exceptions import AirflowException
    except ImportError:
        from airflow.exceptions import AirflowException  # type: ignore[attr-defined]
    try:
        return connection.get_hook()
    except AirflowException:
        return None


def outside_of_tasks() -> None:
    """Let this process read the metadata database's Connections and Variables, as `airflow connections get` does.

    Airflow 3 shows them to its tasks through its API server. A process that Airflow did not start declares here that it
    is not a task. Airflow 2 needs no declaration.
    """
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def load_dag_bag(folder: str | None) -> Any:
    """The DAGs of a folder or a file; None for Airflow's own folder. It moved within Airflow 3."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]
    return DagBag(folder)


def template_macros() -> Any:
    """What templates know as ``macros``."""
    try:
        from airflow.sdk.execution_time import macros
    except ImportError:
        from airflow import macros  # type: ignore[no-redef]
    return macros


def call_with_context(function: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Call a decorated function with its own arguments and with those of the context that it asks for by name."""
    try:
        from airflow.sdk.bases.decorator import determine_kwargs
        from airflow.sdk.definitions.context import context_merge
    except ImportError:
        from airflow.utils.context import context_merge  # type: ignore[attr-defined,no-redef]
        from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]
    context_merge(context, kwargs)
    return function(*args, **determine_kwargs(function, args, context))
