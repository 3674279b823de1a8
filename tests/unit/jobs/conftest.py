"""Settings of the property-based tests of the core."""

from __future__ import annotations

from hypothesis import settings

# No deadline: a busy machine must not fail a test of a pure function.
settings.register_profile("core", deadline=None, max_examples=60)
settings.load_profile("core")
