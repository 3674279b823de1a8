"""The connection type ``sosw_labourer``: a labourer kept in a Connection, for instance in a secrets backend."""

from __future__ import annotations

from typing import Any

from sosw_airflow._compat import BaseHook, find_connection
from sosw_airflow.config.registry import LABOURER_CONN_TYPE, Labourer
from sosw_airflow.connection_forms import LABOURER_FORM, form_behaviour, form_widgets
from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.hooks.extras import extras_of

__all__ = ["SoswLabourerHook"]


class SoswLabourerHook(BaseHook):
    """Reads a labourer from a Connection whose id is the labourer's id and whose extras are its settings."""

    conn_name_attr = "labourer_conn_id"
    default_conn_name = "sosw_labourer_default"
    conn_type = LABOURER_CONN_TYPE
    hook_name = "sosw labourer"

    def __init__(self, labourer_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.labourer_conn_id = labourer_conn_id

    def get_conn(self) -> Labourer:
        """The labourer.

        :raises InvalidConfiguration: there is no such Connection, or its extras are not a JSON object.
        """
        connection = find_connection(self.labourer_conn_id)
        if connection is None:
            problem = f"does not exist: create one of type {LABOURER_CONN_TYPE} with this id"
            raise InvalidConfiguration([Fault(f"Connection {self.labourer_conn_id}", problem)])
        return Labourer(self.labourer_conn_id, extras_of(connection, self.labourer_conn_id))

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's fields, for Airflow before 3.2; newer ones read them from the provider info."""
        return form_widgets(LABOURER_FORM)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Which of Airflow's own fields are shown, and how."""
        return form_behaviour(LABOURER_FORM)
