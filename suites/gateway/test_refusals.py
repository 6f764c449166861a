"""Refusals: their steps act only where the same host lists models, so that a dead host refuses nothing."""

import re

import pytest

from fixtures.clients.chat import ChatReply
from fixtures.clients.gateway import request_id
from fixtures.judging.observation import went_well
from fixtures.model.exchange import Exchange, dig, string
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.chat import Twins
from fixtures.steps.gateway.refusals import BadRequests, Refusals, WrongRequests

pytestmark = pytest.mark.audit
INSIDE = re.compile(
    r"Traceback \(most recent call last\)|\bgoroutine \d+ \[|(?:\n|\\n)\s+at \S+ ?\("  # a stack
    r"|\b\w+\.(?:py|go|js|ts|rb|java|php|rs):\d+|File \\?\"[^\"]+\", line \d+"  # a line of a file
    r"|(?<![\w.:/])/(?:home|root|usr|opt|srv|var|tmp|app|go|src)/[\w./-]+|\b[A-Z]:\\\\?\w"  # a file
    r"|\bdial tcp\b|\blookup \S+ on \S+:53\b|\b\d{1,3}(?:\.\d{1,3}){3}:\d+\b"  # a host that was called
    r"|https?://[^\s/\"]+/v\d\w*/(?:chat|completions|embeddings|messages|models|responses)\b"  # an endpoint of an API
)
"""What stands in a refusal only where it shows what is behind the gateway; a link to a manual is fine."""


def assert_error_object(answer: Exchange) -> None:
    """OpenAI's error shape: an object with a message, in JSON."""
    message = answer.get("error", "message")
    assert isinstance(message, str) and message, f"expected an error object with a message, got {answer.summary()}"


@requirement("WIRE-23")
@pytest.mark.parametrize(
    "path",
    ["/models", "/chat/completions", pytest.param("/embeddings", marks=pytest.mark.declares("embeddings"))],
)
def test_a_wrong_key_is_401(key_refusals: Refusals, path: str) -> None:
    answer = key_refusals.by_path[path]
    assert answer.status == 401, f"expected 401 for a wrong key, got {answer.summary()}"
    assert_error_object(answer)


@requirement("WIRE-23")
def test_a_mistyped_key_is_401(key_refusals: Refusals) -> None:
    answer = key_refusals.mistyped_key
    assert answer.status == 401, f"expected 401 for a key with mistyped last characters, got {answer.summary()}"


@requirement("WIRE-24")
def test_no_key_is_401(key_refusals: Refusals) -> None:
    assert key_refusals.no_key.status == 401, f"expected 401 without a key, got {key_refusals.no_key.summary()}"
    assert_error_object(key_refusals.no_key)


@requirement("WIRE-25")
def test_no_refusal_echoes_the_key(key_refusals: Refusals) -> None:
    echoing = [path for path, answer in key_refusals.by_path.items() if key_refusals.wrong_key in answer.text]
    assert not echoing, f"expected no refusal to show the key, it stands in the answers of {echoing}"


@requirement("WIRE-25")
def test_no_answer_shows_the_key(models_list: Exchange, short_chat: ChatReply, long_chat: Twins) -> None:
    answers = [models_list, short_chat.exchange, long_chat.plain.exchange, long_chat.streamed.exchange]
    showing = [answer.why for answer in answers if answer.shows_its_key]
    assert any(map(went_well, answers)), f"expected an API's answer to one of {len(answers)} requests"
    assert not showing, f"expected no answer to show the key that asked, it stands in the answers to {showing}"


@requirement("WIRE-26")
def test_an_unknown_path_is_404(bad_requests: BadRequests) -> None:
    answer = bad_requests.unknown_path
    assert answer.status == 404, f"expected 404 for a path that does not exist, got {answer.summary()}"
    assert_error_object(answer)


@requirement("WIRE-27")
@pytest.mark.parametrize("mistake", ["broken_json", "no_messages"])
def test_an_unreadable_request_is_refused(bad_requests: BadRequests, mistake: str) -> None:
    answer: Exchange = getattr(bad_requests, mistake)
    assert 400 <= answer.status < 500, f"expected a client's mistake refused with a 4xx, got {answer.summary()}"
    assert answer.status != 401, f"expected the request refused and not the key, got {answer.summary()}"
    assert_error_object(answer)


@requirement("WIRE-28")
def test_an_unknown_model_is_refused(bad_requests: BadRequests) -> None:
    answer = bad_requests.unknown_model
    assert answer.status in (403, 404, 503), f"expected 403, 404 or 503 for an unknown model, got {answer.summary()}"
    assert_error_object(answer)


@requirement("WIRE-29")
def test_each_answer_has_its_own_request_id(
    key_refusals: Refusals, bad_requests: BadRequests, models_list: Exchange
) -> None:
    answers = [models_list, *key_refusals.by_path.values(), bad_requests.unknown_model]
    ids = [request_id(answer) for answer in answers]
    assert all(ids), f"expected a request id on every answer, found {ids}"
    assert len(set(ids)) == len(ids), f"expected a different id on every answer, found {ids}"


@requirement("WIRE-27")
@pytest.mark.parametrize("mistake", ["messages_as_text", "temperature_as_word", "negative_limit"])
def test_a_wrong_type_is_refused(wrong_requests: WrongRequests, mistake: str) -> None:
    answer: Exchange = getattr(wrong_requests, mistake)
    assert answer.status >= 400, f"expected a refusal, got {answer.summary()}"
    assert answer.status != 401, f"expected the request refused and not the key, got {answer.summary()}"
    assert_error_object(answer)


def all_refused(by_key: Refusals, bad: BadRequests, wrong: WrongRequests) -> list[Exchange]:
    """All that was to be refused, whatever for."""
    return [*by_key.by_path.values(), by_key.mistyped_key, by_key.no_key, *vars(bad).values(), *vars(wrong).values()]


@requirement("WIRE-60")
def test_each_refusal_is_an_error_object(
    key_refusals: Refusals, bad_requests: BadRequests, wrong_requests: WrongRequests
) -> None:
    errors = {each.why: each.get("error") for each in all_refused(key_refusals, bad_requests, wrong_requests)}
    unsaid = [why for why, error in errors.items() if not string(dig(error, "message"))]
    untyped = [why for why, error in errors.items() if not string(dig(error, "type"))]
    codes = {why: code for why, error in errors.items() if not isinstance(code := dig(error, "code"), str | None)}
    assert not unsaid, f"expected a message in each error object, found none in the answers to {unsaid}"
    assert not untyped, f"expected a type in each error object, found none in the answers to {untyped}"
    assert not codes, f"expected each error's code to be a text or none, got {codes}"


@requirement("WIRE-61")
def test_a_wrong_method_is_404_or_405(wrong_requests: WrongRequests) -> None:
    answer = wrong_requests.wrong_method
    assert answer.status in (404, 405), f"expected 404 or 405 for a wrong method, got {answer.summary()}"


@requirement("WIRE-62")
def test_no_refusal_shows_what_is_behind_the_gateway(
    key_refusals: Refusals, bad_requests: BadRequests, wrong_requests: WrongRequests
) -> None:
    answers = all_refused(key_refusals, bad_requests, wrong_requests)
    texts = {each.why: each.text.replace("\\/", "/").replace(each.request.host, "") for each in answers}
    shown = {why: found[0] for why, text in texts.items() if (found := INSIDE.search(text))}
    assert not shown, f"expected no refusal to show an upstream's address, a stack trace or a file, found {shown}"
