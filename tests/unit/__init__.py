"""Tests without a process and without an emulator."""
