"""Known deviations of a gateway's software: what the committed list covers, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.acting.recording import recordings
from fixtures.judging.deviations import FILE, as_known, known_deviations
from fixtures.judging.outcome import Conclusion
from fixtures.model.datafile import DataError
from fixtures.model.exchange import Exchange
from fixtures.model.key import Key
from fixtures.model.terms import Kind, Outcome
from fixtures.wire.tape import read

pytestmark = pytest.mark.selftest

CHECK = "WIRE-27/an_unreadable_request_is_refused[no_messages]"


@pytest.fixture(params=list(recordings().values()), ids=list(recordings()))
def refusals(request: pytest.FixtureRequest) -> list[Exchange]:
    """What each recorded New API answered to requests that are wrong."""
    return list(read(request.param / "gpt-5.4/bad_requests.yaml", Key("gpt-5.4", "bad_requests")).exchanges)


def failed(answer: Exchange) -> Conclusion:
    """The failure of a check that says what it got."""
    return Conclusion(Outcome.FAIL, f"expected a 4xx, got {answer.summary()}", Kind.ASSERTION)


def without_messages(answers: list[Exchange]) -> Exchange:
    (found,) = [each for each in answers if each.why == "Send no messages"]
    return found


def test_what_new_api_is_known_to_do_is_a_known_deviation(refusals: list[Exchange]) -> None:
    concluded = as_known(CHECK, failed(without_messages(refusals)), refusals)
    assert concluded.outcome is Outcome.KNOWN_DEVIATION, f"expected a known deviation, got {concluded}"
    assert "OpenAI API reference" in concluded.reason, f"expected the reference, got {concluded.reason}"


def test_another_failure_of_the_same_check_is_one(refusals: list[Exchange]) -> None:
    other = Conclusion(Outcome.FAIL, "expected a 4xx, got POST / -> 200 application/json {}", Kind.ASSERTION)
    assert as_known(CHECK, other, refusals) == other


def test_the_same_failure_of_another_check_is_one(refusals: list[Exchange]) -> None:
    same = failed(without_messages(refusals))
    assert as_known("WIRE-28/an_unknown_model_is_refused", same, refusals) == same


def test_the_same_answer_of_other_software_is_a_failure(refusals: list[Exchange]) -> None:
    same = failed(without_messages(refusals))
    foreign = [replace(each, response=each.response and replace(each.response, headers=())) for each in refusals]
    assert as_known(CHECK, same, foreign) == same


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.BLOCKED, Outcome.ERROR])
def test_what_did_not_fail_stays_what_it_is(outcome: Outcome, refusals: list[Exchange]) -> None:
    assert as_known(CHECK, Conclusion(outcome), refusals) == Conclusion(outcome)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (CHECK, "WIRE-27/no_such_check", "is no check"),
        ("got POST", "got (POST", "unterminated|missing \\)"),
        ("software: New API", "software: Another", "software"),
    ],
)
def test_a_wrong_entry_is_an_error_that_names_it(old: str, new: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "deviations.yaml"
    file.write_text(FILE.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(DataError, match=says):
        known_deviations(file)


def test_each_entry_names_recordings_that_exist() -> None:
    named = {name for known in known_deviations().values() for name in known.recordings}
    assert named <= set(recordings()), f"expected recordings of this project, got {named}"
