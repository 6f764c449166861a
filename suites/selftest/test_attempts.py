"""First attempts: what the evidence shows of them, and what a run says of a gateway that loses them."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.judging.attempts import kind_of, read_attempts
from fixtures.judging.outcome import conclude, spent
from fixtures.model.exchange import Breakdown, Chunk, Ended, Exchange, Request, Response
from fixtures.model.key import Key
from fixtures.model.profiles import FOLDER as PROFILES
from fixtures.proof.null_hosts import Handler, served
from fixtures.wire.act import Noted
from reports.conformance import Spending
from suites.selftest.conftest import SECRETS, Outcome, Suite
from suites.selftest.stories import told

pytestmark = pytest.mark.selftest

CHAT = "/v1/chat/completions"
STREAMS = f"streamed POST {CHAT}"


def asked(method: str = "POST", path: str = CHAT, stream: bool = False, status: int = 200) -> Exchange:
    """A request that was answered at once."""
    body = None if method == "GET" else json.dumps({"stream": stream})
    request = Request(method, f"http://gw.example{path}", (), body)
    return Exchange("Ask", "gateway", request, 1e9, 0.5, Response(status, (), (Chunk(0.1, b"{}"),)))


def broken(kind: str, like: Exchange | None = None, *, superseded: bool = False) -> Exchange:
    """The same request without an answer."""
    return replace(like or asked(), response=None, breakdown=Breakdown(kind, "why"), superseded=superseded)


def cut(like: Exchange) -> Exchange:
    """The same request with an answer that broke off."""
    assert like.response is not None
    return replace(like, response=replace(like.response, ended=Ended.CUT))


def of(exchange: Exchange, status: int) -> Exchange:
    """The same request with an attempt before it that was answered with this status."""
    assert exchange.response is not None
    return replace(exchange, response=replace(exchange.response, status=status), superseded=True)


# --- what the evidence shows --------------------------------------------------------------------------


def test_answers_at_once_show_nothing() -> None:
    attempts = read_attempts([asked(), asked(stream=True), asked("GET", "/v1/models", status=401)])
    assert (attempts.lost, attempts.never, attempts.again, attempts.limited) == ((), (), 0, 0)
    attempts.note()


def test_a_kind_is_method_path_and_whether_it_is_streamed() -> None:
    assert [kind_of(each) for each in (asked(), asked(stream=True), asked("GET", "/v1/models"))] == [
        f"POST {CHAT}",
        STREAMS,
        "GET /v1/models",
    ]


@pytest.mark.parametrize("lost", [broken("cut"), broken("timeout"), broken("protocol"), cut(asked())], ids=str)
def test_one_lost_answer_is_told_with_request_and_time(lost: Exchange) -> None:
    attempts = read_attempts([asked(), lost])
    assert (attempts.lost, attempts.never) == ((lost,), ())
    with pytest.raises(Noted, match=r"at 2001-09-09 01:46:40 UTC POST http://gw\.example/v1/chat/completions -> "):
        attempts.note()


def test_a_get_that_had_to_be_sent_again_was_lost_once() -> None:
    models = asked("GET", "/v1/models")
    lost = broken("cut", models, superseded=True)
    attempts = read_attempts([models, lost, models])
    assert (attempts.lost, attempts.never, attempts.again) == ((lost,), (), 1)


def test_a_get_that_is_lost_twice_is_one_lost_request() -> None:
    models = asked("GET", "/v1/models")
    attempts = read_attempts([broken("cut", models, superseded=True), broken("cut", models)])
    assert (len(attempts.lost), attempts.never) == (1, ("GET /v1/models",))


def test_a_kind_of_which_none_is_answered_at_once_is_named() -> None:
    assert read_attempts([asked(), cut(asked(stream=True)), cut(asked(stream=True))]).never == (STREAMS,)
    assert read_attempts([asked(), cut(asked(stream=True)), asked(stream=True)]).never == ()


@pytest.mark.parametrize("kind", ["connect", "tls", "dead_host", "refused_to_send", "stopped"])
def test_what_was_never_sent_is_not_judged(kind: str) -> None:
    attempts = read_attempts([broken(kind)])
    assert (attempts.lost, attempts.never) == ((), ())


def test_a_connection_that_opened_later_is_another_attempt_and_not_lost() -> None:
    attempts = read_attempts([broken("connect", superseded=True), broken("connect", superseded=True), asked()])
    assert (attempts.lost, attempts.never, attempts.again) == ((), (), 1)


def test_429s_are_counted_apart_and_not_judged() -> None:
    attempts = read_attempts([of(asked(), 429), of(asked(), 429), asked(), replace(of(asked(), 429), superseded=False)])
    assert (attempts.lost, attempts.never, attempts.again, attempts.limited) == ((), (), 0, 3)


def test_a_warning_is_one_in_a_call_only() -> None:
    conclusion = conclude(Noted("once"), in_call=True)
    assert (conclusion.outcome, conclusion.reason) == ("warn", "once")


def test_a_step_s_spending_counts_its_attempts() -> None:
    models = asked("GET", "/v1/models")
    counted = spent(Key("a", "b"), [broken("cut", models, superseded=True), models, of(asked(), 429), cut(asked())])
    assert {name: counted[name] for name in ("again", "lost", "limited")} == {"again": 1, "lost": 2, "limited": 1}


def test_the_summary_always_says_how_many_needed_another_attempt() -> None:
    assert Spending().attempts == "0 needed another attempt"
    assert Spending(again=1, lost=2, limited=3).attempts == "1 needed another attempt, 2 lost once sent, 3 answered 429"


# --- why -----------------------------------------------------------------------------------------------


def test_the_cause_names_a_kind_that_is_always_lost() -> None:
    lost = cut(asked(stream=True))
    found = told(asked(), lost, lost)
    expected = f"every {STREAMS} is lost at its first attempt: gw.example broke off an answer before its end"
    assert (found.layer, found.cause.startswith(expected)) == ("network", True), found.cause


def test_one_that_is_lost_is_not_every_one() -> None:
    found = told(cut(asked(stream=True)))
    assert found.cause.startswith(f"1 of 1 {STREAMS} lost once sent: gw.example broke off an answer before its end")


# --- a run ---------------------------------------------------------------------------------------------


def well(request: Handler) -> None:
    """A vendor that answers well: lists, chats plain and streamed."""
    if request.path.endswith("/models"):
        body = {"object": "list", "data": [{"id": "gpt-5.4"}]}
        request.reply(200, "application/json", json.dumps(body).encode())
    elif b'"stream":true' in request.body:
        request.reply(200, "text/event-stream", "".join(f"data: {each}\n\n" for each in EVENTS).encode())
    else:
        request.reply(200, "application/json", json.dumps(part({"message": {"content": "OK"}})).encode())


def part(choice: dict[str, Any]) -> dict[str, Any]:
    """A chat completion, or a chunk of one."""
    kind = "chat.completion.chunk" if "delta" in choice else "chat.completion"
    return {"id": "c1", "object": kind, "created": 1, "model": "gpt-5.4", "choices": [{"index": 0, **choice}]}


EVENTS = [
    json.dumps(part({"delta": {"role": "assistant", "content": ""}})),
    *(json.dumps(part({"delta": {"content": f"word {number} "}})) for number in range(40)),
    json.dumps(part({"delta": {}, "finish_reason": "stop"})),
    json.dumps({**part({"delta": {}}), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 40}}),
    "[DONE]",
]


class FirstStreamsReset:
    """A vendor that resets the connection of each streaming request the first time that it is asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, request: Handler) -> None:
        first = b'"stream":true' in request.body and request.body not in self.asked
        self.asked.append(request.body)
        (reset if first else well)(request)


def reset(request: Handler) -> None:
    """End the connection as a crashing process does."""
    request.close_connection = True
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


class OneStreamCut:
    """A vendor one of whose streams, the capped one, breaks off after 12 events."""

    def __call__(self, request: Handler) -> None:
        if b'"stream":true' in request.body and b'"max_completion_tokens"' in request.body:
            cut_after(request, 12)
        else:
            well(request)


def cut_after(request: Handler, number: int) -> None:
    """Send so many events of a stream, each in a chunk of its own, and end the connection."""
    request.close_connection = True
    request.send_response(200)
    request.send_header("Content-Type", "text/event-stream")
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for event in EVENTS[:number]:
        data = f"data: {event}\n\n".encode()
        request.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        request.wfile.flush()
        threading.Event().wait(0.01)  # so that each arrives alone


ROW = ("WIRE-42", "each_request_is_answered_at_its_first_attempt", "gpt-5.4")
STREAM_CHECK = ("WIRE-10", "a_stream_ends_with_one_done", "gpt-5.4")
CAP_CHECK = ("WIRE-17", "max_tokens_caps_the_answer[streamed]", "gpt-5.4")
PLAIN_TWIN = ("WIRE-17", "max_tokens_caps_the_answer[plain]", "gpt-5.4")


@pytest.fixture
def without_log(tmp_path: Path) -> Path:
    """A profile of a vendor that shows no log: nothing waits for its rows."""
    text = (PROFILES / "gpt-5.4.yaml").read_text("utf-8")
    path = tmp_path / "gpt-5.4.yaml"
    path.write_text(re.sub("^features: .*$", "features: []", text, flags=re.MULTILINE), "utf-8")
    return path


def judged(suite: Suite, without_log: Path, answer: Callable[[Handler], None], *more: str) -> Outcome:
    """A live run of the checks on streams and attempts against a small vendor."""
    with served(answer) as url:
        given = {"CRAZYROUTER_BASE_URL": f"{url}/v1", "CRAZYROUTER_API_KEY": SECRETS["CRAZYROUTER_API_KEY"]}
        files = [f"suites/gateway/test_{name}.py" for name in ("attempts", "streaming", "chat")]
        return suite("--pair=live", f"--profile={without_log}", *more, *files, env=given)


def reason(run: Outcome, key: tuple[str, str, str]) -> str:
    """Why a verdict is as it is."""
    found = [v for v in run.report["verdicts"] if (v["requirement"], v["check"], v["profile"]) == key]
    return str(found[0]["reason"])


def test_a_vendor_that_answers_at_once_passes(suite: Suite, without_log: Path) -> None:
    run = judged(suite, without_log, well)
    assert run.verdicts[ROW] == "pass", run.output
    assert run.verdicts[STREAM_CHECK] == "pass", run.output
    assert run.report["totals"]["attempts"] == {"again": 0, "lost": 0, "limited": 0}
    assert "(0 needed another attempt)" in run.output


def test_a_vendor_that_resets_the_first_attempt_of_every_stream_fails_with_that_cause(
    suite: Suite, without_log: Path
) -> None:
    vendor = FirstStreamsReset()
    run = judged(suite, without_log, vendor)
    streams = [body for body in vendor.asked if b'"stream":true' in body]
    assert run.verdicts[ROW] == "fail", run.output
    assert run.verdicts[STREAM_CHECK] == "error"
    assert run.headline.startswith(f"LIVE NOT CONFORMANT: every {STREAMS} is lost at its first attempt: ")
    assert len(streams) == len(set(streams)) > 1, "what charges is never sent again"
    assert run.report["totals"]["attempts"]["lost"] == len(streams)


def test_one_stream_that_breaks_off_is_an_error_with_its_chunks_and_a_warning(suite: Suite, without_log: Path) -> None:
    run = judged(suite, without_log, OneStreamCut())
    assert run.verdicts[ROW] == "warn", run.output
    assert run.verdicts[CAP_CHECK] == "error"
    assert run.verdicts[PLAIN_TWIN] in ("pass", "fail"), "its plain twin is judged all the same"
    assert "cut after 12 chunks" in reason(run, CAP_CHECK)
    assert "word 10" in reason(run, CAP_CHECK)
    assert "UTC POST http" in reason(run, ROW)
    assert "cut after 12 chunks" in (run.folder / "conformance.md").read_text("utf-8")


def test_a_proxy_that_cuts_every_stream_is_seen_with_what_came(suite: Suite, without_log: Path) -> None:
    run = judged(suite, without_log, well, "--fault=stream-cut-halfway")
    assert run.verdicts[ROW] == "fail", run.output
    assert run.headline.startswith("LIVE SEEN: seeded stream-cut-halfway: every streamed POST")
    assert "text/event-stream, cut after " in reason(run, STREAM_CHECK)
