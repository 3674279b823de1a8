"""docs/guides/troubleshooting.md has every error, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from sosw_airflow import exceptions

PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "troubleshooting.md").read_text()


def errors(base: type[Exception] = exceptions.SoswError) -> Iterator[type[Exception]]:
    """The classes that a user can meet."""
    for each in base.__subclasses__():
        if each.__module__.startswith(exceptions.__name__):
            if each.__name__ in vars(exceptions):
                yield each
            yield from errors(each)


def test_every_error_is_there() -> None:
    """Each has a heading of its own."""
    assert sorted(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == sorted({each.__name__ for each in errors()})


def test_it_says_which_errors_are_retried() -> None:
    """As the classes say."""
    sections = re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)
    told = {section.split()[0] for section in sections if "\nRetried." in section or "\nRetried, " in section}
    assert told == {each.__name__ for each in errors() if each.retryable}  # type: ignore[attr-defined]


def test_messages_are_the_real_ones() -> None:
    """What the page quotes, but for values, stands in the messages of the source."""
    quotes = re.findall(r"^> (.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    sources = Path(exceptions.__file__).parents[1].rglob("*.py")
    messages = " ".join("".join(constants(node)) for each in sources for node in ast.walk(ast.parse(each.read_text())))
    values = re.compile(r"\.\.\.|'[^' ]+'|\d[\d,]*|\b(?:sosw_\w+|dynamodb:\w+|s3:\w+)|[.;:]")
    strange = [
        part
        for quote in quotes
        if "is refused, nothing was written" not in quote  # its subject is a value
        for part in values.split(quote.replace("\n> ", " "))
        # The first words may be the noun of a number, and the last one the first after a value.
        if len(words := part.split()) > 4 and " ".join(words[2:-1]) not in messages
    ]
    assert strange == []
    assert len(quotes) > 20


def constants(node: ast.AST) -> Iterator[str]:
    """The fixed parts of a text; a blank for each value."""
    if isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield str(part.value) if isinstance(part, ast.Constant) else "..."
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield f" {node.value} "
