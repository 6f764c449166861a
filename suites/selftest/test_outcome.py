"""From an exception to a verdict: what each means, how a row's level weighs it, and what explains it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fixtures.acting.registry import STEPS, Step
from fixtures.judging.judge import Judge
from fixtures.judging.outcome import Conclusion, closure, conclude, exchanges_below, grade, probe, unclean
from fixtures.judging.outcome import spent as spending
from fixtures.model.exchange import Chunk, Exchange, Request, Response
from fixtures.model.key import SHARED, Key
from fixtures.model.profiles import Profile, load_profile
from fixtures.model.requirement import Requirement
from fixtures.model.terms import Feature, Kind, Layer, Level, Outcome
from fixtures.model.verdict import Evidence, Verdict
from fixtures.wire.act import Blocked, Noted, StepFailed, TransportFailed, Undecided
from fixtures.wire.settings import Unverified
from fixtures.wire.tape import OffTape, TapeError

pytestmark = pytest.mark.selftest

STEP = Key("gpt-5.4", "first_app")
PROFILE = load_profile("gpt-5.4")


def of_step(error: Exception) -> Exception:
    """The error as the judge keeps it: it says in which step it was raised."""
    error.step = STEP  # type: ignore[attr-defined]
    return error


def blocked(cause: Exception, by: str = "first_app") -> Blocked:
    """What a check gets whose step builds on one that ended with this."""
    return Blocked(Key("gpt-5.4", by), cause)


def concluded(error: BaseException | None, *, in_call: bool = True) -> tuple[str, str, str]:
    """Outcome, kind and reason."""
    conclusion = conclude(error, in_call=in_call)
    return conclusion.outcome, conclusion.kind, conclusion.reason


# --- what an exception means ----------------------------------------------------------------------------


@pytest.mark.parametrize("in_call", [True, False])
def test_no_exception_is_a_pass(in_call: bool) -> None:
    assert conclude(None, in_call=in_call) == Conclusion(Outcome.PASS, "", Kind.NONE, "")


def test_the_exchange_that_ended_a_step_is_named_also_where_others_build_on_it() -> None:
    exchange = replace(BROKEN, tape=STEP, number=2)
    for error in (StepFailed("no app", exchange), blocked(StepFailed("no app", exchange))):
        assert conclude(error, in_call=True).at == "gpt-5.4/first_app#2"
    assert conclude(StepFailed("no app"), in_call=True).at == ""


def test_a_skip_is_not_applicable_with_its_reason() -> None:
    skipped = pytest.skip.Exception("no knowledge base here")
    assert concluded(skipped, in_call=False) == ("not_applicable", "skipped", "no knowledge base here")


def test_a_check_s_own_assertion_is_a_failure() -> None:
    assert concluded(AssertionError("one row was expected")) == ("fail", "assertion", "one row was expected")


def test_an_assertion_s_message_comes_without_pytest_s_explanation() -> None:
    error = AssertionError("one row was expected\nassert 2 == 1\n +  where 2 = len(rows)\nassert 3 == 1")
    assert concluded(error)[2] == "one row was expected"


def test_an_assertion_s_message_may_have_lines_and_speak_of_asserts() -> None:
    assert concluded(AssertionError(" they assert\nmuch \nassert 2 == 1"))[2] == "they assert\nmuch"


@pytest.mark.parametrize("said", ["", "\nassert 2 == 1"])
def test_an_assertion_without_a_message_says_that_one_failed(said: str) -> None:
    assert concluded(AssertionError(said)) == ("fail", "assertion", "an assertion failed")


def test_an_assertion_outside_the_check_is_a_crash() -> None:
    said = "the check itself broke: AssertionError: in a fixture"
    assert concluded(AssertionError("in a fixture"), in_call=False) == ("error", "crash", said)


def test_what_a_check_notes_is_a_warning() -> None:
    assert concluded(Noted("one answer was lost")) == ("warn", "noted", "one answer was lost")


def test_what_is_noted_outside_the_check_is_a_crash() -> None:
    assert concluded(Noted("lost"), in_call=False) == ("error", "crash", "the check itself broke: Noted: lost")


@pytest.mark.parametrize("in_call", [True, False])
def test_a_missing_setting_is_unverified(in_call: bool) -> None:
    error = Unverified("set DIFY_EMAIL")
    assert concluded(error, in_call=in_call) == ("unverified", "missing", "set DIFY_EMAIL")


def test_a_missing_setting_of_an_earlier_step_is_told_without_the_way_to_it() -> None:
    error = blocked(blocked(Unverified("set DIFY_EMAIL")))
    assert concluded(error) == ("unverified", "missing", "set DIFY_EMAIL")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(TapeError("no recording"), "recording"), (OffTape("never recorded"), "off_tape")],
    ids=["missing", "seeded"],
)
def test_a_tape_that_does_not_fit_is_an_error_that_names_its_step(error: Exception, kind: str) -> None:
    assert conclude(of_step(error), in_call=True) == Conclusion(Outcome.ERROR, str(error), Kind(kind), str(STEP))


def test_an_earlier_step_s_missing_tape_is_told_with_the_step_that_it_stopped() -> None:
    conclusion = conclude(blocked(blocked(of_step(TapeError("no recording"))), "later"), in_call=True)
    said = "blocked: gpt-5.4/first_app did not happen: no recording"
    assert conclusion == Conclusion(Outcome.ERROR, said, Kind.RECORDING, str(STEP))


FAILURES = [
    (TransportFailed("no answer"), "error", "transport"),
    (Undecided("either"), "error", "undecided"),
    (StepFailed("refused"), "fail", "step"),
]


@pytest.mark.parametrize(("error", "outcome", "kind"), FAILURES, ids=["transport", "undecided", "step"])
def test_what_ended_a_check_s_own_step_is_told_with_its_step(error: Exception, outcome: str, kind: str) -> None:
    conclusion = conclude(of_step(error), in_call=False)
    assert conclusion == Conclusion(Outcome(outcome), str(error), Kind(kind), str(STEP))


@pytest.mark.parametrize(("error", "outcome", "kind"), FAILURES, ids=["transport", "undecided", "step"])
def test_what_ended_an_earlier_step_blocks_and_names_that_step(error: Exception, outcome: str, kind: str) -> None:
    conclusion = conclude(blocked(blocked(of_step(error)), "later"), in_call=False)
    said = f"blocked: gpt-5.4/first_app did not happen: {error}"
    assert conclusion == Conclusion(Outcome.BLOCKED, said, Kind(kind), str(STEP))


def test_any_other_exception_is_a_check_that_broke() -> None:
    said = "the check itself broke: KeyError: 'choices'"
    assert conclude(of_step(KeyError("choices")), in_call=True) == Conclusion(
        Outcome.ERROR, said, Kind.CRASH, str(STEP)
    )


def test_an_exception_of_no_step_names_none() -> None:
    assert conclude(ValueError("odd"), in_call=True).failed_step == ""


# --- the row's level ------------------------------------------------------------------------------------

ROW = Requirement("CHK-05", "CHK", "The log has a row.", Level.REQUIRED, Layer.LOG)
SEEN_BROKEN_ONLY = replace(ROW, warn_only="others may spend it unseen")
FAILED = Conclusion(Outcome.FAIL, "no row", Kind.ASSERTION, "gpt-5.4/log")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_required_row_takes_an_outcome_as_it_is(outcome: Outcome) -> None:
    assert grade(ROW, replace(FAILED, outcome=outcome)) == replace(FAILED, outcome=outcome)


@pytest.mark.parametrize("level", [Level.RECOMMENDED, Level.STRONGLY_RECOMMENDED])
def test_a_failure_of_a_weaker_row_is_a_warning_with_the_same_reason(level: Level) -> None:
    assert grade(replace(ROW, level=level), FAILED) == replace(FAILED, outcome=Outcome.WARN)


def test_what_can_only_be_seen_broken_warns_where_it_is() -> None:
    assert grade(SEEN_BROKEN_ONLY, FAILED) == replace(FAILED, outcome=Outcome.WARN)


def test_what_can_only_be_seen_broken_never_passes() -> None:
    said = "nothing was seen against it, and that proves nothing: others may spend it unseen"
    assert grade(SEEN_BROKEN_ONLY, Conclusion(Outcome.PASS)) == Conclusion(Outcome.NOT_APPLICABLE, said)


@pytest.mark.parametrize("outcome", [each for each in Outcome if each not in ("pass", "fail")])
def test_what_was_not_judged_is_so_for_a_row_that_can_only_be_seen_broken_too(outcome: Outcome) -> None:
    assert grade(SEEN_BROKEN_ONLY, replace(FAILED, outcome=outcome)).outcome == outcome


# --- the evidence below a check -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that build on each other, and those that are looked at where a check fails."""
    for name, needs, shared in (
        ("ground", (), False),
        ("common", (), True),
        ("middle", ("ground", "common"), False),
        ("top", ("middle", "ground"), False),
        ("token_usage", (), False),
        ("models_list", (), False),
        ("short_chat", (), False),
        ("embeddings", (), False),
    ):
        monkeypatch.setitem(STEPS, name, Step(name, lambda act: None, needs, shared, False, None))


def key(step: str) -> Key:
    return Key(PROFILE.name, step)


class Shown(Judge):
    """A judge with these exchanges of each step; what a failure is looked into with is there once asked for."""

    def __init__(self, **tapes: list[Exchange]) -> None:
        self._all = {key(name): exchanges for name, exchanges in tapes.items()}
        self._there = {key(name) for name in ("ground", "middle", "top")}
        self.probed: list[str] = []

    def probe(self, step: str, profile: Profile) -> None:
        assert profile.name == PROFILE.name
        self._there.add(STEPS[step].key(profile))
        self.probed.append(step)

    def exchanges(self, key: Key) -> list[Exchange]:
        return self._all.get(key, []) if key in self._there else []


def answered(path: str, status: int, body: Any, *, side: str = "gateway", headers: Any = ()) -> Exchange:
    """An exchange with the key, and its answer in JSON."""
    request = Request("GET", f"https://pair.example{path}", (("Authorization", "Bearer {{CRAZYROUTER_API_KEY}}"),))
    typed = (("Content-Type", "application/json"), *headers)
    response = Response(status, typed, (Chunk(0.1, json.dumps(body).encode()),))
    return Exchange("Ask", side, request, 1e9, 0.1, response)


MODELS = answered("/v1/models", 200, {"object": "list", "data": [{"id": "m"}]})
REFUSED = answered("/v1/models", 401, {"error": {"message": "Invalid token"}})
BROKEN = answered("/v1/chat/completions", 500, {"error": {"message": "upstream"}})


def test_the_steps_below_a_check_come_after_what_they_need_and_once() -> None:
    expected = [key("ground"), Key(SHARED, "common"), key("middle"), key("top")]
    assert closure([key("ground"), key("top"), key("middle")], PROFILE) == expected


def test_the_exchanges_below_a_check_stand_in_the_order_of_their_steps() -> None:
    judge = Shown(top=[BROKEN], ground=[MODELS, REFUSED])
    assert exchanges_below(judge, [key("top")], PROFILE) == [MODELS, REFUSED, BROKEN]


def test_a_step_s_spending_names_it_and_counts_requests_by_side_and_tokens() -> None:
    headers = (("X-New-Api-Version", "v1"), ("Server", "nginx"))
    used = answered("/v1/chat/completions", 200, {"usage": {"total_tokens": 11}}, headers=headers)
    dify = answered("/v1/chat-messages", 200, {}, side="dify")
    assert spending(STEP, [MODELS, used, dify]) == {
        "step": "gpt-5.4/first_app",
        "gateway": 2,
        "dify": 1,
        "tokens": 11,
        "again": 0,
        "lost": 0,
        "limited": 0,
        "software": {"New API": "v1"},
        "server": "nginx",
    }


# --- why ------------------------------------------------------------------------------------------------

VERDICT = Verdict("CHK-05", "a_row_is_there", PROFILE.name, "fail", "required", "log", Evidence("live", "2026-11-22"))


def probed(profile: Profile = PROFILE, /, **tapes: list[Exchange]) -> list[str]:
    """The steps that are looked at besides where a check on these steps is not well."""
    judge = Shown(**tapes)
    probe(judge, [key("top")], profile)
    return judge.probed


def test_what_seems_to_lie_in_dify_is_looked_for_in_the_gateway_below_it() -> None:
    assert probed(ground=[answered("/v1/chat-messages", 200, {}, side="dify")]) == ["models_list", "short_chat"]


@pytest.mark.parametrize(
    ("path", "body", "wants"),
    [
        ("/v1/datasets/1/documents", None, True),
        ("/console/api/models/credentials", {"model_type": "text-embedding"}, True),
        ("/console/api/models/credentials", {"model_type": "llm"}, False),
    ],
)
def test_embeddings_are_asked_for_where_dify_was_asked_for_what_needs_them(path: str, body: Any, wants: bool) -> None:
    asked = answered(path, 400, {}, side="dify")
    asked = replace(asked, request=replace(asked.request, body=json.dumps(body)))
    looked_at = ["models_list", "short_chat", *(["embeddings"] if wants else [])]
    assert probed(top=[asked]) == looked_at
    without = replace(PROFILE, features=PROFILE.features - {Feature.EMBEDDINGS})
    assert probed(without, top=[asked]) == ["models_list", "short_chat"]


def test_what_the_gateway_was_asked_for_is_no_need_of_dify_s() -> None:
    of_the_gateway = answered("/v1/datasets", 404, {})
    assert probed(top=[of_the_gateway, answered("/v1/info", 200, {}, side="dify")]) == ["models_list", "short_chat"]


def test_the_gateway_alone_needs_no_second_look() -> None:
    assert probed(top=[MODELS, BROKEN]) == []


def test_a_refused_key_s_record_is_asked_for() -> None:
    assert probed(top=[MODELS, REFUSED]) == ["token_usage"]


def test_a_refused_key_that_dify_quotes_is_asked_about_too() -> None:
    said = {"message": "API request failed with status code 401: {}"}
    quoted = answered("/v1/chat-messages", 400, said, side="dify")
    assert probed(middle=[quoted]) == ["models_list", "short_chat", "token_usage"]


# --- a teardown that raises -----------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["pass", "warn", "not_applicable"])
def test_what_held_is_an_error_where_its_teardown_breaks(outcome: str) -> None:
    told = replace(VERDICT, outcome=outcome, guide_row="ERR-05", fix="mend it")
    said = "its teardown broke: OSError: no space"
    expected = replace(told, outcome="error", reason=said, kind=Kind.CRASH)
    assert unclean(told, OSError("no space")) == expected


@pytest.mark.parametrize("outcome", ["fail", "error", "unverified", "blocked"])
def test_what_did_not_hold_keeps_its_reason_where_its_teardown_breaks(outcome: str) -> None:
    told = replace(VERDICT, outcome=outcome, reason="no row")
    assert unclean(told, OSError("no space")) == told
