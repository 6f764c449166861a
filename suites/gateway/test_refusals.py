"""Refusals: their steps act only where the same host lists models, so that a dead host refuses nothing."""

import pytest

from fixtures.clients.chat import ChatReply
from fixtures.clients.gateway import request_id
from fixtures.judging.observation import went_well
from fixtures.model.exchange import Exchange
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.chat import Twins
from fixtures.steps.gateway.refusals import BadRequests, Refusals

pytestmark = pytest.mark.audit


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
