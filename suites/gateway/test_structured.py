"""Structured output: what `response_format` asks for is obeyed or refused, and never quietly left out."""

import pytest
from jsonschema import Draft202012Validator

from fixtures.clients.chat import ChatReply
from fixtures.clients.gateway import refuses_clearly
from fixtures.model.exchange import parse_json
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.chat import Twins
from fixtures.steps.gateway.structured import SCHEMA
from suites.gateway import both_transports

pytestmark = pytest.mark.audit


def assert_answered_or_refused(reply: ChatReply) -> None:
    """Either an answer, or a refusal that a client can read."""
    assert reply.ok or refuses_clearly(reply.exchange), (
        f"expected an answer, or 400 or 422 with an error object, got {reply.exchange.summary()}"
    )


def assert_json_alone(reply: ChatReply) -> None:
    """The answer is a JSON object from its first to its last character, where it was not refused."""
    text, refused = reply.text.strip(), refuses_clearly(reply.exchange)
    assert refused or not text.startswith("```"), f"expected JSON without a Markdown fence, got {text!r}"
    assert refused or reply.finish_reason != "length", f"expected whole JSON, it was cut to {text!r}"
    assert refused or isinstance(parse_json(text), dict), f"expected a JSON object alone, got {text!r}"


@requirement("WIRE-51")
@both_transports
def test_json_object_is_obeyed_or_refused(json_objects: Twins, transport: str) -> None:
    assert_answered_or_refused(json_objects[transport])
    assert_json_alone(json_objects[transport])


@requirement("WIRE-52")
@both_transports
def test_json_schema_is_obeyed_or_refused(schema_answers: Twins, transport: str) -> None:
    reply = schema_answers[transport]
    wrong = [error.message for error in Draft202012Validator(SCHEMA).iter_errors(parse_json(reply.text))]
    assert_answered_or_refused(reply)
    assert_json_alone(reply)
    assert refuses_clearly(reply.exchange) or not wrong, (
        f"expected an answer that the schema allows: {'; '.join(wrong)}"
    )
