"""Hostile input, made from a seed: documents, texts and bytes such as break programs that read them."""

from __future__ import annotations

import json
import random
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

__all__ = ["Hostile"]

#: Names that mean something somewhere in the package, so that the input gets past the first check.
NAMES = [
    "sections",
    "section",
    "stores",
    "store",
    "products",
    "product",
    "isolate_sections",
    "isolate_stores",
    "isolate_products",
    "isolate_days",
    "max_sections_per_batch",
    "max_products_per_batch",
    "max_product_per_batch",
    "period",
    "date_list",
    "payload",
    "job",
    "lambda_name",
    "job_schema_name",
    "task_id",
    "labourer_id",
    "start",
    "end",
    "chunkable_attrs",
    "expand_period",
    "custom_period_patterns",
    "default",
    "job_schema_variants",
    "job_schema",
    "task_config",
    "labourers",
    "dynamo_db_config",
    "field_names",
    "row_mapper",
    "required_fields",
    "queue_bucket",
    "s3_prefix",
    "arn",
    "max_attempts",
    "max_attempts_x",
    "meta_handler_config",
    "write_meta_to_ddb",
    "table_name",
    "max_rows_per_second",
    "lambda_payload_limit",
    "region_name",
    "aws_conn_id",
    "endpoint_url",
    "tasks_table",
    "SCHEDULER_CONFIG",
    "max_simultaneous_invocations",
    "retry_delay",
    "health_metrics",
    "details",
]

TEXTS = (
    "last_3_days", "today", "last_week", "data_interval", "2026-01-01..2026-01-05", "0001-01-01..9999-12-31", "always",
    "chunked", "section", "store", "a", "", " ", "None", "{{ x }}", "[1, 2]", "{'a': 1}", "arn:aws:sqs:a:b:c",
    "arn:aws:lambda:us-west-2:123456789012:function:worker:1", "cProfile:run", ":x", "..a:x", "sosw_tasks", "S", "N",
    "\x00", "\ud800", "\U0001f600", "é", "1", "5%", "nan", "1e999", "s3://b/k", "s3://", "\"", "\\", "(", "x" * 5000,
    "last_" + "9" * 5000 + "_days", "http://[::1", "4.5",
)  # fmt: skip

NUMBERS = (
    0, 1, -1, 3, 1000, 10**18, 10**400, 10**5000, -(10**5000), 1.5, -0.0, 1e308, float("inf"), float("-inf"),
    float("nan"), True, False, None,
)  # fmt: skip

_LARGE = 10**5000

ODDITIES = (
    b"bytes",
    date(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=timezone.utc),
    Decimal("NaN"),
    {1, 2},
    frozenset(),
    object(),
    (1, 2),
    ...,
)


class Hostile:
    """One input of each kind for each seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._made: list[Any] = []

    def document(self, *, json_only: bool = False) -> dict[Any, Any]:
        """An object; it may share parts of itself, contain itself, and have what JSON does not know."""
        self._made = []
        document = {self._name(): self._value(0, json_only) for _ in range(self._random.randint(0, 6))}
        if self._random.random() < 0.15:
            document["period"] = self._random.choice(TEXTS)
        if not json_only:
            self._tangle(document)
        return document

    def value(self) -> Any:
        """Anything."""
        return self._value(0, json_only=False)

    def json_value(self) -> Any:
        """Anything that JSON knows."""
        return self._value(0, json_only=True)

    def date(self) -> str:
        """A date, a moment or the key of a partition, also of the first and the last days."""
        day = self._random.choice(("0001-01-01", "9999-12-31", "9999-12-27", "2026-02-30", "2026-02-28", "20260228"))
        clock = self._random.choice(("T00:00:00+14:00", "T23:59:59-12:00", " (W09)", "T00", "Z", "|key", ""))
        return self._random.choice((day + clock, day[:4] + "-Q4", day[:4] + "-12", day[:4], "\u0662" + day[1:]))

    def damaged(self, whole: dict[str, Any]) -> dict[str, Any]:
        """A whole object with up to three values gone, replaced by any that JSON knows, or added."""
        made = dict(whole)
        for _ in range(self._random.randint(0, 3)):
            name = self._random.choice((*whole, "new"))
            if self._random.random() < 0.3:
                made.pop(name, None)
            else:
                made[name] = self.one_of(
                    self.json_value, lambda: self.choice(-1, _LARGE, float("nan"), "9", [], {}, None)
                )
        return made

    def text(self) -> str:
        """Text that is JSON, or was before it was damaged."""
        text = json.dumps(self.document(json_only=True), ensure_ascii=self._random.random() < 0.5)
        for _ in range(self._random.choice((0, 0, 1, 2))):
            text = self._damaged(text)
        return text

    def bytes(self) -> bytes:
        """The same as bytes, with others among them."""
        data = self.text().encode(
            self._random.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32")), "surrogatepass"
        )
        if self._random.random() < 0.3:
            place = self._random.randint(0, len(data))
            data = data[:place] + bytes(self._random.randrange(256) for _ in range(3)) + data[place:]
        return data

    def choice(self, *of: Any) -> Any:
        """One of these."""
        return self._random.choice(of)

    def one_of(self, *makers: Any) -> Any:
        """What one of these makes; the others make nothing."""
        return self._random.choice(makers)()

    def _name(self) -> str:
        chance = self._random.random()
        return self._random.choice(NAMES) if chance < 0.85 else self._random.choice(TEXTS)

    def _value(self, depth: int, json_only: bool) -> Any:
        chance = self._random.random()
        if depth > 6 or chance < 0.25:
            return self._random.choice(TEXTS)
        if chance < 0.45:
            return self._random.choice(NUMBERS if not json_only else [n for n in NUMBERS if not _is_huge(n)])
        if chance < 0.5 and not json_only:
            return self._random.choice(ODDITIES)
        if chance < 0.52:
            return self._deep(json_only)
        number = self._random.randint(0, 4)
        if chance < 0.7:
            made: Any = [self._value(depth + 1, json_only) for _ in range(number)]
        else:
            made = {self._name(): self._value(depth + 1, json_only) for _ in range(number)}
            if not json_only and self._random.random() < 0.05:
                made[self._random.choice((1, None, 2.5, (1,), b"x"))] = 1
        self._made.append(made)
        return made

    def _deep(self, json_only: bool) -> Any:
        levels = self._random.choice((5, 99, 100, 101, 400)) if json_only else self._random.choice((5, 100, 101, 3000))
        value: Any = "bottom"
        for _ in range(levels):
            value = [value] if self._random.random() < 0.5 else {self._random.choice(NAMES): value}
        return value

    def _tangle(self, document: dict[Any, Any]) -> None:
        """Share: the same object in several places, in itself, and doubled level by level."""
        chance = self._random.random()
        if chance < 0.2 and self._made:
            for _ in range(self._random.randint(1, 5)):
                place, part = self._random.choice(self._made), self._random.choice(self._made)
                if isinstance(place, list):
                    place.append(part)
                else:
                    place[self._name()] = part
        elif chance < 0.25:
            part: Any = {"stores": ["x"]}
            for _ in range(self._random.choice((3, 12, 30, 80))):
                part = {"a": part, "b": part} if self._random.random() < 0.5 else [part, part]
            document[self._name()] = part

    def _damaged(self, text: str) -> str:
        place = self._random.randint(0, len(text))
        before, behind = text[:place], text[place:]
        return str(
            self._random.choice(
                (
                    lambda: before,
                    lambda: before + self._random.choice(TEXTS) + behind,
                    lambda: text.replace("{", '{"sections": 1, "sections": 2, ', 1),
                    lambda: text.replace("1", "9" * 5000, 1),
                    lambda: before + "[" * self._random.choice((50, 100_000)) + behind,
                    lambda: text.replace('"', "'"),
                    lambda: self._random.choice(("\ufeff", "\x00", " ", "[", '"')) + text,
                    lambda: self._random.choice(("", "null", "[]", "5", '"x"', "NaN", "-Infinity", "{", "\ud800")),
                )
            )()
        )


def _is_huge(number: Any) -> bool:
    return isinstance(number, int) and abs(number) >= 10**4300
