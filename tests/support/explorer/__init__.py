"""Runs actors against the deterministic AWS in every order, one request at a time, and checks the promises.

An *actor* is a real entry point of the provider, or a reduced one of sosw, in a greenlet of its own. It stops before
each request; the *engine* then decides who continues and what becomes of the request. A *scenario* names the actors,
and the *invariants* that must hold. The *search* tries schedules: those with few deviations from a plain sequence
first, or random ones. A schedule is written as its deviations alone, so a failing one is a line of text that can be
replayed.
"""
