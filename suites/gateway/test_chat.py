"""Chat completions, plain and streamed: one assertion, two transports."""

import pytest

from fixtures.clients.chat import ChatReply
from fixtures.clients.gateway import says_ok
from fixtures.model.exchange import dig, is_of_model, parse_json
from fixtures.model.profiles import Profile
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.chat import CAP, LONG_TEXT, Twins
from fixtures.steps.gateway.conversations import CODE_WORD, Conversation
from fixtures.steps.gateway.request_log import RequestLog
from fixtures.steps.gateway.tools import WEATHER
from suites.gateway import both_transports

pytestmark = pytest.mark.audit


@requirement("WIRE-04")
@both_transports
def test_a_long_answer_arrives_whole(long_chat: Twins, transport: str) -> None:
    reply = long_chat[transport]
    assert reply.ok, f"expected an answer, got {reply.exchange.summary()}"
    assert "�" not in reply.text, f"expected no broken character, got {reply.text!r}"
    assert LONG_TEXT in reply.text, f"expected the whole of {LONG_TEXT!r}, got {reply.text!r}"


@requirement("WIRE-05")
@both_transports
def test_a_finished_answer_says_stop(long_chat: Twins, transport: str) -> None:
    reply = long_chat[transport]
    assert reply.finish_reason == "stop", (
        f"expected finish_reason stop, got {reply.finish_reason or 'none'}: {reply.exchange.summary()}"
    )


@requirement("WIRE-06")
@both_transports
def test_the_envelope_is_complete(long_chat: Twins, transport: str) -> None:
    reply = long_chat[transport]
    first = reply.parts[0] if reply.parts else None
    kind = "chat.completion.chunk" if reply.streamed else "chat.completion"
    assert dig(first, "object") == kind, f"expected object {kind}, got {reply.exchange.summary()}"
    assert isinstance(dig(first, "id"), str) and dig(first, "id"), f"expected an id, got {dig(first, 'id')!r}"
    assert isinstance(dig(first, "created"), int), f"expected a Unix time, got {dig(first, 'created')!r}"
    assert reply.model, f"expected a model's name, got {dig(first, 'model')!r}"
    assert dig(first, "choices", 0, "index") == 0, f"expected choice 0, got {dig(first, 'choices')!r}"


@requirement("WIRE-07")
@both_transports
def test_the_answer_names_the_model_that_was_asked(long_chat: Twins, transport: str, profile: Profile) -> None:
    model, asked = long_chat[transport].model, profile.chat_model
    assert long_chat[transport].ok, f"expected an answer, got {long_chat[transport].exchange.summary()}"
    assert is_of_model(model, asked), f"expected {asked} or a dated name of it, got {model!r}"


@requirement("WIRE-08")
@both_transports
def test_usage_adds_up(long_chat: Twins, transport: str) -> None:
    usage = long_chat[transport].usage
    assert usage, f"expected usage, got {long_chat[transport].exchange.summary()}"
    assert usage.prompt > 0 and usage.completion > 0, f"expected positive counts, got {usage}"
    assert usage.total == usage.prompt + usage.completion, f"expected total = prompt + completion, got {usage}"


@requirement("WIRE-09")
def test_the_prompt_costs_the_same_streamed(long_chat: Twins) -> None:
    plain, streamed = long_chat.plain.usage, long_chat.streamed.usage
    assert plain, f"expected usage in the plain answer, got {long_chat.plain.exchange.summary()}"
    assert streamed, f"expected usage in the stream, got {long_chat.streamed.exchange.summary()}"
    assert plain.prompt == streamed.prompt, f"expected equal prompt tokens, got {plain.prompt} and {streamed.prompt}"


@requirement("WIRE-17")
@both_transports
def test_max_tokens_caps_the_answer(capped_chat: Twins, transport: str) -> None:
    reply = capped_chat[transport]
    assert reply.finish_reason == "length", (
        f"expected finish_reason length, got {reply.finish_reason or 'none'}: {reply.exchange.summary()}"
    )
    # a number is a token at least; usage may count hidden thinking, so it cannot tell
    assert len(reply.text.split()) <= CAP, f"expected at most {CAP} numbers, got {reply.text!r}"


@requirement("WIRE-18")
@both_transports
def test_a_tool_call_is_marked_as_one(tool_chat: Twins, transport: str) -> None:
    reply = tool_chat[transport]
    assert reply.finish_reason == "tool_calls", (
        f"expected finish_reason tool_calls, got {reply.finish_reason or 'none'}: {reply.exchange.summary()}"
    )
    ids = [dig(call, "id") for call in reply.tool_calls]
    names = [dig(call, "function", "name") for call in reply.tool_calls]
    own = {id for id in ids if isinstance(id, str) and id}
    assert names and set(map(str, names)) == {"get_weather"}, f"expected calls of get_weather, got {names}"
    assert len(own) == len(ids), f"expected an id of its own for each call, got {ids}"


@requirement("WIRE-19")
@both_transports
def test_tool_arguments_are_whole_json(tool_chat: Twins, transport: str) -> None:
    texts = [dig(call, "function", "arguments", default="") for call in tool_chat[transport].tool_calls]
    cities = [dig(parse_json(text), "city") for text in texts]
    assert texts, f"expected a tool call, got {tool_chat[transport].exchange.summary()}"
    assert all(isinstance(city, str) and "lisbon" in city.lower() for city in cities), (
        f"expected arguments with the city Lisbon, got {texts}"
    )


@requirement("WIRE-30")
def test_a_short_question_is_answered(short_chat: ChatReply) -> None:
    assert short_chat.ok, f"expected an answer, got {short_chat.exchange.summary()}"
    assert says_ok(short_chat.text), f"expected OK, got {short_chat.text!r}"


@requirement("WIRE-31")
@both_transports
def test_no_thinking_text_is_in_the_answer(long_chat: Twins, transport: str) -> None:
    reply = long_chat[transport]
    assert reply.text.strip(), f"expected an answer, got {reply.exchange.summary()}"
    assert "<think" not in reply.text.lower(), f"expected the answer alone, got {reply.text!r}"


@requirement("WIRE-32")
@both_transports
def test_the_counted_tokens_are_plausible(long_chat: Twins, transport: str) -> None:
    usage = long_chat[transport].usage
    fewest, most = len(LONG_TEXT) // 10, len(LONG_TEXT) * 3
    assert usage, f"expected usage, got {long_chat[transport].exchange.summary()}"
    assert fewest <= usage.prompt <= most, (
        f"expected {fewest} to {most} prompt tokens for {len(LONG_TEXT)} characters: {usage}"
    )
    assert usage.completion >= fewest, f"expected at least {fewest} completion tokens for the same text: {usage}"


@requirement("WIRE-33")
@both_transports
def test_the_answer_has_one_log_row(
    long_chat: Twins, request_log: RequestLog, transport: str, profile: Profile
) -> None:
    rows, usage = request_log.rows_of(transport), long_chat[transport].usage
    assert len(rows) == 1, f"expected one log row of the answer, found {len(rows)}"
    assert usage, f"expected usage to compare with, got {long_chat[transport].exchange.summary()}"
    expected = (profile.chat_model, transport == "streamed", usage.prompt, usage.completion)
    row = rows[0]
    found = (row.model, row.is_stream, row.prompt_tokens, row.completion_tokens)
    assert found == expected, f"expected (model, streamed, prompt, completion) {expected}, the row has {found}"
    assert row.quota > 0, f"expected the answer to be charged, the row says {row.quota}"


@requirement("WIRE-34")
def test_a_tool_s_result_is_used(tool_result: ChatReply) -> None:
    assert tool_result.ok, f"expected an answer, got {tool_result.exchange.summary()}"
    assert "17" in tool_result.text, f"expected an answer from {WEATHER!r}, got {tool_result.text!r}"


@requirement("WIRE-35")
def test_each_parameter_has_the_effect_that_the_profile_names(
    parameter_effects: dict[str, str], profile: Profile
) -> None:
    wrong = {name: effect for name, effect in parameter_effects.items() if effect not in profile.parameters[name]}
    right = {name: " or ".join(profile.parameters[name]) for name in wrong}
    assert not wrong, f"expected {right}, got {wrong}"


@requirement("WIRE-36")
def test_the_system_message_reaches_the_model(conversation: Conversation) -> None:
    reply = conversation.instructed
    assert CODE_WORD in reply.text, f"expected the system message's {CODE_WORD}, got {reply.exchange.summary()}"


@requirement("WIRE-37")
def test_earlier_turns_reach_the_model(conversation: Conversation) -> None:
    reply = conversation.remembered
    assert CODE_WORD in reply.text, f"expected {CODE_WORD} of an earlier turn, got {reply.exchange.summary()}"
