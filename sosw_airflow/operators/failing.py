"""Failing an Airflow task at once, where a retry could not mend the error."""

from __future__ import annotations

from sosw_airflow._compat import AirflowFailException
from sosw_airflow.exceptions import SoswError

__all__ = ["without_retry"]


def without_retry(error: SoswError) -> SoswError:
    """The same error, of the same class, which is also an `AirflowFailException`: Airflow spends no retries on it."""
    failure = _failing(type(error)).__new__(_failing(type(error)), *error.args)
    failure.__dict__.update(error.__dict__)
    failure.args = error.args
    return failure


_made: dict[type[SoswError], type[SoswError]] = {}


def _failing(kind: type[SoswError]) -> type[SoswError]:
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
    failure = _failing(kind).__new__(_failing(kind), *args)
    failure.__dict__.update(state)
    failure.args = args
    return failure
