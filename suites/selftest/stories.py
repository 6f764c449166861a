"""Small runs for the selftests of the diagnosis: exchanges, and a red verdict that rests on all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fixtures.judging.observation import observe
from fixtures.judging.story import Told, tell
from fixtures.model.exchange import Chunk, Exchange, Request, Response
from fixtures.model.guide import guide
from fixtures.model.key import Key
from fixtures.model.requirement import requirements
from fixtures.model.terms import Kind
from fixtures.model.verdict import Evidence, Verdict

KEY = "{{CRAZYROUTER_API_KEY}}"
NOW = 1_795_000_000.0
PROFILE = "gpt-5.4"


def asked(path: str, status: int, answer: Any, *, side: str = "gateway", method: str = "GET", **more: Any) -> Exchange:
    """One exchange at NOW: `key` asks, `body` is sent, `after` so many seconds later, `headers` come back besides."""
    headers = (("Authorization", f"Bearer {more.get('key', KEY)}"),)
    body = json.dumps(more["body"]) if "body" in more else None
    host = more.get("host", "gw.example" if side == "gateway" else "dify.example")
    request = Request("POST" if body and method == "GET" else method, f"https://{host}{path}", headers, body)
    text = answer if isinstance(answer, str) else json.dumps(answer)
    kind = more.get("type", "application/json")
    response = Response(status, (("Content-Type", kind), *more.get("headers", ())), (Chunk(0.1, text.encode()),))
    return Exchange(
        more.get("why", "Ask"),
        side,
        request,
        NOW + more.get("after", 0),
        0.1,
        response,
        provoked=more.get("provoked", ""),
    )


def told(*exchanges: Exchange, row: str = "WIRE-30", reason: str = "expected OK, got nothing", **more: Any) -> Told:
    """What is told first of a run whose one step had these exchanges, and whose one check on `row` failed."""
    return story(exchanges, [verdict(row, reason, **more)])[0]


def story(exchanges: Sequence[Exchange], verdicts: Sequence[Verdict], profile: str = PROFILE) -> list[Told]:
    """The story of a run whose one step had these exchanges; every verdict read all of them."""
    key = Key(profile, "short_chat")
    numbered = [replace(each, tape=key, number=number) for number, each in enumerate(exchanges, 1)]
    read = tuple((each.id, "") for each in numbered)
    resting = [replace(each, evidence=Evidence("live", "", read)) for each in verdicts]
    return tell(resting, {key: observe(key, numbered)})


def verdict(row: str, reason: str = "", outcome: str = "fail", kind: Kind = Kind.ASSERTION, **more: Any) -> Verdict:
    """A verdict on a row of the guide or the audit."""
    known = requirements()[row]
    fields = {"profile": PROFILE, "see": known.see, **more}
    return Verdict(
        row,
        "a_check",
        outcome=outcome,
        level=known.level,
        layer=known.layer,
        evidence=Evidence("live", ""),
        reason=reason,
        kind=kind,
        **fields,
    )


# --- chat completions ----------------------------------------------------------------------------------

CHAT = "/v1/chat/completions"
QUESTION = {"model": "gpt-5.4", "messages": [{"role": "user", "content": guide().edition.prompt}]}


def completion(**changes: Any) -> dict[str, Any]:
    """A chat completion that says OK."""
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    choice = {"index": 0, "message": {"role": "assistant", "content": "OK"}, "finish_reason": "stop"}
    whole = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5.4",
        "choices": [choice],
        "usage": usage,
    }
    return {**whole, **changes}


def plain(**changes: Any) -> Exchange:
    """A plain answer with other members."""
    return asked(CHAT, 200, completion(**changes), body=QUESTION)


def choice(**changes: Any) -> list[dict[str, Any]]:
    """The one choice of a plain answer."""
    return [{**completion()["choices"][0], **changes}]


STREAMED = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
    """A chunk of a stream, as an event's data."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    whole = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4", "choices": choices}
    return json.dumps({**whole, **more})


USAGE = chunk({}, choices=[], usage=completion()["usage"])
EVENTS = [chunk({"role": "assistant", "content": ""}), chunk({"content": "OK"}), chunk({}, "stop"), USAGE, "[DONE]"]


def streamed(events: list[str], kind: str = "text/event-stream", body: Any = None) -> Exchange:
    """A streamed answer of these events."""
    text = "".join(f"data: {each}\n\n" for each in events)
    return asked(CHAT, 200, text, body=body or STREAMED, type=kind)


ECHO = "Reply only with: alpha beta gamma delta epsilon zeta"
WORDS = ["alpha ", "beta ", "gamma ", "delta ", "epsilon ", "zeta"]


def echoed(deltas: list[str], prompt: int = 9) -> Exchange:
    """A stream that echoes in these pieces."""
    counts = {"prompt_tokens": prompt, "completion_tokens": 6, "total_tokens": prompt + 6}
    last = [chunk({}, "stop"), chunk({}, choices=[], usage=counts), "[DONE]"]
    body = {**STREAMED, "messages": [{"role": "user", "content": ECHO}]}
    return streamed([chunk({"role": "assistant"}), *(chunk({"content": each}) for each in deltas), *last], body=body)
