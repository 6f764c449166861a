"""What a request says of its tools: whether one is called and which, and several calls at once."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fixtures.clients.chat import ChatReply
from fixtures.model.exchange import dig, parse_json
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.chat import Twins
from fixtures.steps.gateway.tools import CITY_TOOL, CITY_WEATHERS, ParallelResults, ToolChoices
from suites.gateway import both_transports

pytestmark = pytest.mark.audit


def names_of(reply: ChatReply) -> list[Any]:
    """The name of each tool that an answer calls."""
    return [dig(call, "function", "name") for call in reply.tool_calls]


def arguments_of(reply: ChatReply) -> list[Any]:
    """The arguments of each tool call, as they came: a text, where all is well."""
    return [dig(call, "function", "arguments") for call in reply.tool_calls]


def read(call: Mapping[str, Any]) -> str:
    """A call's name and arguments, however the JSON of the latter is written."""
    name, arguments = dig(call, "function", "name"), dig(call, "function", "arguments")
    return f"{name} {json.dumps(parse_json(arguments) or arguments, sort_keys=True)}"


@requirement("WIRE-43")
def test_tool_choice_none_gets_no_call(tool_choices: ToolChoices) -> None:
    reply = tool_choices.unwanted
    assert not reply.tool_calls, f"expected no tool call with tool_choice none, got {names_of(reply)}"
    assert reply.text.strip(), f"expected an answer in words, got {reply.exchange.summary()}"


@requirement("WIRE-44")
def test_tool_choice_required_gets_a_call(tool_choices: ToolChoices) -> None:
    reply = tool_choices.forced
    assert reply.tool_calls, f"expected a tool call with tool_choice required, got {reply.exchange.summary()}"


@requirement("WIRE-45")
def test_a_named_tool_choice_gets_that_tool(tool_choices: ToolChoices) -> None:
    names = names_of(tool_choices.named)
    assert names, f"expected a call of get_time, got {tool_choices.named.exchange.summary()}"
    assert all(name == "get_time" for name in names), f"expected calls of get_time alone, got {names}"


@requirement("WIRE-46")
@both_transports
def test_two_cities_get_two_calls(parallel_calls: Twins, transport: str) -> None:
    texts = list(map(str, arguments_of(parallel_calls[transport])))
    missing = [city for city in CITY_WEATHERS if not any(city in text for text in texts)]
    assert not missing, f"expected a call for each of {list(CITY_WEATHERS)}, none is for {missing}: {texts}"
    assert len(texts) == len(CITY_WEATHERS), f"expected {len(CITY_WEATHERS)} calls, got {texts}"


@requirement("WIRE-47")
@both_transports
def test_each_call_has_an_id_and_a_type(parallel_calls: Twins, transport: str) -> None:
    reply = parallel_calls[transport]
    ids = [dig(call, "id") for call in reply.tool_calls]
    kinds = [piece.get("type") for piece in reply.call_pieces if piece.get("id")]
    assert ids, f"expected tool calls, got {reply.exchange.summary()}"
    assert all(isinstance(id, str) and id for id in ids), f"expected an id for each call, got {ids}"
    assert len(set(ids)) == len(ids), f"expected an id of its own for each call, got {ids}"
    assert set(kinds) == {"function"}, f"expected the type function beside each id, got {kinds}"


@requirement("WIRE-48")
def test_streamed_pieces_join_to_the_plain_calls(parallel_calls: Twins) -> None:
    pieces = parallel_calls.streamed.call_pieces
    indices = [piece.get("index") for piece in pieces]
    opened = {(piece.get("id"), piece.get("index")) for piece in pieces if piece.get("id")}
    joined, plain = (set(map(read, parallel_calls[each].tool_calls)) for each in ("streamed", "plain"))
    assert pieces, f"expected pieces of tool calls, got {parallel_calls.streamed.exchange.summary()}"
    assert all(type(index) is int for index in indices), f"expected an index in each piece, got {indices}"
    assert len({index for _, index in opened}) == len(opened), f"expected an index of its own for each id, got {opened}"
    # a model may call once here and twice there; what it calls may not be put together wrongly
    assert joined <= plain or plain <= joined, f"expected the plain answer's calls {plain}, the pieces join to {joined}"


@requirement("WIRE-49")
@both_transports
def test_each_call_fits_the_tool_that_it_calls(parallel_calls: Twins, transport: str) -> None:
    reply = parallel_calls[transport]
    names, texts = names_of(reply), arguments_of(reply)
    schema = Draft202012Validator(CITY_TOOL["function"]["parameters"])
    wrong = [error.message for text in texts for error in schema.iter_errors(parse_json(text))]
    assert texts, f"expected tool calls, got {reply.exchange.summary()}"
    assert all(name == "get_weather" for name in names), f"expected calls of the offered get_weather, got {names}"
    assert all(parse_json(text) is not None for text in texts), f"expected JSON as arguments, got {texts}"
    assert not wrong, f"expected arguments that the tool's schema allows: {'; '.join(wrong)}"


@requirement("WIRE-50")
def test_the_results_of_all_calls_are_used(parallel_results: ParallelResults) -> None:
    reply = parallel_results.reply
    unused = [result for result in parallel_results.handed if result.split()[0] not in reply.text]
    assert reply.ok, f"expected an answer, got {reply.exchange.summary()}"
    assert not unused, f"expected an answer from {list(parallel_results.handed)}, {unused} is not in {reply.text!r}"
