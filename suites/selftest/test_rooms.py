"""The rooms: imports point one way, and only the wire knows a socket."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from suites.selftest.conftest import ROOT

pytestmark = pytest.mark.selftest

ORDER = (
    *("model", "wire", "clients", "acting", "steps", "judging", "suites"),
    *("pair", "checks", "verdicts", "record", "proof", "plugin", "reports"),
)
"""The rooms, and the modules beside them. Each may know itself and those before it."""
TOPS = ("fixtures", "suites", "reports")
SOCKETS = {"httpx", "socket", "urllib.request", "requests", "http.client"}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it; what it imports from a package may be a module too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@functools.cache
def modules() -> dict[str, Path]:
    """The project's modules by their names, without its selftests."""
    found = {}
    for path in [ROOT / "conftest.py", *(each for top in TOPS for each in (ROOT / top).rglob("*.py"))]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if not name.startswith("suites.selftest"):
            found[name.removesuffix(".__init__")] = path
    return found


@functools.cache
def imports() -> dict[str, set[str]]:
    """What each module imports of the others; read when a test asks, for collecting must stay quick."""
    known = modules()
    return {name: known.keys() & set(imported(path)) - {name} for name, path in known.items()}


def room_of(module: str) -> str:
    """The room of a module; a package below `fixtures` and a module there are one each."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "fixtures" else top


def rooms_known(room: str) -> set[str]:
    """The rooms that a room's modules import."""
    known = {other for name, others in imports().items() if room_of(name) == room for other in others}
    return {room_of(other) for other in known} - {""}  # `fixtures` itself is in no room


@pytest.mark.parametrize("room", ORDER)
def test_a_room_knows_only_those_before_it(room: str) -> None:
    assert rooms_known(room) <= set(ORDER[: ORDER.index(room) + 1])


def test_each_room_has_its_place() -> None:
    assert {room_of(name) for name in modules()} == {*ORDER, "lab", "conftest", ""}


def test_the_lab_stands_apart() -> None:
    assert rooms_known("lab") <= {"lab", "model"}


def test_the_reports_know_neither_the_proof_nor_the_hooks() -> None:
    assert not {"proof", "plugin"} & rooms_known("reports")


def test_what_is_acted_on_the_gateway_knows_nothing_of_dify() -> None:
    """The vendor audit runs on a gateway that no Dify stands on."""
    known = {
        other for name, others in imports().items() if name.startswith("fixtures.steps.gateway") for other in others
    }
    assert not [other for other in known if "dify" in other]


def test_no_modules_know_each_other() -> None:
    TopologicalSorter(imports()).prepare()  # raises CycleError, which names them


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
