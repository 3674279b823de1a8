"""Tests of the faulty proxy."""
