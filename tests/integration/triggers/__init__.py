"""Triggers in an event loop."""
