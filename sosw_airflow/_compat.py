"""The only module that knows the versions of Airflow.

| symbol                 | Airflow 2.10, 2.11                   | Airflow 3.0 and later                 |
| ---------------------- | ------------------------------------ | ------------------------------------- |
| `BaseHook`             | `airflow.hooks.base`                 | `airflow.sdk`                         |
| `BaseOperator`         | `airflow.models.baseoperator`        | `airflow.sdk`                         |
| `AirflowFailException` | `airflow.exceptions`                 | `airflow.sdk.exceptions`; 3.0: as 2   |
| `get_variable`         | `airflow.models.variable`            | `airflow.sdk`, at its first call      |
| `find_connection`      | `BaseHook`, `AirflowNotFoundException` | the same                            |

`airflow.providers.common.compat` has the same idea, but the provider sets that 2.10, 2.11 and 3.0 deployments pin lack
what is needed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from airflow.sdk import BaseHook, BaseOperator
except ImportError:
    from airflow.hooks.base import BaseHook  # type: ignore[no-redef,attr-defined]
    from airflow.models.baseoperator import BaseOperator  # type: ignore[no-redef,import-not-found]

try:
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:
    from airflow.exceptions import AirflowFailException  # type: ignore[no-redef]

if TYPE_CHECKING:
    from collections.abc import Mapping

    Context = Mapping[str, Any]

__all__ = ["AirflowFailException", "BaseHook", "BaseOperator", "Context", "find_connection", "get_variable"]


def get_variable(name: str) -> str | None:
    """The text of a Variable, or None where there is none."""
    try:
        from airflow.sdk import Variable
    except ImportError:
        from airflow.models.variable import Variable

        return Variable.get(name, default_var=None)  # type: ignore[call-arg,no-any-return]
    return Variable.get(name, default=None)  # type: ignore[no-any-return]


def find_connection(conn_id: str) -> Any | None:
    """The Connection, or None where there is none."""
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined]

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
