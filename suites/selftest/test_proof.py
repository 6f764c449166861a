"""The suite proven: every check can fail, every failure names its cause, nothing passes on nothing."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.diagnosis import LAYERS
from fixtures.faults import catalogue
from fixtures.faults.null_hosts import HOSTS
from fixtures.faults.proof import NULL_MODEL, confusion, kill_matrix, null_scores, wrong
from suites.guide import guide

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("proof")]


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


def test_every_guide_row_is_diagnosed_as_itself(matrix: Any) -> None:
    assert [pair for pair in confusion(matrix) if pair[0] != pair[1]] == []


def test_null_hosts_pass_nothing(scores: dict[str, tuple[int, int]]) -> None:
    assert {name: passes for name, (passes, _) in scores.items()} == dict.fromkeys(HOSTS, 0)


def test_a_null_model_is_told_from_a_model(matrix: Any) -> None:
    red = matrix["effects"][NULL_MODEL]["red"]
    assert {"WIRE-04", "WIRE-18", "WIRE-34"} <= set(red)


def test_there_are_faults_and_variations_enough() -> None:
    faults = [each for each in catalogue().values() if not each.harmless]
    assert len(faults) >= 80
    assert len(catalogue()) - len(faults) >= 40


def test_every_error_and_checklist_row_has_several_faults() -> None:
    rows = [row for row in guide().rows if row.startswith(("ERR", "CHK"))]
    few = [row for row in rows if sum(row in each.reddens for each in catalogue().values()) < 2]
    assert few == []


def test_every_layer_of_the_pair_has_a_fault() -> None:
    diagnosed = {each.layer for each in catalogue().values()}
    assert set(LAYERS) - {"settings", "recording"} <= diagnosed
