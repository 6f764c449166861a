"""What is wrong with an answer although it calls itself one: each flaw by its name, with what was seen of it."""

from __future__ import annotations

import json
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from fixtures.judging.flaws import flaws_of
from fixtures.model.exchange import Breakdown, Exchange
from fixtures.model.guide import guide
from fixtures.steps.gateway.chat import COUNTING
from fixtures.steps.gateway.conversations import ASKED, CODE_WORD, INSTRUCTIONS, TOLD
from fixtures.steps.gateway.tools import WEATHER, WEATHER_TOOL
from suites.selftest.stories import (
    CHAT,
    ECHO,
    EVENTS,
    NOW,
    QUESTION,
    STREAMED,
    USAGE,
    WORDS,
    asked,
    choice,
    chunk,
    completion,
    echoed,
    plain,
    streamed,
)

pytestmark = pytest.mark.selftest


def flaws(exchange: Exchange) -> dict[str, str]:
    """The flaws of an answer, each with what was seen of it."""
    return {flaw.name: flaw.seen for flaw in flaws_of(exchange)}


def of_dify(path: str, answer: Any, **more: Any) -> Exchange:
    """An answer of Dify's."""
    return asked(path, 200, answer, side="dify", **more)


def raw(lines: str, kind: str = "text/event-stream") -> Exchange:
    """A stream of these bytes."""
    return asked(CHAT, 200, lines, body=STREAMED, type=kind)


def spoken(text: str, messages: list[dict[str, Any]], finish: str = "stop", **more: Any) -> Exchange:
    """A plain answer of this text to these messages; `more` is asked besides."""
    answer = completion(choices=choice(message={"role": "assistant", "content": text}, finish_reason=finish))
    return asked(CHAT, 200, answer, body={**QUESTION, "messages": messages, **more})


def said(text: str) -> list[dict[str, Any]]:
    """What a user says."""
    return [{"role": "user", "content": text}]


# --- what is no answer of an API's, and what is kept by a cache ---------------------------------------


def test_only_an_answer_of_status_200_that_is_no_web_page_is_read() -> None:
    empty = {"object": "list", "data": []}
    assert set(flaws(asked("/v1/models", 200, empty))) == {"no models"}
    assert flaws(asked("/v1/models", 201, empty)) == {}
    assert flaws(asked("/v1/models", 200, "<html></html>")) == {}
    lost = replace(asked("/v1/models", 200, empty), response=None, breakdown=Breakdown("timeout", "timed out"))
    assert flaws(lost) == {}


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (asked(CHAT, 200, [1], body=[1]), {"no API": "an answer without an API's content: [1]"}),
        (asked(CHAT, 200, {"odd": 1}, body=[1]), {}),
        (asked(CHAT, 200, {"odd": 1}, body=QUESTION), {"no API": 'an answer without an API\'s content: {"odd": 1}'}),
        (raw('{"odd": 1}', "application/json"), {"no API": 'an answer without an API\'s content: {"odd": 1}'}),
        (asked("/v1/other", 200, ""), {"no API": "an answer without an API's content: nothing"}),
        (asked("/v1/other", 200, {}), {}),
        (asked("/v1/other/data", 200, {"data": []}), {}),
        (asked("/api/token/batch/keys", 200, {"data": {"keys": {}}}, body={}),
         {"keys not told": "the gateway masks the keys of tokens and does not tell them"}),
        (asked("/api/token/batch/keys", 200, {"data": {"keys": {"1": "k"}}}, body={}), {}),
        (asked("/api/token/", 200, {"data": {"keys": {}}}), {}),
        (of_dify("/console/api/apps", {}), {"not Dify's API": "this does not answer as Dify's API does: {}"}),
        (of_dify("/console/api/apps", "hello"), {"not Dify's API": "this does not answer as Dify's API does: hello"}),
        (of_dify("/console/api/apps", {"data": []}), {}),
        (of_dify("/console/api/model-providers", {"data": []}), {"no provider": "Dify lists no model provider at all"}),
        (of_dify("/console/api/model-providers", {"data": [{}]}), {}),
        (of_dify("/v1/datasets/1", {"embedding_available": False}),
         {"embedding model unusable": "Dify says that the knowledge base cannot use its embedding model"}),
        (of_dify("/v1/datasets/1", {"embedding_available": True}), {}),
        (of_dify("/v1/datasets/1/documents", {"embedding_available": False}), {}),
        (of_dify("/v1/datasets/1/retrieve", {"records": []}),
         {"retrieval finds nothing": "the knowledge base gives no passage for a question about its document"}),
        (of_dify("/v1/datasets/1/retrieve", {"records": [{}]}), {}),
        (of_dify("/v1/datasets/1/x/indexing-status", {"data": [{"indexing_status": "splitting"}]}),
         {"indexing does not end": "indexing is still 'splitting' after the time that it is given"}),
        (of_dify("/v1/datasets/1/x/indexing-status", {"data": [{"indexing_status": "completed"}]}), {}),
        (of_dify("/v1/datasets/1/x/indexing-status", {"data": [{"indexing_status": "error"}]}), {}),
    ],
)  # fmt: skip
def test_an_answer_that_has_not_what_it_was_asked_for_is_named(exchange: Exchange, expected: dict[str, str]) -> None:
    assert flaws(exchange) == expected


NO_ROW = {"success": True, "data": {"items": []}}


def log(answer: Any = NO_ROW, **more: Any) -> Exchange:
    """An answer of the log at NOW."""
    return replace(asked("/api/log/self", 200, answer, **more), elapsed=0.0)


@pytest.mark.parametrize("answer", [NO_ROW, {"success": True, "data": []}])
def test_a_log_without_a_row_is_named(answer: Any) -> None:
    assert flaws(log(answer)) == {"no log row": "no row"}


@pytest.mark.parametrize("answer", [{"data": {"items": [{"id": 1}]}}, {"data": [{"id": 1}]}, {"data": {}}])
def test_a_log_with_rows_is_well(answer: Any) -> None:
    assert flaws(log(answer)) == {}


@pytest.mark.parametrize(
    ("seconds", "seen"),
    [
        (-61, "the gateway's clock is 61 s behind, so its rows are not at the time of the request"),
        (61, "the gateway's clock is 61 s ahead, so its rows are not at the time of the request"),
    ],
)
def test_a_clock_that_is_off_by_more_than_a_minute_explains_a_log_without_a_row(seconds: int, seen: str) -> None:
    assert flaws(log(headers=(("Date", formatdate(NOW + seconds, usegmt=True)),))) == {"clock off": seen}


@pytest.mark.parametrize("date", [formatdate(NOW - 60, usegmt=True), formatdate(NOW + 60, usegmt=True), "today", ""])
def test_a_clock_that_is_off_by_less_or_not_told_explains_nothing(date: str) -> None:
    assert set(flaws(log(headers=(("Date", date),)))) == {"no log row"}


@pytest.mark.parametrize(
    "header",
    [("X-Cache", "HIT"), ("cf-cache-status", "hit"), ("X-CACHE", "Hit from edge"), ("Age", "100"), ("age", "7")],
)
def test_what_is_asked_with_a_key_must_not_come_from_a_cache(header: tuple[str, str]) -> None:
    listed = asked("/v1/models", 200, {"object": "list", "data": [{"id": "m"}]}, headers=(header,))
    seen = f"is answered from a cache ({header[0]}: {header[1]})"
    assert flaws(listed) == {"answer from a cache": f"what is asked with a key {seen}"}
    with_cookie = replace(listed, request=replace(listed.request, headers=(("Cookie", "c"),)))
    assert flaws(with_cookie) == {"answer from a cache": f"what is asked with a key {seen}"}
    assert flaws(replace(listed, request=replace(listed.request, headers=()))) == {}
    post = asked(CHAT, 200, completion(), body=QUESTION, headers=(header,))
    assert flaws(post) == {"answer from a cache": f"a POST {seen}"}
    assert flaws(log(headers=(header,))) == {"answer from a cache": f"the log {seen}"}


@pytest.mark.parametrize(
    "header",
    [("X-Cache", "MISS"), ("X-Cache", "white"), ("X-Other", "HIT"), ("Age", "0"), ("Age", "00"), ("Age", "old")],
)
def test_what_a_cache_did_not_answer_is_well(header: tuple[str, str]) -> None:
    assert flaws(asked(CHAT, 200, completion(), body=QUESTION, headers=(header,))) == {}


HIT = (("X-Cache", "HIT"), ("Age", "9"), ("Date", formatdate(NOW - 900, usegmt=True)))


@pytest.mark.parametrize(
    "exchange",
    [
        asked(CHAT, 200, completion(choices=choice(message={"content": "No"})), body=QUESTION, headers=HIT),
        of_dify("/v1/chat-messages", {"message_id": "m", "answer": "No"}, body={"query": ECHO}, headers=HIT),
        log(headers=HIT),
        of_dify("/v1/x/indexing-status", {"data": [{"indexing_status": "splitting"}]}, headers=HIT),
    ],
)
def test_what_a_cache_answers_wrongly_is_the_cache_s(exchange: Exchange) -> None:
    found = flaws(exchange)
    assert set(found) == {"answer from a cache"}
    assert found["answer from a cache"].endswith("is answered from a cache (X-Cache: HIT, Age: 9)")


def test_a_byte_order_mark_is_named_and_not_what_it_breaks() -> None:
    seen = "a byte order mark stands before the body, which JSON does not allow (RFC 8259, 8.1)"
    for path in ("/v1/models", "/v1/embeddings", "/v1/other"):
        assert flaws(asked(path, 200, "\ufeff{}")) == {"byte order mark": seen}


# --- chat completions: how they come ------------------------------------------------------------------


def test_answers_that_are_well_have_no_flaws() -> None:
    for exchange in (
        plain(),
        plain(model="gpt-5.4-2026-01-01"),
        streamed(EVENTS),
        echoed(WORDS),
        echoed(["".join(WORDS[:3]), "".join(WORDS[3:])]),
        asked(CHAT, 200, completion(), body=QUESTION, headers=(("Content-Encoding", "identity"),)),
        streamed([*EVENTS[:3], "[DONE]"], body={**QUESTION, "stream": True}),
        streamed([EVENTS[0], json.dumps({"id": "other", "object": "ping"}), *EVENTS[1:]]),
        streamed([*EVENTS[:3], chunk({"role": "assistant"}), *EVENTS[3:]]),
        streamed([chunk({"role": "assistant", "content": "OK"}, "stop"), "[DONE]"], body={**QUESTION, "stream": True}),
    ):
        assert flaws(exchange) == {}, exchange.text


def test_several_choices_are_not_read() -> None:
    silent = completion(choices=choice(message={"content": None}, finish_reason=None))
    assert flaws(asked(CHAT, 200, silent, body={**QUESTION, "n": 2})) == {}
    assert set(flaws(asked(CHAT, 200, silent, body={**QUESTION, "n": 1}))) == {"content null", "finish_reason missing"}


WITH_ERROR = "".join(f"data: {each}\n\n" for each in EVENTS[:2]) + '{"error": "down"}\n\n'
WITH_TEXT = "hello\n\n" + "".join(f"data: {each}\n\n" for each in EVENTS)
WITH_CR = "".join(f"data: {each}\r\n\r\n" for each in EVENTS)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (asked(CHAT, 200, completion(), body=QUESTION, headers=(("Content-Encoding", "br"),)),
         {"compressed unasked": "Content-Encoding br where identity was asked for"}),
        (replace(plain(), request=streamed(EVENTS).request),
         {"no stream": "stream was asked for, and a plain answer came"}),
        (streamed(EVENTS, "application/json"), {"wrong content type": "a stream of type application/json"}),
        (streamed(EVENTS, ""), {"wrong content type": "a stream of type none"}),
        (asked(CHAT, 200, completion(), body=QUESTION, type="text/plain"),
         {"wrong content type": "a plain answer of type text/plain"}),
        (asked(CHAT, 200, completion(), body=QUESTION, type=""), {"wrong content type": "a plain answer of type none"}),
        (asked(CHAT, 200, ' {"id": 1,', body=QUESTION),
         {"broken JSON": 'JSON that breaks off after 10 bytes: {"id": 1,'}),
        (asked(CHAT, 200, "hello", body=QUESTION), {"broken JSON": "no JSON after 5 bytes: hello"}),
        (plain(error={"message": "down"}, choices=[], usage=None),
         {"error inside 200": "an error inside a 200: down"}),
        (plain(error="down"), {"error inside 200": "an error inside a 200: down"}),
        (streamed([json.dumps({"error": {"message": "down"}}), "[DONE]"]),
         {"error inside 200": "an error inside a 200: down"}),
        (streamed(EVENTS[:2]),
         {"truncated answer": "the stream ends after 2 chunks, without finish_reason and [DONE]"}),
        (raw(WITH_CR), {"CR in a stream": "lines of a stream end in CR, which Dify's plugin cannot read"}),
        (streamed(EVENTS[:-1]), {"[DONE] missing": "a stream of 4 events ends without [DONE]"}),
        (streamed([*EVENTS, "[DONE]"]), {"[DONE] doubled": "[DONE] stands at [5, 6] of 6 events"}),
        (streamed([*EVENTS[:3], "[DONE]", USAGE]), {"events after [DONE]": "[DONE] is event 4 of 5"}),
        (streamed([*EVENTS[:3], "[DONE]", USAGE.replace('"id": "c"', '"id": "d"')]),
         {"events after [DONE]": "[DONE] is event 4 of 5"}),
        (streamed([EVENTS[0], "{cut", *EVENTS[1:]]), {"broken JSON": "a data line that is no JSON: {cut"}),
        (streamed([EVENTS[0], "[1]", *EVENTS[1:]]), {"broken JSON": "a data line that is no JSON: [1]"}),
        (raw(WITH_ERROR),
         {"error inside 200": 'an error stands in the stream, outside its events: {"error": "down"}'}),
        (raw(WITH_TEXT), {"bytes outside events": "a line outside the stream's events: hello"}),
        (streamed([EVENTS[0], EVENTS[1].replace('"id": "c"', '"id": "d"'), *EVENTS[2:]]),
         {"chunk ids differ": "the chunks of one stream have the ids ['c', 'd']"}),
        (streamed([chunk({"role": "assistant"}, id=f"{n}") for n in range(5)] + EVENTS[1:]),
         {"chunk ids differ": "the chunks of one stream have the ids ['0', '1', '2']"}),
        (streamed([chunk({"content": "OK"}), *EVENTS[2:]]), {"no role": "the first delta has the role None"}),
        (streamed([chunk({"role": "user", "content": "OK"}), *EVENTS[2:]]),
         {"no role": "the first delta has the role 'user'"}),
    ],
)  # fmt: skip
def test_a_fault_of_how_an_answer_comes_is_named(exchange: Exchange, expected: dict[str, str]) -> None:
    assert flaws(exchange) == expected


# --- chat completions: what they hold -----------------------------------------------------------------

ENVELOPE = "the envelope is not the reference's: "


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (asked(CHAT, 200, {"choices": []}, body=QUESTION),
         {"no choices": 'a 200 without choices: {"choices": []}'}),
        (asked(CHAT, 200, {"object": "x"}, body=QUESTION), {"no choices": 'a 200 without choices: {"object": "x"}'}),
        (asked(CHAT, 200, {"data": []}, body=QUESTION), {"no choices": 'a 200 without choices: {"data": []}'}),
        (asked(CHAT, 200, {"error": "down"}, body=QUESTION), {"error inside 200": "an error inside a 200: down"}),
        (plain(object="x"), {"envelope incomplete": f"{ENVELOPE}object is 'x'"}),
        (plain(object="chat.completion.chunk"),
         {"envelope incomplete": f"{ENVELOPE}object is 'chat.completion.chunk'"}),
        (plain(id="", created="now"), {"envelope incomplete": f"{ENVELOPE}id is '', created is 'now'"}),
        (plain(id=7), {"envelope incomplete": f"{ENVELOPE}id is 7"}),
        (streamed([chunk({"role": "assistant"}, object="chat.completion"), *EVENTS[1:]]),
         {"envelope incomplete": f"{ENVELOPE}object is 'chat.completion'"}),
        (streamed([chunk({}, choices=[]), chunk({"content": "OK"}), *EVENTS[2:]]),
         {"envelope incomplete": f"{ENVELOPE}the first chunk has no choices"}),
        (streamed([each.replace('"id": "c"', '"id": ""') for each in EVENTS]),
         {"envelope incomplete": f"{ENVELOPE}id is ''"}),
        (plain(model=""), {"model not named": "the answer does not say which model gave it"}),
        (plain(model="gpt-4o"), {"other model": "gpt-5.4 was asked for, and the answer is of gpt-4o"}),
        (plain(choices=choice(message={"content": [{"type": "text", "text": "OK"}]})),
         {"content in parts": "the answer's content is a list of parts, not a text"}),
        (plain(choices=choice(message={"content": None})), {"content null": "the answer's content is null"}),
        (plain(choices=choice(message={"content": " "})), {"empty answer": "the answer's content is empty"}),
        (streamed([EVENTS[0], *EVENTS[2:]]), {"empty answer": "the answer's content is empty"}),
        (plain(choices=choice(message={"content": "<THINK>hm</THINK> OK"})),
         {"thinking in content": "the model's thinking stands in the answer: <THINK>hm</THINK> OK"}),
        (plain(choices=choice(finish_reason=None)),
         {"finish_reason missing": "the answer does not say why it ended"}),
        (plain(choices=choice(finish_reason="length")),
         {"finish_reason wrong": "finish_reason is 'length' where 'stop' is due"}),
        (plain(choices=choice(finish_reason="other", message={"content": "No"})),
         {"other answer": "asked 'Reply only OK', it answered 'No'",
          "finish_reason wrong": "finish_reason is 'other' where 'stop' is due"}),
        (streamed([*EVENTS[:3], EVENTS[2], *EVENTS[3:]]),
         {"finish_reason doubled": "a stream says finish_reason 2 times"}),
        (streamed([EVENTS[0], EVENTS[2], EVENTS[1], *EVENTS[3:]]),
         {"finish_reason early": "a stream says finish_reason before its text ends"}),
        (plain(usage=None), {"usage absent": "no usage"}),
        (streamed([*EVENTS[:3], "[DONE]"]), {"usage absent": "the stream was asked for its usage and sends none"}),
        (streamed([*EVENTS[:3], USAGE, USAGE, "[DONE]"]),
         {"usage in several chunks": "2 chunks of a stream carry a usage"}),
        (streamed([*EVENTS[:2], chunk({}, "stop", usage=completion()["usage"]), "[DONE]"]),
         {"usage beside choices": "usage comes in a chunk that has choices"}),
        (plain(usage={"prompt_tokens": 9, "completion_tokens": 1}),
         {"usage no numbers": "a count of the usage is absent or no integer: prompt 9, completion 1, total -1"}),
        (plain(usage={"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 99}),
         {"usage does not add up": "prompt 9, completion 1, total 99"}),
    ],
)  # fmt: skip
def test_a_fault_of_what_an_answer_holds_is_named(exchange: Exchange, expected: dict[str, str]) -> None:
    assert flaws(exchange) == expected


PROMPT = guide().edition.prompt
BEFORE = [{"role": "user", "content": TOLD}, {"role": "assistant", "content": "OK"}, *said(ASKED)]
INSTRUCTED = [{"role": "system", "content": INSTRUCTIONS}, *said("Good morning")]
TOOL_SAID = [
    *said("Use it"),
    {"role": "assistant", "content": None, "tool_calls": []},
    {"role": "tool", "tool_call_id": "1", "content": WEATHER},
]
TO_SIXTEEN = " ".join(map(str, range(1, 17)))
WRONG_FINISH = "finish_reason is 'stop' where 'length' is due"


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (spoken("ok!", said(PROMPT)), {}),
        (spoken("anything", said("Say something")), {}),
        (spoken("anything", []), {}),
        (spoken("anything", [{"role": "user", "content": [{"type": "text", "text": ECHO}]}]), {}),
        (spoken(f"It is {CODE_WORD}.", BEFORE), {}),
        (spoken("No", [*said("Listen"), *BEFORE]),
         {"other answer": f"asked {ASKED!r}, told 'Listen' before, told {TOLD!r} before, it answered 'No'"}),
        (spoken("No", BEFORE), {"other answer": f"asked {ASKED!r}, told {TOLD!r} before, it answered 'No'"}),
        (spoken(CODE_WORD, INSTRUCTED), {}),
        (spoken("No", INSTRUCTED),
         {"other answer": f"asked 'Good morning', told {INSTRUCTIONS!r} before, it answered 'No'"}),
        (spoken("It is 17 there", TOOL_SAID, tools=[WEATHER_TOOL]), {}),
        (spoken("No", TOOL_SAID, tools=[WEATHER_TOOL]),
         {"other answer": f"asked {WEATHER!r}, told 'Use it' before, it answered 'No'"}),
        (spoken(TO_SIXTEEN, said(COUNTING), "length", max_tokens=16), {}),
        (spoken(TO_SIXTEEN, said(COUNTING), max_tokens=16), {"finish_reason wrong": WRONG_FINISH}),
        (spoken(TO_SIXTEEN, said(COUNTING), max_completion_tokens=16), {"finish_reason wrong": WRONG_FINISH}),
        (spoken(TO_SIXTEEN, said(COUNTING)), {}),
        (spoken(TO_SIXTEEN + " 17", said(COUNTING), max_tokens=16),
         {"max_tokens ignored": "the cap was 16, and 17 numbers came"}),
        (spoken("1 2 three 4", said(COUNTING), "length", max_tokens=2),
         {"other answer": f"asked {COUNTING!r}, it answered '1 2 three 4'"}),
        (spoken("alpha", said(ECHO), "length", max_tokens=2),
         {"finish_reason wrong": "finish_reason is 'length' where 'stop' is due"}),
    ],
)  # fmt: skip
def test_an_answer_is_held_against_what_was_asked_and_told_before(exchange: Exchange, expected: dict[str, str]) -> None:
    assert {name: seen for name, seen in flaws(exchange).items() if not name.startswith("usage")} == expected


# --- echoes --------------------------------------------------------------------------------------------

WHOLE = "".join(WORDS)
SPECIAL = "na\u00efve \u20ac and more of it?"


def echo_of(
    text: str, whole: str = WHOLE, prompt: int = 9, completion_tokens: int = 9, finish: str | None = "stop", **more: Any
) -> Exchange:
    """A plain answer of this text, where an echo of the whole was asked for."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion_tokens}
    usage["total_tokens"] = sum(usage.values())
    choices = choice(message={"role": "assistant", "content": text}, finish_reason=finish)
    body = {**QUESTION, "messages": said(f"Reply only with: {whole}"), **more}
    return asked(CHAT, 200, completion(choices=choices, usage=usage), body=body)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (echo_of(WHOLE), {}),
        (echo_of(f"Sure: {WHOLE}!"), {}),
        (echo_of("alpha beta "), {"truncated answer": "the answer breaks off after 11 of 35 characters"}),
        (echo_of("alpha beta ", finish=None), {"truncated answer": "the answer breaks off after 11 of 35 characters"}),
        (echoed(WORDS[:3]), {"truncated answer": "the answer breaks off after 6 chunks, 17 of 35 characters"}),
        (echoed([*WORDS[:2], *WORDS[1:]]),
         {"doubled chunks": "deltas of the stream come twice: 'alpha beta beta gamma delta epsilon zeta'"}),
        (echoed([WORDS[0], "".join(WORDS[:2]), WHOLE]),
         {"cumulative chunks": "each delta of the stream repeats all of the text before it"}),
        (echoed(["".join(WORDS[:n]) for n in range(1, 7)]),
         {"cumulative chunks": "each delta of the stream repeats all of the text before it"}),
        (echo_of("alpha beta delta epsilon zeta"),
         {"a piece of the answer missing": "6 of 35 characters are missing inside"}),
        (echo_of(WHOLE[1:19]), {"a piece of the answer missing": "17 of 35 characters are missing inside"}),
        (echo_of(WHOLE[1:18]),
         {"other answer": "an echo was asked for, it answered 'lpha beta gamma d'"}),
        (echo_of("zeta epsilon delta gamma beta alpha"),
         {"other answer": "an echo was asked for, it answered 'zeta epsilon delta gamma beta alpha'"}),
        (echo_of("eta"), {"other answer": "an echo was asked for, it answered 'eta'"}),
        (echo_of(SPECIAL, SPECIAL), {}),
        (echo_of(SPECIAL.replace("\u20ac", "e").encode().decode("latin-1"), SPECIAL.replace("\u20ac", "e")),
         {"characters broken": "UTF-8 was read as Latin-1 on the way: 'na\u00c3\u00afve e and more of it?'"}),
        (echo_of(SPECIAL.encode().decode("cp1252"), SPECIAL),
         {"characters broken":
             "UTF-8 was read as Latin-1 on the way: 'na\u00c3\u00afve \u00e2\u201a\u00ac and more of it?'"}),
        (echo_of("na\ufffdve", SPECIAL), {"characters broken": "characters of several bytes are broken: 'na\ufffdve'"}),
        (echo_of(f"{WHOLE} \ufffd"),
         {"characters broken": f"characters of several bytes are broken: '{WHOLE} \ufffd'"}),
        (echo_of("na???ve ???", SPECIAL),
         {"characters broken": "characters of several bytes are broken: 'na???ve ???'"}),
        (echo_of("na??ve ??", SPECIAL), {"characters broken": "characters of several bytes are broken: 'na??ve ??'"}),
        (echo_of("na??ve ?", SPECIAL), {"other answer": "an echo was asked for, it answered 'na??ve ?'"}),
        (echo_of("beta", stop=["gamma"]), {}),
        (echo_of("beta", max_tokens=3), {}),
    ],
)  # fmt: skip
def test_how_an_echo_differs_is_named(exchange: Exchange, expected: dict[str, str]) -> None:
    assert flaws(exchange) == expected


def test_an_echo_that_broke_off_with_its_stream_is_told_once() -> None:
    events = [chunk({"role": "assistant"}), *(chunk({"content": each}) for each in WORDS[:3])]
    body = {**STREAMED, "messages": said(ECHO)}
    assert flaws(streamed(events, body=body)) == {
        "truncated answer": "the stream ends after 4 chunks, without finish_reason and [DONE]"
    }


@pytest.mark.parametrize(
    ("prompt", "completion_tokens", "what"),
    [
        (3, 3, ""),
        (105, 3, ""),
        (2, 3, "too small"),
        (3, 2, "too small"),
        (106, 3, "inflated"),
        (106, 2, "inflated"),
        (105, 2, "too small"),
    ],
)
def test_counts_that_do_not_fit_an_echo_s_length_are_named(prompt: int, completion_tokens: int, what: str) -> None:
    counts = f"prompt {prompt}, completion {completion_tokens}, total {prompt + completion_tokens}"
    expected = {"usage implausible": f"usage is {what} for 35 characters: {counts}"} if what else {}
    assert flaws(echo_of(WHOLE, prompt=prompt, completion_tokens=completion_tokens)) == expected


def test_a_tenth_of_an_echo_s_characters_are_its_fewest_tokens() -> None:
    assert flaws(echo_of(40 * "x", 40 * "x", completion_tokens=4)) == {}
    assert set(flaws(echo_of(40 * "x", 40 * "x", completion_tokens=3))) == {"usage implausible"}


def test_an_echo_that_begins_with_a_repetition_is_no_cumulative_stream() -> None:
    counts = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
    events = [chunk({"role": "assistant"}), chunk({"content": "na"}), chunk({"content": "na batman"})]
    ends = [chunk({}, "stop"), chunk({}, choices=[], usage=counts), "[DONE]"]
    assert flaws(streamed([*events, *ends], body={**STREAMED, "messages": said("Reply only with: nana batman")})) == {}


@pytest.mark.parametrize(
    ("exchange", "brought"),
    [
        (plain(choices=choice(message={"content": [{"type": "text", "text": "OK"}]})), {"other answer"}),
        (plain(choices=choice(message={"content": None})), {"other answer", "usage implausible"}),
        (asked(CHAT, 200, "hello", body=QUESTION), {"no choices", "usage absent", "other answer"}),
        (plain(choices=choice(message={"content": "<think>hm</think>No"})), {"other answer"}),
        (echoed([WORDS[0], "".join(WORDS[:2]), WHOLE]), {"usage implausible", "max_tokens ignored"}),
        (echoed([*WORDS[:2], *WORDS[1:]]), {"usage implausible", "max_tokens ignored"}),
        (echoed(WORDS[:3]), {"usage absent", "finish_reason missing", "[DONE] missing"}),
    ],
)
def test_a_flaw_brings_others_with_it_in_other_answers_too(exchange: Exchange, brought: set[str]) -> None:
    (flaw,) = flaws_of(exchange)
    assert brought <= set(flaw.brings)


# --- tool calls ----------------------------------------------------------------------------------------


def calls(*found: dict[str, Any], finish: str = "tool_calls", text: str | None = None) -> Exchange:
    """A plain answer with these tool calls."""
    message = {"role": "assistant", "content": text, "tool_calls": list(found)}
    choices = choice(message=message, finish_reason=finish)
    return asked(CHAT, 200, completion(choices=choices), body={**QUESTION, "tools": [WEATHER_TOOL]})


def call(id: Any = "1", name: Any = "get_weather", arguments: Any = '{"city": "Lisbon"}') -> dict[str, Any]:
    """A tool call."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def pieces(*found: dict[str, Any]) -> Exchange:
    """A streamed answer with these pieces of tool calls."""
    events = [chunk({"role": "assistant", "tool_calls": list(found)}), chunk({}, "tool_calls"), *EVENTS[3:]]
    return streamed(events, body={**STREAMED, "tools": [WEATHER_TOOL]})


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (calls(call()), {}),
        (calls(call(), call("2")), {}),
        (pieces({"index": 0, **call()}), {}),
        (pieces(call()), {"no usable tool call": "pieces of tool calls without an index"}),
        (streamed(EVENTS, body={**STREAMED, "tools": [WEATHER_TOOL]}),
         {"no usable tool call": "a tool was offered, it answered 'OK'"}),
        (calls(text="It rains"), {"no usable tool call": "a tool was offered, it answered 'It rains'"}),
        (calls(finish="stop"), {"no usable tool call": "a tool was offered, it answered 'nothing'"}),
        (calls(call(), finish="stop"),
         {"finish_reason wrong": "finish_reason is 'stop' where 'tool_calls' is due"}),
        (calls(call(None)), {"tool call ids missing": "the tool calls have the ids [None]"}),
        (calls(call("")), {"tool call ids missing": "the tool calls have the ids ['']"}),
        (calls(call(), call()), {"tool call ids missing": "the tool calls have the ids ['1', '1']"}),
        (calls(call(name="other")), {"unknown tool called": "['other'] was called, which was not offered"}),
        (calls(call(name=["x"])), {"unknown tool called": "[['x']] was called, which was not offered"}),
        (calls(call(arguments="{cut")),
         {"tool arguments broken": "a tool call's arguments are no JSON object: {cut"}),
        (calls(call(arguments="[]")), {"tool arguments broken": "a tool call's arguments are no JSON object: []"}),
        (calls(call(arguments={})), {"tool arguments broken": "a tool call's arguments are no JSON object: {}"}),
    ],
)  # fmt: skip
def test_a_fault_of_tool_calls_is_named(exchange: Exchange, expected: dict[str, str]) -> None:
    assert flaws(exchange) == expected


# --- embeddings and lists ------------------------------------------------------------------------------


def embedded(*vectors: Any, indices: tuple[int, ...] | None = None, **changes: Any) -> Exchange:
    """The embeddings of two texts."""
    places = indices or range(len(vectors))
    data = [{"index": index, "embedding": vector} for index, vector in zip(places, vectors, strict=True)]
    answer = {"model": "e", "data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}, **changes}
    return asked("/v1/embeddings", 200, answer, body={"model": "e", "input": ["a", "b"]})


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (embedded([1.0], [2.0]), {}),
        (embedded([1.0], [2.0], model="e-2"), {}),
        (embedded([1.0], [2.0], model=""), {}),
        (embedded([1.0], [2.0], model=None), {}),
        (asked("/v1/embeddings", 200, {"data": []}, body={"input": ["a"]}),
         {"no vectors": 'embeddings answered without a vector: {"data": []}'}),
        (asked("/v1/embeddings", 200, [], body={"input": ["a"]}),
         {"no vectors": "embeddings answered without a vector: []"}),
        (embedded([1.0]), {"vectors missing or too many": "1 vectors for 2 texts"}),
        (embedded([1.0], [2.0], [3.0], indices=(0, 1, 1)), {"vectors missing or too many": "3 vectors for 2 texts"}),
        (embedded([1.0], "AAA="),
         {"vectors as text": "a vector is no list of numbers, although no other encoding was asked for"}),
        (embedded([1.0], [2.0, 3.0]),
         {"vectors of several lengths": "the vectors of one batch differ in length"}),
        (embedded([1.0], [2.0], indices=(1, 0)),
         {"vectors out of order": "the vectors of a batch have the indices [1, 0]"}),
        (embedded([1.0], [2.0], model="small"),
         {"other model": "e was asked for, and the vectors are of small"}),
        (embedded([1.0], [2.0], usage=None), {"usage absent": "embeddings count no usage"}),
        (embedded([1.0], [2.0], usage={"prompt_tokens": "2", "total_tokens": "2"}),
         {"usage absent": "embeddings count {'prompt_tokens': '2', 'total_tokens': '2'}"}),
        (embedded([1.0], [2.0], usage={"prompt_tokens": 2, "total_tokens": 3}),
         {"usage absent": "embeddings count {'prompt_tokens': 2, 'total_tokens': 3}"}),
        (asked("/v1/models", 200, [{"id": "m"}]), {"no API": 'no model list: [{"id": "m"}]'}),
        (asked("/v1/models", 200, {"data": {}}), {"no API": 'no model list: {"data": {}}'}),
        (asked("/v1/models", 200, {"object": "list", "data": []}), {"no models": "the key's model list is empty"}),
        (asked("/v1/models", 200, {"object": "list", "data": [{"id": "m"}, {}]}),
         {"model ids missing or doubled": "the model list holds ids that are missing or stand twice: ['m', '']"}),
        (asked("/v1/models", 200, {"object": "list", "data": [{"id": "m"}] * 8}),
         {"model ids missing or doubled": f"the model list holds ids that are missing or stand twice: {['m'] * 6}"}),
        (asked("/v1/models", 200, {"object": "page", "data": [{"id": "m"}]}),
         {"no list": "the model list calls itself 'page'"}),
    ],
)  # fmt: skip
def test_a_fault_of_embeddings_or_a_list_is_named(exchange: Exchange, expected: dict[str, str]) -> None:
    assert flaws(exchange) == expected


# --- Dify ------------------------------------------------------------------------------------------------


def app(answer: Any, query: str = ECHO, **more: Any) -> Exchange:
    """An answer of a Dify app."""
    return of_dify("/v1/chat-messages", {"message_id": "m", "answer": answer, **more}, body={"query": query})


def workflow(answer: str, status: str = "succeeded") -> Exchange:
    """An answer of a Dify workflow to an echo."""
    data = {"status": status, "outputs": {"answer": answer}}
    return of_dify("/v1/workflows/run", {"data": data}, body={"inputs": {"query": ECHO}})


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (app(WHOLE), {}),
        (app(f"Sure: {WHOLE}"), {}),
        (workflow(WHOLE), {}),
        (workflow("alpha", "failed"), {}),
        (app("anything", "Say something"), {}),
        (of_dify("/v1/chat-messages", {"message_id": "m", "answer": "OK"}, body={}), {}),
        (app("OK.", PROMPT), {}),
        (app("No", PROMPT), {"app answers something else": f"asked {PROMPT!r}, the app said 'No'"}),
        (app(" "), {"app answers nothing": "Dify calls an empty answer a success"}),
        (app(WHOLE, message_id=""),
         {"app answer without an end": "Dify's answer has no end: it was cut or held back on its way"}),
        (app("alpha beta "), {"app answer truncated": "the app's answer breaks off after 11 of 35 characters"}),
        (workflow("alpha beta "), {"app answer truncated": "the app's answer breaks off after 11 of 35 characters"}),
        (app("beta"), {"app answers something else": "an echo was asked for, the app said 'beta'"}),
    ],
)  # fmt: skip
def test_a_fault_of_an_app_s_answer_is_named(exchange: Exchange, expected: dict[str, str]) -> None:
    assert flaws(exchange) == expected


def test_what_was_seen_is_quoted_in_one_line_of_some_length() -> None:
    quoted = flaws(asked("/v1/other", 200, "a\n" + 200 * "b"))["no API"]
    assert quoted == f"an answer without an API's content: a {118 * 'b'}\u2026"
