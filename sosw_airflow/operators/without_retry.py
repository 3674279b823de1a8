"""Errors that a retry cannot fix fail the Airflow task at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sosw_airflow._compat import AirflowFailException
from sosw_airflow.exceptions import SoswError

__all__ = ["fail_without_retry"]


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """Fail the Airflow task without spending its retries on an error that a retry cannot fix."""
    failure = None
    try:
        yield
    except SoswError as error:
        if error.retryable:
            raise
        failure = without_retry(error)
    if failure is not None:
        raise failure


def without_retry(error: SoswError) -> SoswError:
    """The same error, of the same class, which is also an `AirflowFailException`: Airflow spends no retries on it."""
    failure = _class_without_retry(type(error)).__new__(_class_without_retry(type(error)), *error.args)
    failure.__dict__.update(error.__dict__)
    failure.args = error.args
    return failure


_made: dict[type[SoswError], type[SoswError]] = {}


def _class_without_retry(kind: type[SoswError]) -> type[SoswError]:
    if kind not in _made:
        _made[kind] = _make(kind)
    return _made[kind]


def _make(kind: type[SoswError]) -> type[SoswError]:
    members = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": _reduce}
    return type(kind.__name__, (kind, AirflowFailException), members)


def _reduce(failure: SoswError) -> tuple[object, ...]:
    # The class is made at run time, so pickle has to make it again.
    return _restore, (type(failure).__mro__[1], failure.args, failure.__dict__)


def _restore(kind: type[SoswError], args: tuple[object, ...], state: dict[str, object]) -> SoswError:
    failure = _class_without_retry(kind).__new__(_class_without_retry(kind), *args)
    failure.__dict__.update(state)
    failure.args = args
    return failure
