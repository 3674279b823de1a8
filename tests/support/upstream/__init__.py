"""The real sosw 0.7.51 in a test: its Scheduler's expansion alone, or all of its components on moto.

Import sosw through `tests.support.upstream.quiet`: at import each of its modules turns the root logger to INFO and logs
through it.
"""
