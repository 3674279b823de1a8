"""Reading files with sosw's configuration: JSON, or Python with dict literals as in sosw's documentation.

Python is never executed. Assignments at module level are evaluated as far as they are made of literals and of names
that were assigned before; whatever needs more is reported with its line.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.json_documents import read_object
from sosw_airflow.jobs.json_values import is_utf8

__all__ = ["DOCUMENTS", "UpstreamFile", "read_upstream_file"]

#: Names of documents, in Python files and as keys of a JSON file with several of them -> kind of the document.
DOCUMENTS = {
    "SCHEDULER_CONFIG": "scheduler",
    "sosw_scheduler_config": "scheduler",
    "ORCHESTRATOR_CONFIG": "orchestrator",
    "sosw_orchestrator_config": "orchestrator",
    "TASK_CLIENT_CONFIG": "task_client",
    "TASKS_TABLE_CONFIG": "tasks_table",
}

#: Characters of a text, or values of a list, that additions may make.
_LONGEST = 1_000_000

_QUIET_STATEMENTS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)


@dataclass
class UpstreamFile:
    """What a file has.

    :ivar documents: by what they are (the values of `DOCUMENTS`); a JSON file that is one document has it under ``""``.
    :ivar notes: ``path: why`` for everything in the file that was passed over.
    """

    documents: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_upstream_file(path: Path) -> UpstreamFile:
    """Read one file; Python if its name ends in `.py` or its text does not begin with a brace.

    :raises InvalidConfiguration: the text cannot be read without executing it, or has none of the documents.
    :raises OSError: the file cannot be opened.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 text ({error.reason}, byte {error.start})"
        raise InvalidConfiguration([Fault(path.name, problem)]) from None
    if path.suffix != ".py" and text.lstrip().startswith("{"):
        return _read_json(text, path.name)
    return _read_python(text, path.name)


def _read_json(text: str, name: str) -> UpstreamFile:
    content = read_object(text, InvalidConfiguration, place=name)
    if not DOCUMENTS.keys() & content.keys():
        return UpstreamFile({"": content})
    documents = {DOCUMENTS[key]: value for key, value in content.items() if key in DOCUMENTS}
    others = [f"{name}: {key} is none of the documents that are read here" for key in content if key not in DOCUMENTS]
    return UpstreamFile(documents, others)


def _read_python(text: str, name: str) -> UpstreamFile:
    try:
        # Documentation is pasted with its indentation.
        module = ast.parse(textwrap.dedent(text))
    except SyntaxError as error:
        raise InvalidConfiguration([Fault(f"{name}, line {error.lineno}", f"is not Python: {error.msg}")]) from None
    except ValueError as error:  # a null byte
        raise InvalidConfiguration([Fault(name, f"is not Python: {error}")]) from None
    except (RecursionError, MemoryError):
        raise InvalidConfiguration([Fault(name, "is nested too deeply to be read")]) from None
    try:
        return _evaluated(module, name)
    except RecursionError:
        raise InvalidConfiguration([Fault(name, "is nested too deeply to be read")]) from None


def _evaluated(module: ast.Module, name: str) -> UpstreamFile:
    evaluator = _Evaluator()
    values = evaluator.values
    result = UpstreamFile()
    for statement in module.body:
        target = _assigned_name(statement)
        if target is not None:
            evaluator.assign(*target)
        elif not _is_quiet(statement) and any(
            isinstance(node, ast.Name) and node.id in values for node in ast.walk(statement)
        ):
            result.notes.append(f"{name}, line {statement.lineno}: is not executed: {_shown(statement)}")
    found = {variable: values[variable] for variable in DOCUMENTS if variable in values}
    if not found:
        raise InvalidConfiguration([Fault(name, f"assigns none of {', '.join(DOCUMENTS)}")])
    problems = dict.fromkeys(problem for _, problems in found.values() for problem in problems)
    if problems:
        raise InvalidConfiguration(Fault(f"{name}, line {line}", problem) for line, problem in problems)
    result.documents = {DOCUMENTS[variable]: value for variable, (value, _) in found.items()}
    return result


def _assigned_name(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """Name and expression of a plain `NAME = expression`."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        return None
    return (target.id, value) if isinstance(target, ast.Name) else None


def _is_quiet(statement: ast.stmt) -> bool:
    """Whether a statement can change no document: imports, definitions, bare strings."""
    bare_string = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return bare_string or isinstance(statement, _QUIET_STATEMENTS)


class _Evaluator(ast.NodeVisitor):
    """Values of expressions that need no execution.

    :ivar values: what the names mean that were assigned so far, each with its problems.
    :ivar problems: (line, problem) for whatever could not be known in the expression at hand.
    """

    def __init__(self) -> None:
        self.values: dict[str, tuple[Any, list[tuple[int, str]]]] = {}
        self.problems: list[tuple[int, str]] = []

    def assign(self, name: str, expression: ast.expr) -> None:
        """Remember what an assignment gives."""
        self.problems = []
        self.values[name] = (self.visit(expression), self.problems)

    def visit(self, node: ast.AST) -> Any:
        known = len(self.problems)
        try:
            return super().visit(node)
        except (TypeError, KeyError, IndexError) as error:
            if len(self.problems) == known:  # otherwise it only follows from what was reported already
                self.unknown(node, f"cannot be evaluated ({error})")
            return None

    def generic_visit(self, node: ast.AST) -> None:
        self.unknown(node, "cannot be known without executing the file; write the value itself")

    def unknown(self, node: ast.AST, why: str) -> None:
        self.problems.append((getattr(node, "lineno", 0), f"{why}: {_shown(node)}"))

    def visit_Constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, str) and not is_utf8(node.value):
            self.unknown(node, "is text that UTF-8 cannot hold")
        return node.value

    def visit_Dict(self, node: ast.Dict) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.visit(item)
            result.update((value or {}) if key is None else {self.visit(key): value})
        return result

    def visit_List(self, node: ast.List) -> list[Any]:
        return [self.visit(item) for item in node.elts]

    def visit_Tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self.visit(item) for item in node.elts)

    def visit_Set(self, node: ast.Set) -> set[Any]:
        return {self.visit(item) for item in node.elts}

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id not in self.values:
            return self.generic_visit(node)
        value, problems = self.values[node.id]
        self.problems.extend(problems)
        return value

    def visit_JoinedStr(self, node: ast.JoinedStr) -> str:
        return "".join(str(self.visit(part)) for part in node.values)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> Any:
        if node.conversion != -1 or node.format_spec is not None:
            return self.generic_visit(node)
        return self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        return self.visit(node.value)[self.visit(node.slice)]

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        if not isinstance(node.op, ast.Add):
            return self.generic_visit(node)
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(left, Sized) and isinstance(right, Sized) and len(left) + len(right) > _LONGEST:
            return self.unknown(node, f"has more than {_LONGEST:,} characters or values")
        return left + right

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        if not isinstance(node.op, ast.USub):
            return self.generic_visit(node)
        return -self.visit(node.operand)


def _shown(node: ast.AST) -> str:
    return textwrap.shorten(ast.unparse(node), 80)
