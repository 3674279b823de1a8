"""Examines a deployment without changing it: tables, permissions, functions, labourers, sosw beside it, orphans.

Here: one module for each kind of check, and the findings that they yield.
Not here: reading Connections and Variables, which `hooks.doctor` does, and printing, which `cli` does.
"""
