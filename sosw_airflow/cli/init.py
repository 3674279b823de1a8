"""`sosw-airflow init`: creates the tables and the bucket that a Connection names, or prints the CloudFormation."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_connection, open_deployment
from sosw_airflow.cli.exit_codes import DONE
from sosw_airflow.cli.job_arguments import command_line, positive_int
from sosw_airflow.cli.output import add_output, print_document
from sosw_airflow.cli.terminal import Column, plain_rows, show_text

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.stores.tables import Throughput

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "created, or shown what --apply would create"}

_COLUMNS = (Column("kind"), Column("name"), Column("state"))


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
        "--cloudformation",
        action="store_true",
        help="print a template with sosw's names, which its parameters change, and create nothing",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from sosw_airflow.stores.tables import SOSW_THROUGHPUT, Throughput

    billing = Throughput(*arguments.provisioned) if arguments.provisioned else None
    if arguments.cloudformation:
        from sosw_airflow.provision.cloudformation import cloudformation_template

        template = cloudformation_template(throughput=billing or SOSW_THROUGHPUT)
        print_document(template, "yaml" if arguments.output == "yaml" else "json")
        return DONE
    with open_deployment(arguments.conn_id) as deployment:
        return _create(deployment, billing, arguments)


def _create(deployment: Deployment, billing: Throughput | None, arguments: argparse.Namespace) -> int:
    from sosw_airflow.provision.create import create_missing, missing_bucket, missing_tables

    region = deployment.dynamodb.meta.region_name
    missing = [("table", name) for name in missing_tables(deployment)]
    if missing_bucket(deployment):
        missing.append(("bucket", deployment.queue_bucket))
    if missing and arguments.apply:
        created = create_missing(deployment, billing=billing)
        missing = [each for each in missing if each[1] in created]
    state = "created" if arguments.apply else "missing"
    if arguments.output in ("json", "yaml"):
        print_document(
            [{"kind": kind, "name": name, "state": state, "region": region} for kind, name in missing], arguments.output
        )
    elif arguments.output == "plain":
        plain_rows(_COLUMNS, [(kind, name, state) for kind, name in missing])
    elif not missing:
        doctor = command_line("doctor", arguments)
        show_text(f"Nothing is missing in {region}. `{doctor}` also checks whether it is right.")
    else:
        names = ", ".join(f"{kind} {name}" for kind, name in missing)
        show_text(f"{state.capitalize()} in {region}: {names}.")
        if not arguments.apply:
            print("Nothing was created: --apply creates them.")
    return DONE
