"""`sosw-airflow init`: create the tables and the bucket that a Connection names, or print the CloudFormation."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from sosw_airflow.cli.deployments import add_connection, with_deployment

if TYPE_CHECKING:
    from sosw_airflow.stores.deployment import Deployment
    from sosw_airflow.stores.tables import Throughput

__all__ = ["HELP", "add_arguments", "run"]

HELP = "Create the tables and the bucket that are missing, or print a CloudFormation template of them."

_EPILOG = """exit codes:
  0  done, or shown what would be done
  1  AWS or the Connection refuses
  2  wrong usage, or there is no Airflow here
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_connection(parser)
    parser.add_argument("--apply", action="store_true", help="create what is missing; without it, only show it")
    parser.add_argument(
        "--provisioned",
        nargs=2,
        type=int,
        metavar=("READ", "WRITE"),
        help="units of each table and index; without it, the tables are on demand",
    )
    parser.add_argument(
        "--cloudformation",
        action="store_true",
        help="print a template (JSON, with sosw's names; its parameters change them) and create nothing",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code: 0, 1 or 2, as its help says."""
    from sosw_airflow.stores.tables import SOSW_THROUGHPUT, Throughput

    billing = Throughput(*arguments.provisioned) if arguments.provisioned else None
    if arguments.cloudformation:
        from sosw_airflow.provision.cloudformation import cloudformation_template

        print(json.dumps(cloudformation_template(throughput=billing or SOSW_THROUGHPUT), indent=2))
        return 0
    return with_deployment(
        "init", arguments.conn_id, lambda deployment: _create(deployment, billing, apply=arguments.apply)
    )


def _create(deployment: Deployment, billing: Throughput | None, *, apply: bool) -> int:
    from sosw_airflow.provision.create import create_missing, missing_bucket, missing_tables

    region = deployment.dynamodb.meta.region_name
    missing = [f"table {name}" for name in missing_tables(deployment)]
    if missing_bucket(deployment):
        missing.append(f"bucket {deployment.queue_bucket}")
    if not missing:
        print(f"Nothing is missing in {region}. `sosw-airflow doctor` looks whether it is right, too.")
        return 0
    if not apply:
        print(f"Missing in {region}: {', '.join(missing)}.\nNothing was created: --apply creates them.")
        return 0
    created = create_missing(deployment, billing=billing)
    print(f"Created in {region}: {', '.join(created)}.")
    return 0
