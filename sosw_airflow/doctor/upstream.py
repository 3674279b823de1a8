"""Checks whether sosw's own Orchestrator and Scavenger still run beside Airflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sosw_airflow.doctor.findings import Finding, ok, warning
from sosw_airflow.orchestration.policy import LabourerPolicy
from sosw_airflow.orchestration.readings import function_configuration
from sosw_airflow.stores.aws_errors import explain_faults

__all__ = ["check_upstream"]

#: sosw's names of its functions.
ORCHESTRATOR, SCAVENGER = "sosw_orchestrator", "sosw_scavenger"


def check_upstream(aws_lambda: Any, events: Any, policies: Sequence[LabourerPolicy]) -> Iterator[Finding]:
    """Whether EventBridge starts sosw's programs for labourers that Airflow processes.

    :param events: a boto3 EventBridge client.
    :param policies: of the labourers whose tasks Airflow invokes.
    :raises SoswError: AWS refuses.
    """
    rules = {name: list(_enabled_rules(aws_lambda, events, name)) for name in (ORCHESTRATOR, SCAVENGER)}
    invoked = [policy.labourer_id for policy in policies]
    closed = [policy.labourer_id for policy in policies if not policy.upstream_scavenger]
    if rules[SCAVENGER] and closed:
        text = f"is started by {', '.join(rules[SCAVENGER])}, and stops at rows that Airflow has closed."
        fix = (
            f'Disable the rule for it, or set "scavenger": "upstream" for {", ".join(closed)} until it is off: '
            "docs/guides/orchestration.md has the order of the steps."
        )
        yield warning("upstream", SCAVENGER, text, fix)
    if rules[ORCHESTRATOR]:
        text = f"is started by {', '.join(rules[ORCHESTRATOR])}, beside Airflow: each counts up to its own limit."
        fix = f"Set max_simultaneous_invocations of {', '.join(invoked)} to 0 in sosw's configuration."
        yield warning("upstream", ORCHESTRATOR, text, fix)
    if not any(rules.values()):
        yield ok("upstream", "sosw", "no rule of EventBridge starts its Orchestrator or Scavenger.")


def _enabled_rules(aws_lambda: Any, events: Any, name: str) -> Iterator[str]:
    configuration = function_configuration(aws_lambda, name)
    if configuration is None:
        return
    arn = configuration["FunctionArn"]
    with explain_faults(action="events:ListRuleNamesByTarget", resource=arn):
        names = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    for rule in names:
        with explain_faults(action="events:DescribeRule", resource=rule):
            if events.describe_rule(Name=rule)["State"] == "ENABLED":
                yield rule
