"""`sosw-airflow init`: creates tables, bucket and assistant of a Connection, or prints the CloudFormation."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from sosw_airflow.cli.deployments import add_connection, open_deployment, own_airflow
from sosw_airflow.cli.exit_codes import DONE
from sosw_airflow.cli.job_arguments import command_line, positive_int
from sosw_airflow.cli.output import add_output, print_document
from sosw_airflow.cli.terminal import Column, plain_rows, show_text
from sosw_airflow.cli.usage import UsageError

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.stores.tables import Throughput

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "created, or shown what --apply would create"}

_COLUMNS = (Column("kind"), Column("name"), Column("state"))

#: What --apply makes of a part in this state.
_APPLIED = {"missing": "created", "old": "updated", "foreign": "replaced"}


class _Part(NamedTuple):
    """:ivar kind: table, bucket, function or destination.  :ivar state: a key of `_APPLIED`, or one of its values."""

    kind: str
    name: str
    state: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_connection(parser)
    parser.add_argument("--apply", action="store_true", help="create what is missing; without it, only show it")
    parser.add_argument(
        "--provisioned",
        nargs=2,
        type=positive_int,
        metavar=("READ", "WRITE"),
        help="units of each table and index; without it, the tables are on demand",
    )
    parser.add_argument(
        "--assistant",
        action="store_true",
        help="also the Lambda function sosw_worker_assistant, to which labourers' functions report",
    )
    parser.add_argument(
        "--connect",
        nargs="+",
        default=[],
        metavar="LABOURER",
        help="with --assistant: make it the destination of these labourers' functions",
    )
    parser.add_argument("--role", metavar="ARN", help="with --assistant: its role (default: one is created)")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="with --assistant: replace sosw's own function of this name, which stays as a published version",
    )
    parser.add_argument(
        "--cloudformation",
        action="store_true",
        help="print a template with sosw's names, which its parameters change, and create nothing",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.stores.tables import SOSW_THROUGHPUT, Throughput

    if not arguments.assistant and (arguments.connect or arguments.role or arguments.replace):
        message = "--connect, --role and --replace are about the assistant. Fix: add --assistant"
        raise UsageError(message)
    billing = Throughput(*arguments.provisioned) if arguments.provisioned else None
    if arguments.cloudformation:
        from sosw_airflow.provision.assistant_template import assistant_template
        from sosw_airflow.provision.cloudformation import cloudformation_template

        template = (
            assistant_template()
            if arguments.assistant
            else cloudformation_template(throughput=billing or SOSW_THROUGHPUT)
        )
        print_document(template, "yaml" if arguments.output == "yaml" else "json")
        return DONE
    assistant = _Assistant(arguments) if arguments.assistant else None
    with open_deployment(arguments.conn_id) as deployment:
        return _create(deployment, billing, assistant, arguments)


class _Assistant:
    """The assistant and the labourers that report to it.

    :raises UnknownLabourer: a labourer is not registered.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._role, self._replace = arguments.role, arguments.replace
        with own_airflow():
            from sosw_airflow.hooks.sosw import SoswHook

            hook = SoswHook(arguments.conn_id)
            labourers = [hook.labourer(each) for each in dict.fromkeys(arguments.connect)]
            self._lambda, self._iam = hook.client("lambda", attempts=2), hook.client("iam", attempts=2)
            self._tables = hook.settings.table_names()
        self._functions = {each.labourer_id: each.arn or each.labourer_id for each in labourers}

    def parts(self) -> list[_Part]:
        """What is to be done.

        :raises InvalidConfiguration: it would replace what is not ours.
        """
        from sosw_airflow.exceptions import Fault, InvalidConfiguration
        from sosw_airflow.provision.assistant import ASSISTANT, AssistantState, assistant_state
        from sosw_airflow.provision.destinations import check_destination

        state, faults = assistant_state(self._lambda, self._tables), []
        if state is AssistantState.FOREIGN and not self._replace:
            problem = "is another program's, such as sosw's own. Give --replace; it stays as a published version"
            faults.append(Fault(f"function {ASSISTANT}", problem))
        found = [] if state is AssistantState.CURRENT else [_Part("function", ASSISTANT, state.value)]
        for labourer_id, function in self._functions.items():
            try:
                if not check_destination(self._lambda, function):
                    found.append(_Part("destination", labourer_id, "missing"))
            except InvalidConfiguration as error:  # noqa: PERF203 - a few labourers
                faults += error.faults
        if faults:
            raise InvalidConfiguration(faults)
        return found

    def apply(self, parts: list[_Part]) -> None:
        """Deploy the function, and make it the destination of the labourers that lack it."""
        from sosw_airflow.provision.assistant import deploy_assistant
        from sosw_airflow.provision.destinations import connect_labourer

        if parts:
            arn = deploy_assistant(self._lambda, self._iam, self._tables, role_arn=self._role)
            for each in parts:
                if each.kind == "destination":
                    connect_labourer(self._lambda, self._iam, self._functions[each.name], arn)


def _create(
    deployment: Deployment, billing: Throughput | None, assistant: _Assistant | None, arguments: argparse.Namespace
) -> int:
    from sosw_airflow.provision.create import create_missing, missing_bucket, missing_tables

    region = deployment.dynamodb.meta.region_name
    parts = [_Part("table", name, "missing") for name in missing_tables(deployment)]
    if missing_bucket(deployment):
        parts.append(_Part("bucket", deployment.queue_bucket, "missing"))
    reporting = assistant.parts() if assistant else []
    if arguments.apply:
        created = create_missing(deployment, billing=billing) if parts else []
        parts = [each for each in parts if each.name in created]
        if assistant:
            assistant.apply(reporting)
    parts += reporting
    if arguments.apply:
        parts = [each._replace(state=_APPLIED[each.state]) for each in parts]
    if arguments.output in ("json", "yaml"):
        print_document([{**each._asdict(), "region": region} for each in parts], arguments.output)
    elif arguments.output == "plain":
        plain_rows(_COLUMNS, parts)
    elif not parts:
        doctor = command_line("doctor", arguments)
        show_text(f"Nothing is missing in {region}. `{doctor}` also checks whether it is right.")
    else:
        for line in _lines(parts, region):
            show_text(line)
        if not arguments.apply:
            show_text("Nothing was created: --apply creates them.")
    return DONE


def _lines(parts: list[_Part], region: str) -> Iterator[str]:
    """One sentence for each state."""

    def state(part: _Part) -> Any:
        return part.state

    for name, some in groupby(sorted(parts, key=state), key=state):
        kinds = {"destination": "destination of"}
        names = ", ".join(f"{kinds.get(each.kind, each.kind)} {each.name}" for each in some)
        yield f"{name.capitalize()} in {region}: {names}."
