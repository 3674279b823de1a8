"""The Airflow that this command was installed into: its Variables, its Connections, without its chatter."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec

from sosw_airflow.config.registry import LABOURER_CONN_TYPE

__all__ = ["NoAirflowError", "is_labourer_connection", "own_airflow", "read_variable", "silence"]


class NoAirflowError(Exception):
    """There is no Airflow in this environment."""


@contextmanager
def own_airflow() -> Iterator[None]:
    """Use Airflow inside: it may read its metadata database, and what it and DAG files log or print is passed over."""
    if find_spec("airflow") is None:
        raise NoAirflowError("there is no Airflow in this environment, whose Connections and Variables could be read")
    with silence(), redirect_stdout(io.StringIO()):
        from sosw_airflow._compat import outside_of_tasks

        outside_of_tasks()
        yield


@contextmanager
def silence() -> Iterator[None]:
    """Log and warn of nothing: what a command has to say it prints."""
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


def is_labourer_connection(labourer_id: str) -> bool:
    """Whether a Connection of type ``sosw_labourer`` registers this labourer."""
    with own_airflow():
        from sosw_airflow._compat import find_connection

        connection = find_connection(labourer_id)
    return connection is not None and connection.conn_type == LABOURER_CONN_TYPE
