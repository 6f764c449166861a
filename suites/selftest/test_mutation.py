"""The mutation score counts as killed only what a test killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suites.selftest import mutation

pytestmark = pytest.mark.selftest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for mutmut's folder."""
    monkeypatch.setattr(mutation, "FOLDER", tmp_path)
    return tmp_path


def left(folder: Path, module: str, *codes: int | None) -> None:
    """Let mutmut leave these codes of a module's mutants."""
    data = {"exit_code_by_key": {f"mutant {number}": code for number, code in enumerate(codes)}}
    (folder / f"{module}.py.meta").write_text(json.dumps(data), "utf-8")


def test_each_module_and_the_whole_have_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left(folder, "a", *[1] * 18, 0, 0)
    left(folder, "b", *[1] * 80)
    left(folder, "without_mutants")
    assert mutation.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "a.py: 18 of 20 mutants killed, 90 %",
        "b.py: 80 of 80 mutants killed, 100 %",
        "mutation score: 98 of 100 mutants killed, 98 %",
    ]


@pytest.mark.parametrize("code", [1, 3, 24, -24, 36, 152, 255])
def test_a_failed_test_and_an_endless_one_kill(folder: Path, code: int) -> None:
    left(folder, "a", code)
    assert mutation.main() == 0


@pytest.mark.parametrize("code", [0, 2, 5, 33, 34, 35, -9, -11, None])
def test_a_mutant_that_no_test_tried_to_the_end_survives(folder: Path, code: int | None) -> None:
    left(folder, "a", code)
    assert mutation.main() == 1


@pytest.mark.parametrize(("killed", "expected"), [(93, 1), (94, 0)])
def test_the_score_has_a_bar(folder: Path, killed: int, expected: int) -> None:
    left(folder, "a", *[1] * killed, *[0] * (100 - killed))
    assert mutation.main() == expected


def test_nothing_to_count_is_no_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutation.main() == 2
    assert "run `mutmut run` first" in capsys.readouterr().err
