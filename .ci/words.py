"""Word lint: refuses words that make the project's text read as translated. Prints each hit, exits with 1 if any.

    python .ci/words.py [PATH...]      (a folder: its files; no path: the package, the DAGs, the docs, the README)

The words and their replacements are in `WORDS`; `ALLOWED` is the list of exceptions, each with its reason.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

#: What is refused: a pattern of whole words, and what to write instead.
WORDS = {
    r"mend(s|ed|ing)?": "fix",
    r"look(s|ed|ing)?(?! up\b)": "poll, check, read, search",
    r"(go|goes|going|gone|went) on": "resume, continue",
    r"anew|once more": "again",
    r"tells?|told|telling": "report, log, raise, name",
    r"a thing that|what it is": "the noun itself",
    r"work(s|ed|ing)? off": "process, drain",
    r"(take|takes|took|taken) (it|them) for|stands at": "treat as, is",
    r"each of (them|these|those)|either": "both, every",
    r"somebody|someone|whoever|nobody": "the actor: you, the operator, another process",
    r"hands|leash|company|at_work": "what it does: process_tree, running_sosw",
    r"is there|are there": "exists, or a statement",
}

#: File name -> {text that is allowed there: reason}.
ALLOWED: dict[str, dict[str, str]] = {
    "sosw_airflow/triggers/sosw.py": {'CANNOT_POLL = "look"': "a status in stored events: its spelling stays"},
}

FOLDERS = ("sosw_airflow", "dags", "docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile")
ENDINGS = (".py", ".md", ".html", ".css", ".js", ".yml", ".yaml", "Makefile")

_WORDS = (rf"(?P<w{number}>(?<![\w])(?:{word})(?![\w]))" for number, word in enumerate(WORDS))
_PATTERN = re.compile("|".join(_WORDS), re.IGNORECASE)


def main(paths: list[str]) -> int:
    """Check the files and return the exit code: 1 with hits, 2 if a path does not exist."""
    if missing := [path for path in paths if not Path(path).exists()]:
        print(f"There is no {', '.join(missing)} here. Fix: name files or folders of this checkout.", file=sys.stderr)
        return 2
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *(paths or FOLDERS)],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    hits = [hit for name in names if name.endswith(ENDINGS) and Path(name).is_file() for hit in _hits(name)]
    print("\n".join(hits) or "The words are fine.")
    return 1 if hits else 0


def _hits(name: str) -> list[str]:
    allowed = ALLOWED.get(name, {})
    hits = []
    for number, line in enumerate(Path(name).read_text(encoding="utf-8").splitlines(), start=1):
        for found in _PATTERN.finditer(line):
            if not any(text in line for text in allowed):
                instead = list(WORDS.values())[int(str(found.lastgroup)[1:])]
                hits.append(f"{name}:{number}: {found.group()!r}: write {instead}")
    return hits


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
