"""The deployment that a command is about: that of a Connection of the Airflow in this environment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sosw_airflow.cli.own_airflow import NoAirflowError, own_airflow, silence
from sosw_airflow.exceptions import SoswError

if TYPE_CHECKING:
    from sosw_airflow.stores.scheduling import Deployment

__all__ = ["add_connection", "with_deployment"]


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that names the Connection."""
    parser.add_argument("--conn-id", default="sosw_default", help="id of the Connection (default: %(default)s)")


def with_deployment(command: str, conn_id: str, work: Callable[[Deployment], int], *, patient: bool = False) -> int:
    """Do the work and give its exit code; 1 where it is refused, 2 where there is no Airflow.

    :param patient: repeat requests that AWS does not answer, instead of giving up soon.
    """
    try:
        with own_airflow():
            from sosw_airflow.hooks.sosw import SoswHook

            hook = SoswHook(conn_id)
            deployment = hook.deployment() if patient else hook.examined()
        with silence():
            return work(deployment)
    except NoAirflowError as error:
        print(f"sosw-airflow {command}: {error}", file=sys.stderr)
        return 2
    except SoswError as error:
        print(error, file=sys.stderr)
        return 1
