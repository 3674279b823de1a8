"""`sosw-airflow import-config`: sosw's configuration becomes a Connection and two Variables of Airflow."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sosw_airflow.cli.exit_codes import DONE, REFUSED
from sosw_airflow.cli.output import add_output, print_document
from sosw_airflow.cli.terminal import show_text
from sosw_airflow.cli.upstream_files import UpstreamFile, read_upstream_file
from sosw_airflow.cli.upstream_stores import SOURCES, UpstreamStore
from sosw_airflow.cli.usage import UsageError
from sosw_airflow.config.upstream import ImportedConfiguration, from_upstream
from sosw_airflow.exceptions import Fault, InvalidConfiguration

__all__ = ["EXIT_CODES", "add_arguments", "run"]

EXIT_CODES = {DONE: "done, or shown what --apply would write"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "file",
        metavar="FILE|dynamodb|ssm",
        help="the Scheduler's configuration: JSON, or Python with a dict literal SCHEDULER_CONFIG (is not executed); "
        "or where sosw reads it: its DynamoDB table, or SSM's Parameter Store, both with boto3's default credentials",
    )
    parser.add_argument("--orchestrator", type=Path, metavar="FILE", help="the Orchestrator's configuration, likewise")
    stores = parser.add_argument_group("dynamodb and ssm")
    stores.add_argument(
        "--scheduler-name",
        default=UpstreamStore.scheduler,
        metavar="NAME",
        help="its name there: that of the Scheduler's Lambda function and _config (default: %(default)s)",
    )
    stores.add_argument(
        "--orchestrator-name",
        default=UpstreamStore.orchestrator,
        metavar="NAME",
        help="the same of the Orchestrator, which may be missing (default: %(default)s)",
    )
    stores.add_argument(
        "--table", default=UpstreamStore.table, help="of DynamoDB, with the keys env and config_name (%(default)s)"
    )
    stores.add_argument("--env", default=UpstreamStore.env, help="sosw's environment in the table (%(default)s)")
    stores.add_argument("--region", help="where they are (default: boto3's)")
    stores.add_argument("--endpoint-url", metavar="URL", help="of an emulator or a private endpoint")
    parser.add_argument("--conn-id", default="sosw_default", help="id of the Connection (default: %(default)s)")
    parser.add_argument(
        "--aws-conn-id",
        default="aws_default",
        help="id of the AWS Connection that it uses; empty for boto3's default credentials (default: %(default)s)",
    )
    parser.add_argument("--apply", action="store_true", help="write Connection and Variables into this Airflow")
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="write connections.json and variables.json there, for Airflow's own import commands",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    try:
        imported = _imported(arguments)
    except OSError as error:
        message = f"cannot read {error.filename}: {error.strerror}"
        raise UsageError(message) from None
    if arguments.output in ("table", "plain"):
        _show(imported, arguments.conn_id)
    else:
        print_document(_document(imported, arguments.conn_id), arguments.output)
    if arguments.output_dir:
        for path in _write(imported, arguments.conn_id, arguments.output_dir):
            print(f"Written: {path}", file=sys.stderr)
    if arguments.apply:
        return _apply(imported, arguments.conn_id)
    if not arguments.output_dir:
        print("Nothing was written: --apply writes this into Airflow, --output-dir DIR into files.", file=sys.stderr)
    return DONE


def _document(imported: ImportedConfiguration, conn_id: str) -> dict[str, Any]:
    return {
        "connections": imported.airflow_connections(conn_id),
        "variables": imported.airflow_variables(),
        "not_taken_over": imported.not_understood,
    }


def _imported(arguments: argparse.Namespace) -> ImportedConfiguration:
    main = _main(arguments)
    separate = read_upstream_file(arguments.orchestrator) if arguments.orchestrator else UpstreamFile()
    scheduler = main.documents.get("scheduler", main.documents.get(""))
    if scheduler is None:
        raise InvalidConfiguration(
            [Fault(Path(arguments.file).name, "has no configuration of the Scheduler (SCHEDULER_CONFIG)")]
        )
    orchestrator = main.documents.get("orchestrator")
    if arguments.orchestrator:
        orchestrator = _orchestrator(separate, arguments.orchestrator.name)
    imported = from_upstream(
        scheduler,
        orchestrator=orchestrator,
        task_client=main.documents.get("task_client"),
        tasks_table=main.documents.get("tasks_table"),
        aws_conn_id=arguments.aws_conn_id,
    )
    imported.not_understood[:0] = main.notes + separate.notes
    return imported


def _main(arguments: argparse.Namespace) -> UpstreamFile:
    """What is named first: a file, or one of sosw's stores (a file of such a name is `./ssm`)."""
    if arguments.file not in SOURCES:
        return read_upstream_file(Path(arguments.file))
    return UpstreamStore(
        arguments.file,
        scheduler=arguments.scheduler_name,
        orchestrator=arguments.orchestrator_name,
        table=arguments.table,
        env=arguments.env,
        region_name=arguments.region,
        endpoint_url=arguments.endpoint_url,
    ).read()


def _orchestrator(file: UpstreamFile, name: str) -> Any:
    """The Orchestrator's configuration of its own file, in which TASK_CLIENT_CONFIG alone is enough."""
    documents = file.documents
    if "task_client" in documents:
        return documents.get("orchestrator", {"task_config": documents["task_client"]})
    if not documents.keys() & {"orchestrator", ""}:
        raise InvalidConfiguration([Fault(name, "has no configuration of the Orchestrator (ORCHESTRATOR_CONFIG)")])
    return documents.get("orchestrator", documents.get(""))


def _show(imported: ImportedConfiguration, conn_id: str) -> None:
    """The documents are for copying, so that their lines stay whole."""
    show_text(f"Connection {conn_id!r} of type sosw, extras:")
    print(_pretty(imported.connection_extra))
    for name, document in imported.variables.items():
        show_text(f"Variable {name}:")
        print(_pretty(document))
    if imported.not_understood:
        show_text("Not taken over:")
        for line in imported.not_understood:
            show_text(f"  - {line}")


def _write(imported: ImportedConfiguration, conn_id: str, directory: Path) -> tuple[Path, Path]:
    """Write the files for Airflow's own import commands: connections, variables."""
    directory.mkdir(parents=True, exist_ok=True)
    connections, variables = directory / "connections.json", directory / "variables.json"
    for path, document in (
        (connections, imported.airflow_connections(conn_id)),
        (variables, imported.airflow_variables()),
    ):
        # Only for the owner, also if another run has left the file: a setting may be a secret without showing it.
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(_pretty(document) + "\n", encoding="utf-8")
    return connections, variables


def _apply(imported: ImportedConfiguration, conn_id: str) -> int:
    """Write into the Airflow of this interpreter, through its own command: the one way that all its versions share."""
    with tempfile.TemporaryDirectory() as directory:
        connections, variables = _write(imported, conn_id, Path(directory))
        # What Airflow prints when it did it: its exit code is 0 also if it refused a connection's id.
        steps = (
            (
                ["variables", "import", str(variables)],
                f"{len(imported.variables)} of {len(imported.variables)} variables",
            ),
            (["connections", "import", "--overwrite", str(connections)], f"Imported connection {conn_id}"),
        )
        for command, done in steps:
            outcome = subprocess.run(  # noqa: S603 - this interpreter's own Airflow
                [sys.executable, "-m", "airflow", *command], capture_output=True, text=True, check=False
            )
            if outcome.returncode or done not in outcome.stdout:
                print(f"Airflow did not take it (airflow {' '.join(command[:2])}):", file=sys.stderr)
                print(outcome.stdout, outcome.stderr, sep="\n", file=sys.stderr)
                return REFUSED
    show_text(f"Applied: Connection {conn_id!r}, Variables {', '.join(imported.variables)}.")
    return DONE


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2)
