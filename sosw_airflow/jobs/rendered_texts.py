"""Recognises what a template wrongly makes of a value: the text of a Python object, "None", nothing, an open ``{{``."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

__all__ = ["WAYS_OUT", "rendered_object", "rendered_wrongly"]

#: How a template or an argument gives an object instead of its text.
WAYS_OUT = (
    'Fix: put "| tojson" behind the expression, or set render_template_as_native_obj=True on the DAG, or give the '
    "XComArg itself (task.output)"
)

_OPEN = re.compile(r"\{\{.*\}\}|\{%.*%\}", re.DOTALL)
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
_REPR = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>|<generator object .+>|_?(Lazy|Map|Zip|Concat)\w*\(.*\)", re.DOTALL)

#: Characters up to which a text is parsed as Python; a longer one is judged by its beginning.
_PARSED = 100_000


def rendered_wrongly(text: str) -> str | None:
    """The fault of a text that stands for an object, as a clause with its fix; None for any other text.

    >>> rendered_wrongly("None")[:42]
    'is the text "None": the template found no '
    >>> rendered_wrongly('{"a": 1}') is None
    True
    """
    stripped = text.strip()
    if not stripped:
        return "is an empty text: the template found no value. Fix: correct the expression, or what it reads"
    if stripped in ("None", "Undefined"):
        return (
            f'is the text "{stripped}": the template found no value. Fix: correct the expression; an XCom is missing '
            f"if its Airflow task failed, was skipped, or has not run"
        )
    kind = rendered_object(stripped)
    if kind is not None and not _is_json(stripped):
        return f"is the text of a Python {kind}, not JSON: a template makes such text of an object. {WAYS_OUT}"
    if kind is None and _OPEN.search(stripped) and not _is_json(stripped):
        return (
            "has a template that was not rendered: only the operator's templated arguments are. Fix: give the value "
            "itself, or put the template into a templated argument"
        )
    return None


def rendered_object(text: str) -> str | None:
    """The type's name if a text reads as a Python or JSON list or object, or as an object's repr; else None."""
    text = text.strip()
    if not text:
        return None
    if _REPR.fullmatch(text):
        return "object"
    if _BRACKETS.get(text[0]) != text[-1]:
        return None
    value = _parsed(text)
    if isinstance(value, (list, tuple, dict, set)):
        return type(value).__name__
    # What Python shows of a date or an object inside is no literal.
    return {"[": "list", "{": "dict", "(": "tuple"}[text[0]] if re.match(r"[\[{(]+\s*'", text) else None


def _parsed(text: str) -> Any:
    if _is_json(text):
        return json.loads(text)
    if len(text) > _PARSED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
