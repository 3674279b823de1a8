"""The operator that examines a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sosw_airflow._compat import BaseOperator

# Airflow imports this module whenever it parses a DAG file: whatever only `execute` needs is imported there.
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sosw_airflow._compat import Context
    from sosw_airflow.operators.arguments import AirflowArguments

__all__ = ["SoswDoctorOperator"]


class SoswDoctorOperator(BaseOperator):
    """Examine the deployment as ``sosw-airflow doctor`` does, and fail if it is broken. Changes nothing.

    :param sosw_conn_id: the Connection of type ``sosw``. (templated)
    :param strict: also fail on a warning, such as a queue that no Orchestrator drains.

    Returns (as XCom, also if it fails) the findings: a list of ``level`` (``ok``, ``warning``, ``error``),
    ``check``, ``subject``, ``text`` and ``fix``.
    """

    template_fields: Sequence[str] = ("sosw_conn_id",)
    ui_color = "#e8f3ec"

    def __init__(
        self, *, sosw_conn_id: str = "sosw_default", strict: bool = False, **kwargs: Unpack[AirflowArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.sosw_conn_id = sosw_conn_id
        self.strict = strict

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Run all checks.

        :raises DeploymentBroken: names each fault and its fix. Airflow retries it as any other error.
        """
        from sosw_airflow.doctor.findings import Level
        from sosw_airflow.exceptions import DeploymentBroken
        from sosw_airflow.hooks.doctor import examine_deployment
        from sosw_airflow.hooks.sosw import SoswHook

        findings = list(examine_deployment(SoswHook(self.sosw_conn_id)))
        for each in findings:
            self.log.info("%s: %s", each.level.value, each)
        reported = [each.as_dict() for each in findings]
        fatal = {Level.ERROR, Level.WARNING} if self.strict else {Level.ERROR}
        broken = [str(each) for each in findings if each.level in fatal]
        if broken:
            context["ti"].xcom_push(key="return_value", value=reported)
            raise DeploymentBroken(broken)
        return reported
