"""The mutation score: how many mutants of a module its selftests kill (`tox run -e mutation`)."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

FOLDER = Path("mutants")
LEAST = 94
"""Per cent; most of what survives means the same (another spelling of UTF-8, a default given or not)."""
CAUGHT = frozenset({1, 3, 24, -24, 36, 152, 255})
"""mutmut's codes of a mutant that is killed: a test failed, pytest broke, or the tests found no end.

Not among them: 0, all tests passed; 5 and 33, no test comes by; 34 and None, not tried; any other, nobody knows.
"""


def main() -> int:
    """Print a line for each module and the whole; 1 below `LEAST`, 2 where mutmut left nothing to count."""
    whole: Counter[bool] = Counter()
    for meta in sorted(FOLDER.rglob("*.py.meta")):
        codes = json.loads(meta.read_text("utf-8"))["exit_code_by_key"].values()
        killed = Counter(code in CAUGHT for code in codes)
        whole += killed
        if killed:
            print(_line(meta.relative_to(FOLDER).with_suffix("").as_posix(), killed))
    if not whole:
        print(f"no mutants in {FOLDER}: run `mutmut run` first", file=sys.stderr)
        return 2
    print(_line("mutation score", whole))
    return int(100 * whole[True] < LEAST * whole.total())


def _line(name: str, killed: Counter[bool]) -> str:
    return f"{name}: {killed[True]} of {killed.total()} mutants killed, {100 * killed[True] / killed.total():.0f} %"


if __name__ == "__main__":
    sys.exit(main())
