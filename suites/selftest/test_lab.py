"""The lab vendor: it answers in three formats, refuses, misbehaves when asked to, and the suite finds it in order."""

from __future__ import annotations

import base64
import json
import math
import re
import shlex
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from fixtures.acting import recording
from fixtures.acting.recording import Manifest, publish, read_manifest
from fixtures.lab import anthropic, gemini, openai
from fixtures.lab.answer import Refusal
from fixtures.lab.brain import tokens
from fixtures.lab.embedding import embedded
from fixtures.lab.models import served
from fixtures.model import sse
from fixtures.steps.gateway.chat import LONG_TEXT
from fixtures.steps.gateway.conversations import ASKED, CODE_WORD, INSTRUCTIONS, TOLD
from fixtures.steps.gateway.tools import WEATHER_TOOL
from fixtures.wire.tape import TapeError
from suites.selftest.conftest import ROOT, Suite, settings_in, started

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("lab")]

GATEWAY_ONLY = {"an_answer_is_charged_to_the_token", "a_refusal_is_not_charged", "the_charge_is_the_log_s"}
"""Checks of WIRE-41: they make tokens, for which a gateway and an access token are needed."""


@pytest.fixture(scope="module")
def printed() -> Iterator[str]:
    """What the lab of this module says of itself."""
    with started() as text:
        yield text


@pytest.fixture(scope="module")
def settings(printed: str) -> dict[str, str]:
    """The settings of this module's lab."""
    return settings_in(printed)


def client_of(settings: dict[str, str], **headers: str) -> httpx.Client:
    """A client of a lab; its base URL is the root, for two of the formats are not below /v1."""
    url = settings["CRAZYROUTER_BASE_URL"].removesuffix("/v1")
    return httpx.Client(base_url=url, headers=headers, timeout=5, trust_env=False)


@pytest.fixture(scope="module")
def lab(settings: dict[str, str]) -> Iterator[httpx.Client]:
    """A client with the lab's key."""
    with client_of(settings, authorization=f"Bearer {settings['CRAZYROUTER_API_KEY']}") as client:
        yield client


@pytest.fixture(scope="module")
def stranger(settings: dict[str, str]) -> Iterator[httpx.Client]:
    """A client without a key."""
    with client_of(settings) as client:
        yield client


Chat = Callable[..., Any]


def request(prompt: str | list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return {"model": "gpt-5.4", "messages": messages, **options}


@pytest.fixture
def chat(lab: httpx.Client) -> Chat:
    """A plain chat completion: its JSON."""
    return lambda prompt, **options: lab.post("/v1/chat/completions", json=request(prompt, **options)).json()


@pytest.fixture
def said(chat: Chat) -> Callable[..., str]:
    """What a plain chat completion says."""
    return lambda prompt, **options: str(chat(prompt, **options)["choices"][0]["message"]["content"])


@pytest.fixture
def called(chat: Chat) -> Callable[..., list[tuple[str, Any]]]:
    """The tools that a plain chat completion calls, with their arguments."""

    def calls(prompt: str, **options: Any) -> list[tuple[str, Any]]:
        message = chat(prompt, **options)["choices"][0]["message"]
        functions = [call["function"] for call in message.get("tool_calls", [])]
        return [(function["name"], json.loads(function["arguments"])) for function in functions]

    return calls


def chunks_of(reply: httpx.Response) -> list[Any]:
    """The JSON of a stream's events."""
    return [event.json() for event in sse.parse(reply.content) if not event.is_done]


# --- OpenAI ----------------------------------------------------------------------------------------


def test_it_lists_the_models_of_all_profiles(lab: httpx.Client) -> None:
    listed = lab.get("/v1/models").json()
    assert {model["id"] for model in listed["data"]} == set(served()) >= {"gpt-5.4", "text-embedding-3-large"}
    assert lab.get("/v1/models/gpt-5.4").json() in listed["data"]


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Reply only OK", "OK"),
        ("Please answer with only the word 'blue', and nothing else.", "blue"),
        (f"Reply only with: {LONG_TEXT}", LONG_TEXT),
        ("Count from 3 to 6, separated by spaces", "3 4 5 6"),
        ("What is my code word?", "You have not told me."),
        ("<context>Otters sleep at noon. Herons fish at dawn.</context> When do herons fish?", "Herons fish at dawn."),
        ("Good   morning", "You said: Good morning"),
    ],
)
def test_it_answers_by_the_prompt(said: Callable[..., str], prompt: str, answer: str) -> None:
    assert said(prompt) == answer


def test_the_system_message_is_obeyed(said: Callable[..., str]) -> None:
    turns = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": "Good morning"}]
    assert said(turns) == CODE_WORD


def test_earlier_turns_are_remembered(said: Callable[..., str]) -> None:
    turns = [{"role": "user", "content": TOLD}, {"role": "assistant", "content": "OK"}]
    assert said([*turns, {"role": "user", "content": ASKED}]) == CODE_WORD


def test_the_same_request_has_the_same_answer(chat: Chat) -> None:
    one, other = (chat("Tell me something", seed=7) for _ in range(2))
    assert one["choices"] == other["choices"]
    assert one["usage"] == other["usage"]
    assert one["id"] != other["id"]


def test_tokens_join_to_their_text() -> None:
    assert "".join(tokens(f" {LONG_TEXT}\n\n")) == f" {LONG_TEXT}\n\n"


def test_usage_adds_up_and_grows_with_the_text(chat: Chat) -> None:
    short, long = chat("Reply only OK")["usage"], chat(f"Reply only with: {LONG_TEXT}")["usage"]
    assert short["total_tokens"] == short["prompt_tokens"] + short["completion_tokens"]
    assert long["prompt_tokens"] > 5 * short["prompt_tokens"]
    assert long["completion_tokens"] == len(tokens(LONG_TEXT))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_capped_answer_ends_for_its_length(chat: Chat, name: str) -> None:
    choice = chat("Count to 60", **{name: 4})["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("1 2 3 4", "length")


def test_a_stop_ends_the_answer_for_a_model_that_heeds_it(chat: Chat) -> None:
    choice = chat("Count to 60", model="claude-sonnet-4-6", stop=[" 30", " 4"])["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("1 2 3", "stop")


@pytest.mark.parametrize(("model", "choices"), [("gpt-5.4", 2), ("claude-sonnet-4-6", 1)])
def test_n_has_the_effect_that_the_profile_names(chat: Chat, model: str, choices: int) -> None:
    assert [choice["index"] for choice in chat("Reply only OK", model=model, n=2)["choices"]] == list(range(choices))


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "degrees": {"type": "integer", "maximum": 50},
        "sky": {"enum": ["clear", "rain"]},
        "days": {"type": "array", "items": {"$ref": "#/$defs/day"}, "minItems": 2},
    },
    "$defs": {"day": {"type": ["boolean", "null"]}},
}


def test_a_json_schema_is_kept_to(said: Callable[..., str]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
    answer = json.loads(said("It is 17 degrees with rain in Lisbon", response_format=wanted))
    assert answer == {"city": "Lisbon", "degrees": 17, "sky": "rain", "days": [True, True]}


def test_a_json_object_has_the_members_that_are_asked_for(said: Callable[..., str]) -> None:
    answer = said('Give me JSON with "name" and "city": Ada is in Paris', response_format={"type": "json_object"})
    assert json.loads(answer) == {"name": "Ada", "city": "Paris"}


LISBON, PORTO = ("get_weather", {"city": "Lisbon"}), ("get_weather", {"city": "Porto"})


@pytest.mark.parametrize(
    ("prompt", "options", "calls"),
    [
        ("What is the weather in Lisbon?", {}, [LISBON]),
        ("Use get_weather for Lisbon and Porto", {}, [LISBON, PORTO]),
        ("Use get_weather for Lisbon and Porto", {"parallel_tool_calls": False}, [LISBON]),
        ("Good morning from me in Porto", {"tool_choice": "auto"}, []),
        ("Good morning from me in Porto", {"tool_choice": "required"}, [PORTO]),
        ("What is the weather in Lisbon?", {"tool_choice": "none"}, []),
        ("I am in Porto", {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, [PORTO]),
    ],
)
def test_a_tool_is_called_where_it_should_be(
    called: Callable[..., Any], prompt: str, options: dict[str, Any], calls: list[Any]
) -> None:
    assert called(prompt, tools=[WEATHER_TOOL], **options) == calls


def test_a_tool_s_result_is_told(chat: Chat, said: Callable[..., str]) -> None:
    question = {"role": "user", "content": "What is the weather in Lisbon?"}
    message = chat([question], tools=[WEATHER_TOOL])["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "17 degrees"}
    assert said([question, message, result], tools=[WEATHER_TOOL]) == "The tool says: 17 degrees"


def test_a_stream_says_what_a_plain_answer_says(lab: httpx.Client, chat: Chat) -> None:
    options = {"n": 2, "stream": True, "stream_options": {"include_usage": True}}
    reply = lab.post("/v1/chat/completions", json=request("Count to 20", **options))
    chunks = chunks_of(reply)
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == 1]
    plain = chat("Count to 20", n=2)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert sse.parse(reply.content)[-1].is_done
    assert (
        "".join(choice["delta"].get("content", "") for choice in choices) == plain["choices"][1]["message"]["content"]
    )
    assert [choice["finish_reason"] for choice in choices][-2:] == [None, "stop"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [chunk["usage"] for chunk in chunks] == [None] * (len(chunks) - 1) + [plain["usage"]]
    assert chunks[-1]["choices"] == []


def test_a_stream_counts_nothing_unasked(lab: httpx.Client) -> None:
    chunks = chunks_of(lab.post("/v1/chat/completions", json=request("Reply only OK", stream=True)))
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_streamed_calls_come_in_pieces(lab: httpx.Client) -> None:
    body = request("Use get_weather for Lisbon and Porto", stream=True, tools=[WEATHER_TOOL])
    chunks = chunks_of(lab.post("/v1/chat/completions", json=body))
    pieces = [piece for chunk in chunks for piece in chunk["choices"][0]["delta"].get("tool_calls", [])]
    second = [piece["function"]["arguments"] for piece in pieces if piece["index"] == 1]
    assert len(second) > 3
    assert json.loads("".join(second)) == {"city": "Porto"}
    assert len({piece["id"] for piece in pieces if "id" in piece}) == 2
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_embeddings_of_a_batch_are_those_of_its_texts(lab: httpx.Client) -> None:
    body = {"model": "text-embedding-3-small", "input": ["an otter", "a heron"], "dimensions": 64}
    batch = lab.post("/v1/embeddings", json=body).json()
    packed = lab.post("/v1/embeddings", json={**body, "input": "a heron", "encoding_format": "base64"}).json()
    numbers = struct.unpack("<64f", base64.b64decode(packed["data"][0]["embedding"]))
    assert [item["index"] for item in batch["data"]] == [0, 1]
    assert numbers == pytest.approx(batch["data"][1]["embedding"], abs=1e-6)
    assert math.hypot(*numbers) == pytest.approx(1, abs=1e-6)
    assert batch["usage"]["prompt_tokens"] == batch["usage"]["total_tokens"] > 0


def test_a_vector_is_as_long_as_its_model_s(lab: httpx.Client) -> None:
    reply = lab.post("/v1/embeddings", json={"model": "text-embedding-3-large", "input": "an otter"}).json()
    assert len(reply["data"][0]["embedding"]) == 3072


@pytest.mark.parametrize("dimensions", [256, 1536])
def test_near_texts_are_nearer(dimensions: int) -> None:
    asked, near, far = (
        embedded(text, "m", 1536, dimensions)
        for text in ("When do herons fish?", "Herons fish at dawn.", "The invoice is due in March.")
    )
    closeness = [sum(a * b for a, b in zip(asked, other, strict=True)) for other in (near, far)]
    assert closeness[0] > closeness[1] + 0.2


# --- Anthropic and Gemini --------------------------------------------------------------------------

CLAUDE = "claude-sonnet-4-6"
GEMINI = "/v1beta/models/gemini-3-pro-preview"


def message(prompt: str, **options: Any) -> dict[str, Any]:
    """The body of an Anthropic message."""
    return {"model": CLAUDE, "max_tokens": 99, "messages": [{"role": "user", "content": prompt}], **options}


def test_anthropic_answers_with_blocks(lab: httpx.Client) -> None:
    answer = lab.post("/v1/messages", json=message("Count to 60", stop_sequences=[" 4"], system="Be kind")).json()
    assert answer["content"] == [{"type": "text", "text": "1 2 3"}]
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", " 4")
    assert answer["usage"]["output_tokens"] == 3


def test_anthropic_calls_tools_and_hears_of_their_results(lab: httpx.Client) -> None:
    function = WEATHER_TOOL["function"]
    tools = {"tools": [{"name": "get_weather", "input_schema": function["parameters"]}]}  # type: ignore[index]
    asked = message("What is the weather in Porto?", **tools)
    answer = lab.post("/v1/messages", json=asked).json()
    use = answer["content"][-1]
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "17 degrees"}
    turns = [
        *asked["messages"],
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [result]},
    ]
    told = lab.post("/v1/messages", json={**asked, "messages": turns}).json()
    assert (answer["stop_reason"], use["name"], use["input"]) == ("tool_use", "get_weather", {"city": "Porto"})
    assert told["content"] == [{"type": "text", "text": "The tool says: 17 degrees"}]


def test_anthropic_streams_named_events(lab: httpx.Client) -> None:
    reply = lab.post("/v1/messages", json=message("Count to 9", stream=True))
    events = sse.parse(reply.content)
    deltas = [event.json()["delta"]["text"] for event in events if event.name == "content_block_delta"]
    assert events[0].name == "message_start"
    assert [event.name for event in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    assert "".join(deltas) == "1 2 3 4 5 6 7 8 9"
    assert events[-2].json()["delta"]["stop_reason"] == "end_turn"


def contents(prompt: str, **options: Any) -> dict[str, Any]:
    """The body of a Gemini request."""
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **options}


def test_gemini_answers_with_candidates(lab: httpx.Client) -> None:
    config = {"generationConfig": {"maxOutputTokens": 3}}
    answer = lab.post(f"{GEMINI}:generateContent", json=contents("Count to 60", **config)).json()
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "1 2 3"}]
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    counts = answer["usageMetadata"]
    assert counts["totalTokenCount"] == counts["promptTokenCount"] + counts["candidatesTokenCount"]


def test_gemini_calls_tools_and_hears_of_their_results(lab: httpx.Client) -> None:
    tools = {"tools": [{"functionDeclarations": [WEATHER_TOOL["function"]]}]}
    asked = contents("What is the weather in Porto?", **tools)
    answer = lab.post(f"{GEMINI}:generateContent", json=asked).json()
    call = answer["candidates"][0]["content"]
    result = {"functionResponse": {"name": "get_weather", "response": {"content": "17 degrees"}}}
    turns = [*asked["contents"], call, {"role": "user", "parts": [result]}]
    told = lab.post(f"{GEMINI}:generateContent", json={**asked, "contents": turns}).json()
    assert call["parts"] == [{"functionCall": {"name": "get_weather", "args": {"city": "Porto"}}}]
    assert told["candidates"][0]["content"]["parts"] == [{"text": "The tool says: 17 degrees"}]


def test_gemini_streams_events_or_a_list(lab: httpx.Client) -> None:
    events = chunks_of(lab.post(f"{GEMINI}:streamGenerateContent?alt=sse", json=contents("Count to 9")))
    listed = lab.post(f"{GEMINI}:streamGenerateContent", json=contents("Count to 9")).json()
    texts = ["".join(each["candidates"][0]["content"]["parts"][0]["text"] for each in all) for all in (events, listed)]
    assert texts == ["1 2 3 4 5 6 7 8 9"] * 2
    assert len(events) > 1
    assert [each["candidates"][0].get("finishReason") for each in events] == [None] * (len(events) - 1) + ["STOP"]


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key"])
def test_each_format_s_key_header_is_good(stranger: httpx.Client, settings: dict[str, str], header: str) -> None:
    reply = stranger.get("/v1/models", headers={header: settings["CRAZYROUTER_API_KEY"]})
    assert reply.status_code == 200


MEMBERS = (
    *("messages", "role", "content", "type", "text", "tools", "function", "name", "parameters", "properties", "items"),
    *("tool_choice", "tool_calls", "stop", "n", "max_tokens", "stream", "stream_options", "response_format", "enum"),
    *("json_schema", "schema", "$ref", "anyOf", "minItems", "minimum", "temperature", "top_p", "presence_penalty"),
    *("input", "dimensions", "encoding_format", "system", "stop_sequences", "input_schema", "contents", "parts"),
    *("generationConfig", "stopSequences", "maxOutputTokens", "responseMimeType", "responseSchema", "toolConfig"),
    *("functionCallingConfig", "mode", "allowedFunctionNames", "functionDeclarations", "functionResponse", "response"),
)
BASES = (
    (lambda body: openai.chat(body, "id"), request("Use get_weather", tools=[WEATHER_TOOL])),
    (lambda body: openai.chat(body, "id"), request("Reply only OK", stream=True)),
    (openai.embeddings, {"model": "text-embedding-3-small", "input": "an otter"}),
    (lambda body: anthropic.messages(body, "id"), message("Reply only OK", stream=True)),
    (lambda body: gemini.generate(body, "gemini-3-pro-preview:generateContent", "id", as_events=False), contents("Hi")),
)


def status_of(ask: Callable[[], object]) -> int:
    """The status of what is answered or refused; any other error is raised."""
    try:
        ask()
    except Refusal as refusal:
        return refusal.status
    return 200


# --- refusals --------------------------------------------------------------------------------------

ENDPOINTS = ["/v1/chat/completions", "/v1/embeddings", "/v1/messages", f"{GEMINI}:generateContent"]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sk-nobody-s-key"}])
def test_a_missing_and_an_unknown_key_are_401(stranger: httpx.Client, path: str, headers: dict[str, str]) -> None:
    reply = stranger.post(path, json={}, headers=headers)
    assert reply.status_code == 401
    assert reply.json()["error"]["message"]
    assert "nobody" not in reply.text


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("body", ["", '{"model":"gp', "[]", "\xff", "[" * 100_000])
def test_an_unreadable_body_is_400(lab: httpx.Client, path: str, body: str) -> None:
    reply = lab.post(path, content=body.encode("latin-1"))
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", request([])),
        ("/v1/chat/completions", request([{"role": "king", "content": "Hear me"}])),
        ("/v1/chat/completions", request([{"role": "tool", "content": "17 degrees"}])),
        ("/v1/chat/completions", request("Reply only OK", max_tokens="9")),
        ("/v1/chat/completions", request("Reply only OK", n=0)),
        ("/v1/chat/completions", request("Reply only OK", tool_choice="auto")),
        ("/v1/chat/completions", request("Reply only OK", stream_options={"include_usage": True})),
        ("/v1/chat/completions", request("Reply only OK", response_format={"type": "json_object"})),
        ("/v1/chat/completions", {"messages": []}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": []}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": ["an otter", ""]}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "an otter", "dimensions": 9999}),
        ("/v1/messages", message("Reply only OK", messages=[])),
        ("/v1/messages", message("Reply only OK", max_tokens=None)),
        ("/v1/messages", message("Reply only OK", temperature=0.7, top_p=0.9)),
        (f"{GEMINI}:generateContent", {"contents": []}),
        (f"{GEMINI}:generateContent", contents("Reply only OK", generationConfig={"temperature": 5})),
    ],
)
def test_a_wrong_request_is_400(lab: httpx.Client, path: str, body: dict[str, Any]) -> None:
    reply = lab.post(path, json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize("model", sorted(name for name, model in served().items() if not model.dimensions))
def test_a_parameter_is_refused_where_the_profile_says_so(lab: httpx.Client, model: str) -> None:
    tried = {"stop": [" 7"], "presence_penalty": 0.5, "frequency_penalty": 0.5, "temperature": 0.2, "seed": 7}
    refused = {
        name
        for name, value in tried.items()
        if lab.post("/v1/chat/completions", json=request("Count to 9", model=model, **{name: value})).status_code == 400
    }
    assert refused == {name for name, effect in served()[model].parameters.items() if effect == "refused"}


@pytest.mark.parametrize("model", sorted(name for name, model in served().items() if not model.dimensions))
def test_breaking_parameters_break(lab: httpx.Client, model: str) -> None:
    body = request("Reply only OK", model=model, **served()[model].breaking)
    assert lab.post("/v1/chat/completions", json=body).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", request("Reply only OK", model="no-such-model")),
        ("/v1/chat/completions", request("Reply only OK", model="text-embedding-3-small")),
        ("/v1/embeddings", {"model": "gpt-5.4", "input": "an otter"}),
        ("/v1/messages", message("Reply only OK", model="no-such-model")),
        ("/v1beta/models/no-such-model:generateContent", contents("Reply only OK")),
        (f"{GEMINI}:noSuchMethod", contents("Reply only OK")),
        ("/v1/no-such-endpoint", {}),
        ("/v1/chat/completions/chat/completions", {}),
        ("/", {}),
    ],
)
def test_an_unknown_model_and_an_unknown_path_are_404(lab: httpx.Client, path: str, body: dict[str, Any]) -> None:
    reply = lab.post(path, json=body)
    assert reply.status_code == 404
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", f"{GEMINI}:generateContent"])
def test_a_wrong_method_is_405(lab: httpx.Client, path: str) -> None:
    reply = lab.get(path)
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert reply.json()["error"]["message"]


def test_every_answer_has_an_id_of_its_own(lab: httpx.Client, stranger: httpx.Client) -> None:
    replies = [lab.get("/v1/models"), lab.get("/nowhere"), lab.put("/v1/models"), stranger.post("/v1/messages")]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(ids)) == 4
    assert ids == [reply.headers["x-oneapi-request-id"] for reply in replies]


SHAPELESS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=12,
)
"""JSON of any shape whose members have names that the formats know."""


@hypothesis.settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is none of its business
@given(members=st.dictionaries(st.sampled_from(MEMBERS), SHAPELESS), base=st.sampled_from(BASES))
def test_whatever_is_asked_is_answered_or_refused(members: dict[str, Any], base: Any) -> None:
    answer, body = base
    assert status_of(lambda: answer({**body, **members})) in (200, 400, 404)


# --- misbehaviour ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_it_refuses_with_the_status_of_a_marker(lab: httpx.Client, path: str) -> None:
    reply = lab.post(path, json=message("Reply only OK [[err:429]]", stream=True))
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
    assert reply.json()["error"]["type"] == "rate_limit_error"


def test_it_answers_with_a_web_page(lab: httpx.Client) -> None:
    reply = lab.post("/v1/chat/completions", json=request("[[err:html]]"))
    assert (reply.status_code, reply.headers["content-type"]) == (502, "text/html; charset=utf-8")


@pytest.mark.parametrize(("stream", "last", "missing"), [(False, b"12", b"usage"), (True, b" 25", b"[DONE]")])
def test_it_cuts_an_answer_in_the_middle(lab: httpx.Client, stream: bool, last: bytes, missing: bytes) -> None:
    got: list[bytes] = []
    body = request("Count to 60 [[cut]]", stream=stream)
    with lab.stream("POST", "/v1/chat/completions", json=body) as reply, pytest.raises(httpx.RemoteProtocolError):
        got.extend(reply.iter_bytes())
    assert reply.status_code == 200
    assert last in b"".join(got)
    assert missing not in b"".join(got)


def test_it_is_slow(lab: httpx.Client) -> None:
    start = time.monotonic()
    assert lab.post("/v1/chat/completions", json=request("Reply only OK [[slow:0.5]]")).status_code == 200
    assert time.monotonic() - start >= 0.5


def test_an_endless_stream_goes_on_until_one_leaves(lab: httpx.Client) -> None:
    body = request("Count to 3 [[endless]]", stream=True)
    with lab.stream("POST", "/v1/chat/completions", json=body) as reply:
        pieces = reply.iter_bytes()
        got = [next(pieces) for _ in range(20)]
    assert len(b"".join(got)) > 1000
    assert lab.get("/v1/models").status_code == 200


def test_a_body_drips_byte_by_byte(lab: httpx.Client) -> None:
    body = request("Reply only OK [[drip:0.001]]", stream=True)
    with lab.stream("POST", "/v1/chat/completions", json=body) as reply:
        pieces = list(reply.iter_bytes())
    assert len(pieces) > 100
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


def test_a_header_drips_byte_by_byte(lab: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        lab.post("/v1/chat/completions", json=request("Reply only OK [[drip-head:1]]"), timeout=0.5)
    slow = lab.post("/v1/chat/completions", json=request("Reply only OK [[drip-head:0.001]]"))
    assert slow.json()["choices"][0]["message"]["content"] == "OK"


def test_every_answer_may_be_delayed() -> None:
    with started("--delay=0.3") as printed, client_of(settings_in(printed)) as client:
        start = time.monotonic()
        client.get("/v1/models")
        assert time.monotonic() - start >= 0.3


def test_a_port_in_use_is_said_in_one_line(settings: dict[str, str]) -> None:
    port = settings["CRAZYROUTER_BASE_URL"].removesuffix("/v1").rpartition(":")[2]
    with started(f"--port={port}") as printed:
        assert re.fullmatch(rf"nothing can listen at port {port}: [^\n]+; choose another --port\n", printed)


# --- the suite on the lab --------------------------------------------------------------------------


def test_the_vendor_audit_holds_on_the_lab(suite: Suite, settings: dict[str, str]) -> None:
    run = suite("--pair=live", "--profile=gpt-5.4", "suites/gateway", env=settings)
    assert "acted gpt-5.4/short_chat: done in" in run.output, "who waits is told, without workers too"
    outcomes: dict[str, set[str]] = {}
    for (_, check, _), outcome in run.verdicts.items():
        outcomes.setdefault(outcome, set()).add(check)
    assert outcomes.pop("unverified") == GATEWAY_ONLY, run.output
    assert outcomes.keys() == {"pass"}, run.output
    assert len(outcomes["pass"]) > 30


def test_the_printed_commands_record_a_step_and_judge_it_again(
    suite: Suite, printed: str, settings: dict[str, str], tmp_path: Path
) -> None:
    commands = re.findall(r"^\S*pytest (--pair.+)$", printed, re.MULTILINE)
    record, again = (shlex.split(each.replace("./scratch", f"{tmp_path}/scratch")) for each in commands)
    recorded, judged = suite(*record, env=settings), suite(*again)
    manifest = read_manifest(tmp_path / "scratch")
    assert recorded.exit_code == 0, recorded.output
    assert judged.exit_code == 0, judged.output
    assert manifest.provenance["lab"] is True
    assert list(manifest.digests) == ["gpt-5.4/long_chat.yaml"]
    assert settings["CRAZYROUTER_API_KEY"] not in (tmp_path / "scratch" / "gpt-5.4" / "long_chat.yaml").read_text()


@pytest.fixture
def lab_manifest() -> Manifest:
    """The manifest of a run that the lab answered."""
    provenance = yaml.safe_load((ROOT / "fixtures" / "lab" / "provenance.yaml").read_text("utf-8"))
    known = read_manifest(recording.recording_folder(recording.DEFAULT_RECORDING))
    return replace(known, provenance=provenance, digests={})


@pytest.mark.parametrize("name", ["lab", recording.DEFAULT_RECORDING])
def test_a_lab_s_answers_are_none_of_the_project_s_recordings(
    lab_manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(recording, "RECORDINGS", tmp_path / "recordings")
    with pytest.raises(TapeError, match=rf"not published: a lab vendor answered, so {re.escape(name)} cannot"):
        publish(tmp_path, tmp_path / "elsewhere" / ".." / "recordings" / name, lab_manifest)
    assert not (tmp_path / "recordings").exists()


def test_a_lab_s_answers_are_a_recording_of_one_s_own(lab_manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    publish(tmp_path / "evidence", tmp_path / "scratch", lab_manifest)
    assert read_manifest(tmp_path / "scratch").provenance["lab"] is True
