"""Test your own DAGs and operators without AWS: sosw's tables and bucket in memory.

Needs the extra ``airflow-provider-sosw[testing]``. See docs/guides/testing.md.

Here: what tests of users call, which is public. Not here: what the tests of this package need (`tests/support`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sosw_airflow.testing.kit import Sosw, sosw_in_memory

__all__ = ["Sosw", "sosw_in_memory"]


def __getattr__(name: str) -> Any:
    """Import moto and pytest at their first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sosw_airflow.testing import kit

    return getattr(kit, name)
