"""Jobs as their users would write them: plural names, the attributes in every branch."""

from __future__ import annotations

import random
from typing import Any

Node = dict[str, Any]

PERIODS = ("last_2_days", "last_1_days", "3_days_back", "yesterday", "today", "previous_2_days", "last_week")
BATCHES = (2, 3, 1, "2", 100)


class Writer:
    """Writes jobs as their users would."""

    def __init__(self, rng: random.Random, attrs: tuple[str, ...]) -> None:
        self.rng = rng
        self.attrs = attrs
        self.serial = 0
        # Siblings inside the levels: a habit of a whole job, and one that upstream bears badly.
        self.with_siblings = rng.random() < 0.25

    def job(self) -> Node:
        """A whole job."""
        rng = self.rng
        job: Node = {}
        if self.attrs:
            job[f"{self.attrs[0]}s"] = self.value(0)
            for attr in self.attrs:
                if rng.random() < 0.35:
                    job[f"isolate_{attr}s"] = rng.random() < 0.9
            if rng.random() < 0.25:
                job[f"max_{self.attrs[-1]}s_per_batch"] = rng.choice(BATCHES)
        if rng.random() < 0.5:
            job["period"] = rng.choice(PERIODS)
            if rng.random() < 0.5:
                job["isolate_days"] = rng.random() < 0.85
        for _ in range(rng.randrange(3)):
            job[self.name("extra")] = self.plain()
        return job

    def value(self, level: int) -> Any:
        """The value of an attribute: below the last level flat, above it an object whose values are the next level."""
        rng = self.rng
        names = [
            self.name(self.attrs[level]) for _ in range(rng.choice((1, 2, 2, 3) if len(self.attrs) < 4 else (1, 1, 2)))
        ]
        if level + 1 == len(self.attrs):
            if rng.random() < 0.75:
                return [rng.choice((name, rng.randrange(100), rng.random() < 0.5, 1.5)) for name in names]
            return dict.fromkeys(names) if rng.random() < 0.8 else {name: self.siblings() for name in names}
        if rng.random() < 0.12:
            return dict.fromkeys(names)
        below: Node = {}
        for name in names:
            below[name] = None if rng.random() < 0.1 else self.node(level + 1)
        return [below] if rng.random() < 0.1 else below

    def node(self, level: int) -> Node:
        """What stands under a name: the next attribute, sometimes flags and other attributes."""
        rng = self.rng
        node: Node = {f"{self.attrs[level]}s": self.value(level)}
        if self.with_siblings and rng.random() < 0.6:
            node |= self.siblings()
        if rng.random() < 0.12:
            node[f"isolate_{rng.choice(self.attrs)}s"] = rng.random() < 0.9
        if rng.random() < 0.06:
            node[f"max_{self.attrs[level]}s_per_batch"] = rng.choice(BATCHES)
        return shuffled(rng, node)

    def siblings(self) -> Node:
        """One or two attributes that nobody chunks."""
        return {self.name("sibling"): self.plain() for _ in range(self.rng.randint(1, 2))}

    def plain(self) -> Any:
        """Data that nobody chunks."""
        values = (1, 0, "text", "é\u2028", "", None, True, 2.5, [], {}, [1, "a"], {"k": [1]}, {"isolate_days": True})
        return self.rng.choice(values)

    def name(self, prefix: str) -> str:
        """A name that the job has not yet."""
        self.serial += 1
        return f"{prefix}_{self.serial}"

    def nodes(self, job: Node) -> list[tuple[Node, int]]:
        """Every place in the job where attributes stand, with its level."""
        found: list[tuple[Node, int]] = []

        def visit(node: Node, level: int) -> None:
            found.append((node, level))
            if level >= len(self.attrs):
                return
            attr = self.attrs[level]
            for key in (f"{attr}s", attr):
                value = node.get(key)
                for item in value if isinstance(value, list) else [value]:
                    for below in item.values() if isinstance(item, dict) else ():
                        if isinstance(below, dict):
                            visit(below, level + 1)

        visit(job, 0)
        return found

    def place(self, job: Node, *, with_attribute: bool = False) -> tuple[Node, str] | None:
        """One of those places (above the last level of nodes), and the attribute that belongs there."""
        places = [(node, self.attrs[level]) for node, level in self.nodes(job) if level < len(self.attrs)]
        if with_attribute:
            places = [(node, attr) for node, attr in places if f"{attr}s" in node]
        return self.rng.choice(places) if places else None


def shuffled(rng: random.Random, node: Node) -> Node:
    """The same attributes in another order."""
    items = list(node.items())
    rng.shuffle(items)
    return dict(items)
