"""DynamoDB's expressions: conditions, key conditions, filters, updates and projections on top-level attributes.

An expression is parsed once for its text and becomes a function; documents and lists inside of items are not addressed,
since sosw and the provider do not use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

Value = Mapping[str, Any]  # such as {"S": "text"}
Item = dict[str, dict[str, Any]]

_TOKEN = re.compile(r"\s*(?:(?P<word>[#:]?[A-Za-z_][\w]*)|(?P<sign><>|<=|>=|[=<>(),+\-]))")


class ExpressionError(Exception):
    """DynamoDB would refuse the request with a `ValidationException`."""


@dataclass(frozen=True)
class Scope:
    """What the placeholders of an expression stand for."""

    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)

    def name(self, word: str) -> str:
        """The attribute that a word of an expression names."""
        if not word.startswith("#"):
            return word
        if word not in self.names:
            raise ExpressionError(f"An expression attribute name used in the document path is not defined: {word}")
        return self.names[word]

    def value(self, word: str) -> Value:
        """The value that a word of an expression stands for."""
        if word not in self.values:
            raise ExpressionError(f"An expression attribute value used in expression is not defined: {word}")
        return self.values[word]


Operand = Callable[[Item, Scope], "Value | None"]
Condition = Callable[[Item, Scope], bool]


@dataclass(frozen=True)
class Update:
    """The clauses of an update expression.

    :ivar sets: attribute and its new value.  :ivar adds: attribute and what is added to its number.
    """

    sets: tuple[tuple[str, Operand], ...]
    adds: tuple[tuple[str, Operand], ...]
    removes: tuple[str, ...]

    def apply(self, item: Item, scope: Scope) -> Item:
        """The item after the update; the given one is not changed."""
        changed = dict(item)
        for word, operand in self.sets:
            value = operand(item, scope)
            if value is None:
                raise ExpressionError("The provided expression refers to an attribute that does not exist in the item")
            changed[scope.name(word)] = dict(value)
        for word, operand in self.adds:
            name = scope.name(word)
            former = item.get(name, {"N": "0"})
            changed[name] = {"N": number_text(number(former) + number(operand(item, scope)))}
        for word in self.removes:
            changed.pop(scope.name(word), None)
        return changed


def number(value: Value | None) -> Decimal:
    """A number for arithmetic."""
    if value is None or "N" not in value:
        raise ExpressionError("An operand in the update expression has an incorrect data type")
    return Decimal(value["N"])


def number_text(value: Decimal) -> str:
    """A number as DynamoDB writes it: without an exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def comparable(value: Value) -> tuple[str, Any]:
    """What two values are compared by; values of different types have no order."""
    ((kind, content),) = value.items()
    if kind == "N":
        return kind, Decimal(content)
    return kind, repr(content) if isinstance(content, (dict, list)) else content


def placeholders(*expressions: str | None) -> set[str]:
    """The names and values that the expressions use."""
    return {word for text in expressions if text for word in re.findall(r"[#:]\w+", text)}


@lru_cache(maxsize=512)
def condition(text: str) -> Condition:
    """A condition, key condition or filter as a function of the item."""
    return _Parser(text).whole_condition()


@lru_cache(maxsize=512)
def update(text: str) -> Update:
    """An update expression."""
    return _Parser(text).whole_update()


def project(item: Item, text: str | None, scope: Scope) -> Item:
    """The attributes that a projection names, or all."""
    if text is None:
        return item
    wanted = [scope.name(word.strip()) for word in text.split(",")]
    return {name: item[name] for name in wanted if name in item}


def _compare(sign: str) -> Callable[[Value, Value], bool]:
    def compare(left: Value, right: Value) -> bool:
        one, two = comparable(left), comparable(right)
        if sign in ("=", "<>"):
            return (one == two) == (sign == "=")
        if one[0] != two[0]:
            return False
        return {"<": one < two, "<=": one <= two, ">": one > two, ">=": one >= two}[sign]

    return compare


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ExpressionError(f"Invalid expression: syntax error near {text[position:]!r}")
            self._tokens.append(match["word"] or match["sign"])
            position = match.end()
        self._at = 0

    def whole_condition(self) -> Condition:
        parsed = self._any_of()
        self._end()
        return parsed

    def whole_update(self) -> Update:
        sets: list[tuple[str, Operand]] = []
        adds: list[tuple[str, Operand]] = []
        removes: list[str] = []
        while self._at < len(self._tokens):
            clause = self._next().upper()
            if clause not in ("SET", "ADD", "REMOVE"):
                raise ExpressionError(f"Invalid UpdateExpression: {self._text}")
            while True:
                word = self._next()
                if clause == "REMOVE":
                    removes.append(word)
                elif clause == "ADD":
                    adds.append((word, self._operand()))
                else:
                    self._expect("=")
                    sets.append((word, self._sum()))
                if not self._take(","):
                    break
        return Update(tuple(sets), tuple(adds), tuple(removes))

    def _any_of(self) -> Condition:
        parts = [self._all_of()]
        while self._take("OR"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda item, scope: any(part(item, scope) for part in parts)

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self._take("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda item, scope: all(part(item, scope) for part in parts)

    def _one(self) -> Condition:
        if self._take("NOT"):
            negated = self._one()
            return lambda item, scope: not negated(item, scope)
        if self._take("("):
            inner = self._any_of()
            self._expect(")")
            return inner
        word = self._peek()
        if word in ("attribute_exists", "attribute_not_exists"):
            return self._existence(wanted=self._next() == "attribute_exists")
        if word in ("begins_with", "contains"):
            return self._text_function(self._next())
        return self._comparison()

    def _existence(self, *, wanted: bool) -> Condition:
        self._expect("(")
        word = self._next()
        self._expect(")")
        return lambda item, scope: (scope.name(word) in item) is wanted

    def _text_function(self, function: str) -> Condition:
        self._expect("(")
        left = self._operand()
        self._expect(",")
        right = self._operand()
        self._expect(")")

        def check(item: Item, scope: Scope) -> bool:
            whole, part = left(item, scope), right(item, scope)
            if whole is None or part is None or "S" not in whole:
                return False
            return whole["S"].startswith(part["S"]) if function == "begins_with" else part["S"] in whole["S"]

        return check

    def _comparison(self) -> Condition:
        left = self._operand()
        sign = self._next()
        if sign.upper() == "BETWEEN":
            low = self._operand()
            self._expect("AND")
            high = self._operand()
            not_below, not_above = self._test(left, ">=", low), self._test(left, "<=", high)
            return lambda item, scope: not_below(item, scope) and not_above(item, scope)
        if sign.upper() == "IN":
            self._expect("(")
            options = [self._operand()]
            while self._take(","):
                options.append(self._operand())
            self._expect(")")
            tests = [self._test(left, "=", option) for option in options]
            return lambda item, scope: any(test(item, scope) for test in tests)
        if sign not in ("=", "<>", "<", "<=", ">", ">="):
            raise ExpressionError(f"Invalid expression: syntax error near {sign!r}")
        return self._test(left, sign, self._operand())

    def _test(self, left: Operand, sign: str, right: Operand) -> Condition:
        compare = _compare(sign)

        def check(item: Item, scope: Scope) -> bool:
            one, two = left(item, scope), right(item, scope)
            if one is None or two is None:
                return sign == "<>" and one is not two
            return compare(one, two)

        return check

    def _sum(self) -> Operand:
        total = self._operand()
        while self._peek() in ("+", "-"):
            total = self._plus(total, self._next(), self._operand())
        return total

    def _plus(self, left: Operand, sign: str, right: Operand) -> Operand:
        def add(item: Item, scope: Scope) -> Value | None:
            one, two = left(item, scope), right(item, scope)
            if one is None or two is None:
                return None
            return {"N": number_text(number(one) + (number(two) if sign == "+" else -number(two)))}

        return add

    def _operand(self) -> Operand:
        word = self._next()
        if word == "if_not_exists":
            self._expect("(")
            name = self._next()
            self._expect(",")
            fallback = self._operand()
            self._expect(")")
            return lambda item, scope: item.get(scope.name(name)) or fallback(item, scope)
        if word.startswith(":"):
            return lambda item, scope: scope.value(word)
        return lambda item, scope: item.get(scope.name(word))

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ExpressionError(f"Invalid expression: it ends too early: {self._text}")
        self._at += 1
        return token

    def _take(self, word: str) -> bool:
        found = self._peek().upper() == word
        self._at += found
        return found

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise ExpressionError(f"Invalid expression: {word!r} is missing near {self._peek()!r}: {self._text}")

    def _end(self) -> None:
        if self._at < len(self._tokens):
            raise ExpressionError(f"Invalid expression: syntax error near {self._peek()!r}: {self._text}")
