"""`python -m suites.guide`: compare the rows with a guide's text, print them, or print a text's digests."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from fixtures.model.datafile import DataError
from fixtures.model.guide import Guide, guide, line_digest, stale_rows


class GuideFileError(Exception):
    """A guide file or line without text; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0, 1 when `compare` finds stale rows, or 2 for a file or line that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m suites.guide", description="The guide's rows as data.")
    commands = parser.add_subparsers(dest="command", required=True)
    compare = commands.add_parser("compare", help="name the rows whose words a guide file no longer has")
    compare.add_argument("file", type=Path, metavar="FILE", help="the guide as text or Markdown")
    commands.add_parser("rows", help="print all rows as a Markdown table")
    digest = commands.add_parser("digest", help="print the digest of each line of the guide that carries a row")
    digest.add_argument("lines", nargs="+", metavar="LINE", help="a line as the guide has it, in quotes")
    options = parser.parse_args(arguments)
    try:
        if options.command == "rows":
            return _print_rows(guide())
        if options.command == "digest":
            return _print_digests(options.lines)
        return _compare(guide(), read_text(options.file))
    except (DataError, GuideFileError) as error:
        print(error, file=sys.stderr)
        return 2


def read_text(path: Path) -> str:
    """The text of a guide file. Raises GuideFileError if it is missing, unreadable, binary or empty."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise GuideFileError(f"{path}: not UTF-8 text; give the guide as text or Markdown") from None
    except OSError as error:
        raise GuideFileError(f"{path}: {error.strerror}; give the path of a guide file") from None
    if "\0" in text:
        raise GuideFileError(f"{path}: a binary file; give the guide as text or Markdown")
    if not text.strip():
        raise GuideFileError(f"{path}: an empty file; give the guide as text or Markdown")
    return text


def _compare(known: Guide, text: str) -> int:
    stale = stale_rows(known, text)
    for row in stale:
        print(f"stale {row.id}  {row.gist}")
    print(f"{len(known.rows) - len(stale)} of {len(known.rows)} rows unchanged")
    return 1 if stale else 0


def _print_digests(lines: Sequence[str]) -> int:
    """The `digests` of a row that these lines carry. Raises GuideFileError for a line without words."""
    for line in lines:
        if not any(map(str.isalnum, line)):
            raise GuideFileError(f"{line!r}: a line without words; give the guide's line that carries the row")
    print(f"digests: [{', '.join(json.dumps(line_digest(line)) for line in lines)}]")
    return 0


def _print_rows(known: Guide) -> int:
    print("| id | level | layer | gist |")
    print("|---|---|---|---|")
    for row in known.rows.values():
        gist = row.gist.replace("|", r"\|")
        print(f"| {row.id} | {row.level} | {row.layer} | {gist} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
