"""Verdicts: what they add up to, and how a known deviation changes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.model.terms import Level, Outcome
from fixtures.model.verdict import Evidence, Verdict, counts, exit_code, stale_deviations, weaker

pytestmark = pytest.mark.selftest

VERDICT = Verdict(
    requirement="CHK-05",
    check="checklist/test_checklist.py::test_log",
    profile="gpt-5.4",
    outcome="pass",
    level=Level.REQUIRED,
    layer="log",
    evidence=Evidence("recorded", "2026-11-22", (("gpt-5.4/log#1", "ab12"), ("gpt-5.4/log#2", "cd34"))),
    reason="größe",
    requests=2,
    tokens=11,
    steps=("first_app", "log"),
)
KNOWN = {(VERDICT.key, VERDICT.profile): ("the log is off", "2026-12-31")}

quickly = settings(derandomize=True, max_examples=100, deadline=None)
outcomes = st.lists(st.sampled_from(list(Outcome)), max_size=6)
flags = st.fixed_dictionaries({"strict": st.booleans(), "complete": st.booleans()})


def code(*outcomes: str, **flags: bool) -> int:
    """The exit code of verdicts with these outcomes."""
    return exit_code([replace(VERDICT, outcome=outcome) for outcome in outcomes], **flags)


def judged(outcome: str, today: str) -> Verdict:
    """The verdict after the known deviation was applied."""
    (verdict,) = stale_deviations([replace(VERDICT, outcome=outcome, reason="no row")], KNOWN, today)
    return verdict


# --- exit codes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["pass"], 0),
        (["warn"], 0),
        (["pass", "warn", "not_applicable", "excluded", "not_run"], 0),
        (["fail"], 1),
        (["error"], 2),
        (["pass", "unverified"], 2),
        (["pass", "blocked"], 2),
        (["pass", "fail"], 1),
        (["fail", "error", "unverified", "blocked"], 1),
        (["not_applicable", "excluded"], 2),
        (["not_run"], 2),
        ([], 2),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
def test_outcomes_give_an_exit_code(outcomes: list[str], expected: int) -> None:
    assert code(*outcomes) == expected


def test_strict_counts_warnings_as_failures() -> None:
    assert code("pass", "warn", strict=True) == 1


def test_strict_warnings_win_over_what_was_not_judged() -> None:
    assert code("warn", "error", strict=True) == 1


def test_complete_counts_what_did_not_run_as_not_judged() -> None:
    assert code("pass", "not_run", complete=True) == 2


@pytest.mark.parametrize("outcome", ["excluded", "not_applicable"])
def test_complete_does_not_ask_for_rows_that_do_not_apply(outcome: str) -> None:
    assert code("pass", outcome, complete=True) == 0


@quickly
@given(outcomes, flags)
def test_a_failure_always_gives_1(others: list[str], flags: dict[str, bool]) -> None:
    assert code(*others, "fail", **flags) == 1


@quickly
@given(outcomes, st.sampled_from(["error", "unverified", "blocked"]), flags)
def test_nothing_conforms_while_something_is_not_judged(
    others: list[str], unjudged: str, flags: dict[str, bool]
) -> None:
    assert code(*others, unjudged, **flags) != 0


@quickly
@given(outcomes, st.sampled_from(list(Outcome)), flags)
def test_one_more_verdict_only_helps_where_nothing_was_judged(
    before: list[str], more: str, flags: dict[str, bool]
) -> None:
    first, second = code(*before, **flags), code(*before, more, **flags)
    if first != 0 and second == 0:
        assert set(before) <= {"not_run", "not_applicable", "excluded"}
        assert more in ("pass", "warn")


@quickly
@given(outcomes, st.sampled_from(list(Outcome)), flags)
def test_one_more_verdict_never_takes_a_failure_away(before: list[str], more: str, flags: dict[str, bool]) -> None:
    assert code(*before, **flags) != 1 or code(*before, more, **flags) == 1


@quickly
@given(st.permutations(list(Outcome)), st.integers(0, len(list(Outcome))), flags)
def test_neither_order_nor_repetition_counts(order: list[str], size: int, flags: dict[str, bool]) -> None:
    some = order[:size]
    assert code(*some, *some, **flags) == code(*reversed(some), **flags)


@quickly
@given(outcomes, flags)
def test_flags_never_make_a_run_conform(outcomes: list[str], flags: dict[str, bool]) -> None:
    assert code(*outcomes) == 0 or code(*outcomes, **flags) != 0


# --- levels and counts -------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["recommended", "optional", ""])
def test_a_failure_of_a_row_that_is_not_required_is_a_warning(level: str) -> None:
    assert weaker(Outcome.FAIL, level) == "warn"


def test_a_failure_of_a_required_row_stays_one() -> None:
    assert weaker(Outcome.FAIL, Level.REQUIRED) == "fail"


@pytest.mark.parametrize("outcome", [outcome for outcome in list(Outcome) if outcome != "fail"])
def test_other_outcomes_have_no_weaker_form(outcome: str) -> None:
    assert weaker(Outcome(outcome), "recommended") == outcome


def test_counts_come_in_order_and_without_zeros() -> None:
    found = counts([replace(VERDICT, outcome=outcome) for outcome in ("warn", "pass", "excluded", "pass")])
    assert list(found.items()) == [("pass", 2), ("warn", 1), ("excluded", 1)]


# --- known deviations --------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["fail", "warn"])
@pytest.mark.parametrize("today", ["2026-11-22", "2026-12-31"])
def test_a_failure_is_a_known_deviation_until_its_last_day(outcome: str, today: str) -> None:
    verdict = judged(outcome, today)
    assert (verdict.outcome, verdict.reason) == (
        "known_deviation",
        "known until 2026-12-31: the log is off. no row",
    )


@pytest.mark.parametrize("outcome", ["fail", "warn"])
def test_an_expired_deviation_changes_no_outcome(outcome: str) -> None:
    verdict = judged(outcome, "2027-01-01")
    assert (verdict.outcome, verdict.reason) == (
        outcome,
        "the known deviation expired on 2026-12-31: the log is off. no row",
    )


@pytest.mark.parametrize("today", ["2026-11-22", "2027-01-01"])
def test_a_known_deviation_that_passes_again_fails(today: str) -> None:
    verdict = judged("pass", today)
    assert verdict.outcome == "fail"
    assert "remove that entry" in verdict.reason


@pytest.mark.parametrize("outcome", [o for o in list(Outcome) if o not in ("pass", "fail", "warn")])
def test_a_deviation_says_nothing_of_what_was_not_judged(outcome: str) -> None:
    assert judged(outcome, "2026-11-22").outcome == outcome


@pytest.mark.parametrize("change", [{"profile": "gemini-fallback"}, {"check": "another"}])
def test_a_deviation_holds_for_its_check_and_profile_alone(change: dict[str, str]) -> None:
    other = replace(VERDICT, outcome="fail", **change)  # type: ignore[arg-type]
    assert stale_deviations([other], KNOWN, "2026-11-22") == [other]


def test_verdicts_stay_in_order() -> None:
    verdicts = [replace(VERDICT, requirement=f"CHK-0{number}", outcome="fail") for number in (3, 1, 2)]
    assert [v.requirement for v in stale_deviations(verdicts, KNOWN, "2026-11-22")] == ["CHK-03", "CHK-01", "CHK-02"]


# --- as data -----------------------------------------------------------------------------------------


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(data)))


@pytest.mark.parametrize("way", [dict, through_json])
def test_a_verdict_survives_its_data_form(way: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    assert Verdict.from_data(way(VERDICT.to_data())) == VERDICT


@quickly
@given(st.builds(Verdict, outcome=st.sampled_from(list(Outcome))))
def test_any_verdict_survives_its_data_form(verdict: Verdict) -> None:
    assert Verdict.from_data(verdict.to_data()) == verdict


def test_the_data_form_names_what_an_exchange_is_known_by() -> None:
    assert VERDICT.to_data()["evidence"]["exchanges"][0] == {"id": "gpt-5.4/log#1", "digest": "ab12"}


def test_a_deviation_to_remove_is_named_by_its_reason() -> None:
    assert "(the log is off)" in judged("pass", "2026-11-22").reason


def test_a_verdict_of_an_older_report_rests_on_no_known_steps() -> None:
    data = VERDICT.to_data()
    del data["steps"]
    assert Verdict.from_data(data) == replace(VERDICT, steps=())
