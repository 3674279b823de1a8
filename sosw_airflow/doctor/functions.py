"""Checks whether the Lambda functions of the labourers exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sosw_airflow.doctor.findings import Finding, error, ok, warning
from sosw_airflow.exceptions import AccessDenied
from sosw_airflow.stores.aws_errors import error_code, explain

__all__ = ["check_functions"]


def check_functions(
    lambda_client: Any, functions: Mapping[str, str], *, where: str = "the Variable sosw_labourers"
) -> Iterator[Finding]:
    """One finding for each labourer.

    :param functions: name or ARN of each labourer's function, by the labourer's id.
    :param where: they are registered.
    """
    for labourer_id, function in functions.items():
        subject = f"labourer {labourer_id}"
        try:
            lambda_client.get_function_configuration(FunctionName=function)
        except (ClientError, BotoCoreError) as failed:
            yield _fault(failed, subject, function, where)
        else:
            yield ok("function", subject, "its function exists.")


def _fault(failed: ClientError | BotoCoreError, subject: str, function: str, where: str) -> Finding:
    if error_code(failed) == "ResourceNotFoundException":
        fix = (
            f"Deploy the function, or correct the labourer's id or 'arn' in {where}: no orchestrator could "
            "invoke its tasks."
        )
        return error("function", subject, f"there is no Lambda function {function}.", fix)
    problem = explain(failed, action="lambda:GetFunctionConfiguration", resource=function)
    if isinstance(problem, AccessDenied):
        fix = "Allow lambda:GetFunctionConfiguration to have it checked; scheduling does without."
        return warning("function", subject, f"its function {function} may not be read.", fix)
    fix = f"Correct 'arn' in {where}."
    return error("function", subject, f"its function {function} cannot be read: {failed}.", fix)
