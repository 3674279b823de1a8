"""The connection type ``sosw_labourer``: a labourer kept in a Connection, for instance in a secrets backend."""

from __future__ import annotations

from typing import Any

from sosw_airflow._compat import BaseHook, find_connection
from sosw_airflow.config.registry import LABOURER_CONN_TYPE, Labourer
from sosw_airflow.connection_forms import LABOURER_FORM, form_behaviour, form_widgets
from sosw_airflow.exceptions import Fault, InvalidConfiguration, SoswError
from sosw_airflow.hooks.sosw import extras_of

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
        return Labourer.of(
            self.labourer_conn_id,
            extras_of(connection, self.labourer_conn_id),
            place=f"Connection {self.labourer_conn_id}, extra",
        )

    def test_connection(self) -> tuple[bool, str]:
        """Search for the Lambda function, if the identity may: Airflow's "Test" button.

        The credentials are those of the Connection ``sosw_default``. Airflow tests a Connection under an id that it
        makes up, so that the function is only known here by its ARN.
        """
        from sosw_airflow.doctor.findings import Level
        from sosw_airflow.doctor.functions import check_functions
        from sosw_airflow.hooks.sosw import SoswHook

        try:
            arn = self.get_conn().arn
        except InvalidConfiguration as faulty:
            return False, str(faulty)
        if arn is None:
            return True, "The settings can be read. Give the ARN to have its function checked."
        try:
            lambda_client = SoswHook().client("lambda", attempts=2, region_name=_region(arn))
        except SoswError as error:
            return True, f"The settings can be read. Its function was not checked: {error}"
        (finding,) = check_functions(lambda_client, {arn: arn}, where="this Connection")
        return finding.level is not Level.ERROR, str(finding)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's fields, for Airflow before 3.2; newer ones read them from the provider info."""
        return form_widgets(LABOURER_FORM)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Which of Airflow's own fields are shown, and how."""
        return form_behaviour(LABOURER_FORM)


def _region(arn: str) -> str | None:
    """Of ``arn:aws:lambda:<region>:...``; None where it is but a name."""
    parts = arn.split(":")
    return parts[3] if parts[0] == "arn" and len(parts) > 6 else None
