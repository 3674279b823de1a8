"""The deployment that a command works on, read from the local Airflow with its logging silenced."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from sosw_airflow.cli.usage import Arguments, NoAirflowError

if TYPE_CHECKING:
    from sosw_airflow.hooks.sosw import SoswHook
    from sosw_airflow.stores.deployment import Deployment

__all__ = [
    "Settings",
    "add_connection",
    "is_labourer_connection",
    "open_deployment",
    "open_labourer",
    "own_airflow",
    "period_modules",
    "read_settings",
    "read_variable",
    "silence",
]


class Settings(NamedTuple):
    """:ivar namespace: of the Airflow deployment, for identities.  :ivar max_tasks: the most tasks of a job."""

    namespace: str
    max_tasks: int


@contextmanager
def own_airflow() -> Iterator[None]:
    """Use Airflow inside: it may read its metadata database, and what it and DAG files log or print is dropped.

    :raises NoAirflowError: this environment has none.
    """
    if find_spec("airflow") is None:
        message = "this environment has no Airflow whose Connections and Variables could be read. "
        raise NoAirflowError(f"{message}Fix: run it where Airflow is installed")
    with silence(), redirect_stdout(io.StringIO()):
        from sosw_airflow._compat import outside_of_tasks

        outside_of_tasks()
        yield


@contextmanager
def silence() -> Iterator[None]:
    """Neither log nor warn: a command prints what it has to say."""
    import logging

    former = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(former)


def read_variable(name: str) -> str | None:
    """The text of a Variable, or None."""
    with own_airflow():
        from sosw_airflow._compat import get_variable

        return get_variable(name)


def period_modules() -> tuple[str, ...]:
    """Modules whose functions a job schema may name, by Airflow's configuration."""
    with own_airflow():
        from sosw_airflow.hooks.sosw import period_modules as configured_modules

        return configured_modules()


def is_labourer_connection(labourer_id: str) -> bool:
    """Whether a Connection of type ``sosw_labourer`` registers this labourer."""
    from sosw_airflow.config.registry import LABOURER_CONN_TYPE

    with own_airflow():
        from sosw_airflow._compat import find_connection

        connection = find_connection(labourer_id)
    return connection is not None and connection.conn_type == LABOURER_CONN_TYPE


def add_connection(parser: Arguments) -> None:
    """Declare the argument that names the Connection."""
    parser.add_argument(
        "--conn-id", default="sosw_default", metavar="ID", help="id of the Connection (default: %(default)s)"
    )


@contextmanager
def open_deployment(conn_id: str, *, patient: bool = False) -> Iterator[Deployment]:
    """The deployment of a Connection; inside, nothing is logged.

    :param patient: repeat requests that AWS does not answer, instead of giving up soon.
    :raises NoAirflowError: this environment has no Airflow.
    :raises SoswError: the Connection does not exist or has faults.
    """
    with own_airflow():
        hook = _hook(conn_id)
        deployment = hook.deployment() if patient else hook.examined()
    with silence():
        yield deployment


@contextmanager
def open_labourer(conn_id: str, labourer_id: str) -> Iterator[Deployment]:
    """The deployment of a Connection, for a command about one labourer; inside, nothing is logged.

    :raises UnknownLabourer: it is not registered.
    :raises SoswError: as `open_deployment`.
    """
    with own_airflow():
        hook = _hook(conn_id)
        hook.labourer(labourer_id)
        deployment = hook.deployment()
    with silence():
        yield deployment


def read_settings(conn_id: str) -> Settings:
    """What Airflow's configuration and the Connection say about every job.

    :raises SoswError: the Connection does not exist or has faults.
    """
    with own_airflow():
        from sosw_airflow.hooks.sosw import default_max_tasks

        return Settings(_hook(conn_id).settings.namespace, default_max_tasks())


def _hook(conn_id: str) -> SoswHook:
    from sosw_airflow.hooks.sosw import SoswHook

    return SoswHook(conn_id)
