"""The suite proven: every check can fail, every failure names its cause, nothing passes on nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.model.guide import guide
from fixtures.model.terms import Layer
from fixtures.proof.__main__ import (
    LEAST_TOLD,
    NULL_MODEL,
    clean_environment,
    confusion,
    kill_matrix,
    main,
    null_scores,
    pairs_in_words,
    printed,
    share_told,
    told_pairs,
    wrong,
)
from fixtures.proof.catalogue import catalogue
from fixtures.proof.null_hosts import HOSTS

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("proof")]


README = Path(__file__).parents[2] / "README.md"
GROUPED = """
import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_it(number, worker_id):
    open(worker_id, "a").close()
"""


@pytest.fixture(scope="module")
def matrix() -> Any:
    """Every collected check under every fault and variation."""
    return kill_matrix()


@pytest.fixture(scope="module")
def scores() -> dict[str, tuple[int, int]]:
    """Passes against each null host."""
    return null_scores()


def test_nothing_is_wrong_with_checks_or_faults(matrix: Any, scores: dict[str, tuple[int, int]]) -> None:
    assert wrong(matrix, scores) == []


@pytest.mark.parametrize("error", [RuntimeError("it holds no tape\n"), subprocess.TimeoutExpired(["pytest"], 300)])
def test_without_a_matrix_there_is_no_proof_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(*_: str) -> Any:
        raise error

    monkeypatch.setattr("fixtures.proof.__main__.kill_matrix", fail)
    monkeypatch.delattr("fixtures.proof.__main__.write")
    assert main(["--write"]) == 2
    assert capsys.readouterr().err == f"no proof: {str(error).strip()}\n"


def test_the_readme_quotes_the_proof(matrix: Any, scores: dict[str, tuple[int, int]]) -> None:
    conclusion = printed(matrix, scores).splitlines()[-1]
    assert conclusion in " ".join(README.read_text("utf-8").split())


def test_every_guide_row_is_diagnosed_as_itself(matrix: Any) -> None:
    assert [pair for pair in confusion(matrix) if pair[0] != pair[1]] == []


def test_null_hosts_pass_nothing(scores: dict[str, tuple[int, int]]) -> None:
    assert {name: passes for name, (passes, _) in scores.items()} == dict.fromkeys(HOSTS, 0)


def test_a_null_model_is_told_from_a_model(matrix: Any) -> None:
    effect = matrix["effects"][NULL_MODEL]
    red = {key.partition("/")[0] for key in (*effect["killed"], *effect["red"])}
    assert {"WIRE-04", "WIRE-18"} <= red
    assert "WIRE-34/a_tool_s_result_is_used" in effect["blocked"]


def test_two_faults_at_once_are_told_as_two() -> None:
    figures = told_pairs()["figures"]
    assert sum(figures.values()) >= 200
    assert share_told(figures) >= LEAST_TOLD, pairs_in_words(figures)
    assert f"> {pairs_in_words(figures)}\n" in README.read_text("utf-8"), pairs_in_words(figures)


def test_there_are_faults_and_variations_enough() -> None:
    faults = [each for each in catalogue().values() if not each.harmless]
    assert len(faults) >= 80
    assert len(catalogue()) - len(faults) >= 40


def test_every_error_and_checklist_row_has_several_faults() -> None:
    rows = [row for row in guide().rows if row.startswith(("ERR", "CHK"))]
    named = [{key.partition("/")[0] for key in (*each.kills, *each.breaks)} for each in catalogue().values()]
    assert [row for row in rows if sum(row in rows_named for rows_named in named) < 2] == []


def test_every_layer_of_the_pair_has_a_fault() -> None:
    diagnosed = {each.layer for each in catalogue().values()}
    assert set(Layer) - {"settings", "recording"} <= diagnosed


def test_xdist_keeps_a_group_on_one_worker(tmp_path: Path) -> None:
    # pytest 9.2 with xdist 3.8 silently does not; the proof would then be made twice
    (tmp_path / "test_group.py").write_text(GROUPED, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-c", os.devnull, "--rootdir=."]
    subprocess.run(command, cwd=tmp_path, env=clean_environment(), check=True, capture_output=True)
    assert len(list(tmp_path.glob("gw*"))) == 1
