"""The arguments that the operators share have one definition, and it is complete."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import sosw_airflow.operators.arguments as arguments_module
from sosw_airflow._compat import BaseOperator
from sosw_airflow.operators.arguments import AirflowArguments, SoswArguments
from sosw_airflow.operators.base import SoswBaseOperator
from sosw_airflow.operators.sosw import (
    SoswDoctorOperator,
    SoswDrainQueueOperator,
    SoswRepairOperator,
    SoswScheduleOperator,
)


def keywords(operator: type) -> set[str]:
    """The named arguments of a class."""
    parameters = inspect.signature(operator.__init__).parameters.values()
    return {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}


def test_every_argument_of_airflow_is_known() -> None:
    """A type checker accepts on our operators what this version of Airflow accepts on its own."""
    assert set() == keywords(BaseOperator) - set(AirflowArguments.__annotations__)


def test_every_argument_of_the_base_class_is_defined() -> None:
    """Each has its type and its meaning in `SoswArguments`, and nothing else is there."""
    assert keywords(SoswBaseOperator) == set(SoswArguments.__annotations__) - set(AirflowArguments.__annotations__)


def test_every_argument_has_a_meaning() -> None:
    """A text stands behind each key: an editor and the reference show it."""
    module = ast.parse(Path(arguments_module.__file__).read_text())
    (definition,) = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "SoswArguments")
    keys = [node for node in definition.body if isinstance(node, ast.AnnAssign)]
    texts = [after for node, after in zip(definition.body, definition.body[1:], strict=False) if node in keys]
    assert all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in texts)
    assert len(keys) == len(texts)


@pytest.mark.parametrize(
    ("operator", "shared"),
    [
        (SoswScheduleOperator, "SoswArguments"),
        (SoswRepairOperator, "SoswArguments"),
        (SoswDrainQueueOperator, "SoswArguments"),
        (SoswDoctorOperator, "AirflowArguments"),
    ],
)
def test_every_operator_names_the_shared_arguments(operator: type, shared: str) -> None:
    """Not `Any`, of which an editor shows nothing."""
    assert f"Unpack[{shared}]" == inspect.signature(operator.__init__).parameters["kwargs"].annotation
