"""Checks that assert nothing, planted into a copy of the project: the proof names each as a survivor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.proof.__main__ import clean_environment
from suites.selftest.conftest import ROOT

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("planted")]

EMPTY = """
import pytest

from fixtures.clients.chat import ChatReply
from fixtures.steps.dify.models import SavedModel
from fixtures.steps.gateway.refusals import BadRequests
from suites.gateway.test_refusals import assert_error_object
from fixtures.model.requirement import requirement


@requirement("WIRE-30")
def test_it_passes(short_chat: ChatReply) -> None:
    pass


@requirement("WIRE-30")
def test_it_asserts_true(short_chat: ChatReply) -> None:
    assert True


@requirement("CHK-01")
def test_it_repeats_what_its_step_guarantees(saved_model: SavedModel) -> None:
    assert saved_model.model, "a step that did not happen gives no view at all"


@requirement("WIRE-30")
def test_it_skips(short_chat: ChatReply) -> None:
    pytest.skip("never asked")


@requirement("WIRE-28")
def test_it_asks_a_helper(bad_requests: BadRequests) -> None:
    assert_error_object(bad_requests.unknown_model)
"""

DOUBLED = """
from fixtures.clients.chat import ChatReply
from fixtures.model.requirement import requirement


@requirement("WIRE-30")
def test_a_short_question_is_answered(short_chat: ChatReply) -> None:
    assert short_chat.ok
"""


def planted(folder: Path, text: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a copy of the project that holds one test file more."""
    copy = folder / "project"
    for name in ("fixtures", "suites", "profiles", "reports"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("out", "__pycache__", "node_modules"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "suites" / "gateway" / "test_planted.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", *args]
    return subprocess.run(
        command, cwd=copy, env=clean_environment(), capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The planted checks under every fault."""
    folder = tmp_path_factory.mktemp("planted")
    done = planted(folder, EMPTY, "suites/gateway/test_planted.py", f"--kill-matrix={folder / 'matrix.json'}")
    assert (folder / "matrix.json").exists(), done.stdout + done.stderr
    return json.loads((folder / "matrix.json").read_text("utf-8"))


def killed(matrix: Any) -> set[str]:
    """The planted checks that some fault kills."""
    return {key for effect in matrix["effects"].values() for key in effect["killed"]}


@pytest.mark.parametrize(
    "check",
    [
        "WIRE-30/it_passes",
        "WIRE-30/it_asserts_true",
        "WIRE-30/it_skips",
        "CHK-01/it_repeats_what_its_step_guarantees",
    ],
)
def test_a_check_that_asserts_nothing_survives_by_name(matrix: Any, check: str) -> None:
    assert check in matrix["checks"]
    assert check not in killed(matrix)


def test_an_assertion_of_a_helper_kills_too(matrix: Any) -> None:
    assert "WIRE-28/it_asks_a_helper" in killed(matrix)


def test_two_checks_of_one_name_are_a_usage_error(tmp_path: Path) -> None:
    done = planted(tmp_path, DOUBLED, "suites/gateway", "--collect-only")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "are both called WIRE-30/a_short_question_is_answered: rename one" in done.stdout + done.stderr
