"""The rooms: imports point one way, and only the wire knows a socket."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.selftest.conftest import ROOT

pytestmark = pytest.mark.selftest

ORDER = ("model", "wire", "clients", "acting", "steps", "judging")
"""Each room may know itself and those before it."""
ABOVE = ("checks", "pair", "plugin")
"""Modules beside the rooms that put them together for pytest."""
PROOF = (*ORDER, *ABOVE[:2], "proof")
SOCKETS = {"httpx", "socket", "urllib.request", "requests", "http.client"}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms_known(room: str) -> set[str]:
    """The rooms (and suites, reports) that the files of a room import."""
    found: set[str] = set()
    for path in (ROOT / "fixtures" / room).rglob("*.py"):
        for module in imported(path):
            top, _, rest = module.partition(".")
            found |= {rest.partition(".")[0] if top == "fixtures" else top} & {
                *ORDER,
                *PROOF,
                *ABOVE,
                "suites",
                "reports",
            }
    return found


@pytest.mark.parametrize("room", ORDER)
def test_a_room_knows_only_those_before_it(room: str) -> None:
    assert rooms_known(room) <= set(ORDER[: ORDER.index(room) + 1])


def test_the_proof_knows_neither_reports_nor_the_plugin() -> None:
    assert rooms_known("proof") <= set(PROOF)


def test_no_import_is_late() -> None:
    late = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("fixtures", "reports")
        for path in (ROOT / folder).rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert late == []


def test_only_the_wire_and_the_tools_around_it_know_sockets() -> None:
    known = {
        path.relative_to(ROOT / "fixtures").parts[0]
        for path in (ROOT / "fixtures").rglob("*.py")
        if SOCKETS & set(imported(path))
    }
    assert known <= {"wire", "proof", "lab"}
