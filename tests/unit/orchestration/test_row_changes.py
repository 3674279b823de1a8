"""The table of the changes of a task's row."""

from __future__ import annotations

from sosw_airflow.orchestration.transitions import CLAUSES, ROW_CHANGES, Transitions


def test_the_table_names_each_method_that_changes_a_row() -> None:
    """No other change is made."""
    methods = {name for name, value in vars(Transitions).items() if callable(value) and not name.startswith("_")}
    assert {change.name for change in ROW_CHANGES} == methods


def test_each_clause_is_used() -> None:
    """`same_place` stands for `as_read` if a faulty row has no attempts."""
    assert {clause for change in ROW_CHANGES for clause in change.clauses} | {"same_place"} == CLAUSES.keys()
