"""The live wire against tiny servers: every way in which an answer can fail to come is evidence."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from fixtures.model.exchange import Exchange, Request, Response, retry_after
from fixtures.proof import null_hosts
from fixtures.proof.null_hosts import Handler
from fixtures.wire import transport
from fixtures.wire.limits import Limit
from fixtures.wire.transport import LiveWire, Sending

pytestmark = pytest.mark.selftest

CANARY = "sk-Bird7Canary0123456789"


class Script:
    """What the server answers, and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Callable[[Handler], None]] = []
        self.seen: list[Handler] = []

    def __call__(self, handler: Handler) -> None:
        self.seen.append(handler)
        # the last answer is given again and again
        (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(handler)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Script]]:
    script = Script()
    with null_hosts.served(script) as url:
        yield url, script


@pytest.fixture
def url(served: tuple[str, Script]) -> str:
    return served[0]


@pytest.fixture
def script(served: tuple[str, Script]) -> Script:
    """The server's script, which answers 200 until a test says otherwise."""
    script = served[1]
    script.answers, script.seen = [answering(200)], []
    return script


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, and no certificates: reading them takes most of the time."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that the wire made, without their time."""
    return []


@pytest.fixture
def wire(pauses: list[float]) -> Iterator[LiveWire]:
    made = LiveWire(sleep=pauses.append)
    yield made
    made.close()


def answering(status: int, body: bytes = b"{}", **headers: str) -> Callable[[Handler], None]:
    """An answer; underscores of header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(status, "application/json", body, named)


def in_pieces(
    media_type: str, pieces: list[bytes], pause: float = 0.0, last_pause: float = 0.0
) -> Callable[[Handler], None]:
    """An answer in HTTP chunks with a pause before each, and a longer one before the last."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", media_type)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        with suppress(OSError):  # the client may hang up
            for number, piece in enumerate([*pieces, b""], 1):
                time.sleep(max(pause, last_pause * (number == len(pieces))))
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    return answer


@contextmanager
def saying(data: bytes) -> Iterator[str]:
    """A server that sends these bytes to whoever connects and asks, and hangs up; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(data)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)  # wakes accept
        thread.join(2)


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def attempts(wire: LiveWire, url: str, body: str | None = None, **headers: str) -> list[Exchange]:
    """All attempts at a GET, or at a POST where there is a body."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    request = Request("GET" if body is None else "POST", url, named, body)
    return list(wire.send(Sending("Ask", "gateway", request)))


def get(wire: LiveWire, url: str, body: str | None = None, **headers: str) -> Exchange:
    """The one attempt that was needed."""
    (only,) = attempts(wire, url, body, **headers)
    return only


def kinds(exchanges: list[Exchange]) -> list[str]:
    """What each attempt broke down with or how its answer ended, or its status where it is whole."""
    return [
        each.breakdown.kind if each.breakdown else str(each.status) if each.is_answered else ending(each)
        for each in exchanges
    ]


def ending(exchange: Exchange) -> str:
    """How an answer ended."""
    assert exchange.response is not None
    return exchange.response.ended.value


def pieces(exchange: Exchange) -> list[bytes]:
    """The pieces that came of an answer."""
    assert exchange.response is not None
    return [chunk.data for chunk in exchange.response.chunks]


# --- an answer ---------------------------------------------------------------------------------------


def test_an_answer_is_kept_with_status_headers_and_body(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [answering(404, b'{"error":"none"}', X_Any="value")]
    taped = get(wire, url)
    assert (taped.status, taped.json(), taped.superseded) == (404, {"error": "none"}, False)
    assert taped.response is not None
    assert taped.response.header("x-any") == "value"


def test_a_request_arrives_as_it_was_made(wire: LiveWire, url: str, script: Script) -> None:
    get(wire, f"{url}/v1/a?b=%2F", '{"größe":"😀"}', Authorization="Bearer x")
    (seen,) = script.seen
    assert (seen.command, seen.path, seen.body.decode()) == ("POST", "/v1/a?b=%2F", '{"größe":"😀"}')
    assert seen.headers["authorization"] == "Bearer x"


def test_a_byte_that_is_no_text_arrives_as_that_byte(wire: LiveWire, url: str, script: Script) -> None:
    get(wire, url, '{"a": "\udcff"}')
    assert script.seen[0].body == b'{"a": "\xff"}'


@pytest.mark.usefixtures("script")
def test_an_exchange_says_what_was_meant_and_when(monkeypatch: pytest.MonkeyPatch, wire: LiveWire, url: str) -> None:
    request = Request("GET", url)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.1234)
    (taped,) = wire.send(Sending("Ask", "dify", request, poll=3, provoked="ERR-05"))
    assert (taped.why, taped.side, taped.request, taped.poll) == ("Ask", "dify", request, 3)
    assert taped.provoked == "ERR-05"
    assert taped.sent_at == 1_700_000_000.123 <= taped.done_at


def test_an_exchange_s_length_is_told_in_milliseconds(monkeypatch: pytest.MonkeyPatch, wire: LiveWire) -> None:
    stopped = Limit()
    stopped.stop()
    clock = iter([100.0, 100.12345])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    (taped,) = wire.send(Sending("Ask", "gateway", Request("GET", "http://127.0.0.1/")), stopped)
    assert taped.elapsed == 0.123


def test_the_suite_says_who_asks(wire: LiveWire, url: str, script: Script) -> None:
    get(wire, url)
    assert script.seen[0].headers["user-agent"] == "dify-crazyrouter-conformance"


def test_identity_encoding_is_asked_for(wire: LiveWire, url: str, script: Script) -> None:
    get(wire, url)
    assert script.seen[0].headers.get_all("accept-encoding") == ["identity"]


def test_an_answer_that_is_compressed_all_the_same_is_read(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [answering(200, gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")]
    assert get(wire, url).json() == {"a": 1}


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip, br"])
def test_of_what_cannot_be_decoded_only_status_and_headers_are_kept(
    wire: LiveWire, url: str, script: Script, encoding: str
) -> None:
    script.answers = [answering(200, b'{"a": 1}', Content_Encoding=encoding)]
    taped = get(wire, url)
    assert (taped.status, ending(taped), pieces(taped)) == (200, "decoding", [])


def test_redirects_are_not_followed(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [answering(302, Location="/elsewhere")]
    assert get(wire, url).status == 302
    assert len(script.seen) == 1


def test_a_servers_cookie_is_not_sent_back_by_itself(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [answering(200, Set_Cookie="session=1; Path=/")]
    get(wire, url)
    get(wire, url)
    assert script.seen[1].headers["cookie"] is None


def test_a_chosen_cookie_is_sent(wire: LiveWire, url: str, script: Script) -> None:
    get(wire, url, Cookie="a=1; b=2")
    assert script.seen[0].headers["cookie"] == "a=1; b=2"


# --- pieces ------------------------------------------------------------------------------------------


def test_a_stream_is_kept_in_pieces_with_their_times(wire: LiveWire, url: str, script: Script) -> None:
    pieces = [b"data: \xc3", b"\xbc\n", b"\ndata: [DONE]\n\n"]
    script.answers = [in_pieces("text/event-stream; charset=utf-8", pieces, 0.04)]
    taped = get(wire, url)
    assert taped.response is not None
    assert [chunk.data for chunk in taped.response.chunks] == pieces
    for number, chunk in enumerate(taped.response.chunks, 1):
        assert chunk.at >= 0.04 * number - 0.005


def test_a_plain_body_is_one_chunk(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [in_pieces("application/json", [b"[1", b",2]"], 0.02)]
    taped = get(wire, url)
    assert taped.response is not None
    assert [chunk.data for chunk in taped.response.chunks] == [b"[1,2]"]
    assert 0.035 <= taped.response.chunks[0].at <= taped.elapsed


def test_an_empty_body_has_no_chunks(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [answering(204, b"")]
    taped = get(wire, url)
    assert taped.response is not None
    assert taped.response.chunks == ()


# --- no answer ---------------------------------------------------------------------------------------


def test_a_refused_connection_is_tried_three_times(wire: LiveWire, closed_port: int, pauses: list[float]) -> None:
    tried = attempts(wire, f"http://127.0.0.1:{closed_port}/")
    assert kinds(tried) == ["connect"] * 3
    assert [each.superseded for each in tried] == [True, True, False]
    assert pauses == [0.5, 2.0]
    assert f"nothing answers at 127.0.0.1:{closed_port}" in tried[-1].text


def test_a_dead_host_is_not_asked_again(wire: LiveWire, closed_port: int) -> None:
    attempts(wire, f"http://127.0.0.1:{closed_port}/")
    with socket.create_server(("127.0.0.1", closed_port)) as server:
        again = get(wire, f"http://127.0.0.1:{closed_port}/other", "{}")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert kinds([again]) == ["dead_host"]
    assert "nothing answers at" in again.text


@pytest.mark.usefixtures("script")
def test_one_dead_host_is_no_other(wire: LiveWire, closed_port: int, url: str) -> None:
    attempts(wire, f"http://127.0.0.1:{closed_port}/")
    assert get(wire, url).status == 200


def test_another_protocol_than_tls_is_not_tried_again(wire: LiveWire, pauses: list[float]) -> None:
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        secure = url.replace("http:", "https:")
        assert kinds(attempts(wire, secure)) == ["tls"]
        assert kinds(attempts(wire, secure)) == ["dead_host"]
    assert pauses == []


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CUT_ANSWERS = [
    pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n8\r\ndata: a\n\r\n", [b"data: a\n"], id="between chunks"),
    pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n8\r\ndat", [b"dat"], id="inside a chunk"),
    pytest.param(HEAD + b"Content-Length: 100\r\n\r\ndata: a\n", [b"data: a\n"], id="before its length"),
    pytest.param(HEAD + b"Content-Length: 100\r\n\r\n", [], id="behind the head"),
]
NO_ANSWERS = [pytest.param(HEAD[:20], id="inside the head"), pytest.param(b"", id="before the head")]


@pytest.mark.parametrize(("data", "came"), CUT_ANSWERS)
def test_a_cut_answer_keeps_what_came(wire: LiveWire, data: bytes, came: list[bytes]) -> None:
    with saying(data) as url:
        cut = get(wire, url, "{}")
    assert (cut.status, ending(cut), pieces(cut)) == (200, "cut", came)
    assert cut.response is not None
    assert cut.response.media_type == "text/event-stream"


@pytest.mark.parametrize("data", NO_ANSWERS)
def test_a_connection_that_ends_before_the_answer_is_a_breakdown(wire: LiveWire, data: bytes) -> None:
    with saying(data) as url:
        assert kinds([get(wire, url, "{}")]) == ["cut"]


# --- what was sent is not sent again ------------------------------------------------------------------


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize("data", [*(each.values[0] for each in CUT_ANSWERS), *(each.values[0] for each in NO_ANSWERS)])
def test_a_lost_get_is_sent_once_more(wire: LiveWire, pauses: list[float], data: bytes) -> None:
    with saying(data) as url:
        tried = attempts(wire, url)
    assert [(each.is_lost, each.superseded) for each in tried] == [(True, True), (True, False)]
    assert pauses == [0.5]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_may_charge_or_create_is_sent_once(
    wire: LiveWire, url: str, script: Script, pauses: list[float], method: str
) -> None:
    script.answers = [hang_up]
    (lost,) = wire.send(Sending("Ask", "gateway", Request(method, url)))
    assert kinds([lost]) == ["cut"]
    assert "closed the connection before its answer" in lost.text
    assert (len(script.seen), pauses) == (1, [])


def test_a_get_that_is_lost_after_a_429_is_still_sent_once_more(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [answering(429), hang_up, answering(200)]
    assert kinds(attempts(wire, url)) == ["429", "cut", "200"]


def test_an_answer_after_a_cut_one_counts(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [hang_up, answering(200)]
    tried = attempts(wire, url)
    assert kinds(tried) == ["cut", "200"]
    assert [each.superseded for each in tried] == [True, False]


def test_each_request_has_a_connection_of_its_own(wire: LiveWire, url: str, script: Script) -> None:
    get(wire, url)
    get(wire, url, "{}")
    assert len({seen.client_address for seen in script.seen}) == 2


@pytest.mark.parametrize("data", [b"\x00\xff\x16\r\n\r\n", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/9.9 abc\r\n\r\n"])
def test_garbage_is_a_breakdown(wire: LiveWire, data: bytes) -> None:
    with saying(data) as url:
        assert set(kinds(attempts(wire, url))) <= {"protocol", "cut"}


# --- time ---------------------------------------------------------------------------------------------


def test_silence_is_a_time_out_that_keeps_what_came(monkeypatch: pytest.MonkeyPatch, url: str, script: Script) -> None:
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.3)
    script.answers = [in_pieces("text/event-stream", [b"data: a\n\n", b"data: b\n\n"], 0.0, 2.0)]
    wire = LiveWire()
    silent = get(wire, url, "{}")
    assert (ending(silent), pieces(silent)) == ("timeout", [b"data: a\n\n"])
    wire.close()


@pytest.mark.parametrize(
    ("limit", "value", "ended"), [("WHOLE_SECONDS", 0.3, "timeout"), ("LARGEST_BODY", 40, "too_large")]
)
def test_an_endless_answer_is_ended_and_keeps_what_came(
    monkeypatch: pytest.MonkeyPatch, wire: LiveWire, url: str, script: Script, limit: str, value: float, ended: str
) -> None:
    monkeypatch.setattr(transport, limit, value)
    script.answers = [in_pieces("text/event-stream", [b": ping\n\n"] * 1000, 0.01)]
    taped = get(wire, url, "{}")
    assert ending(taped) == ended
    assert 1 < len(pieces(taped)) < 1000


@pytest.mark.parametrize(("size", "ended"), [(40, "complete"), (41, "too_large")])
def test_a_body_is_too_large_from_the_first_byte_more_than_the_largest(
    monkeypatch: pytest.MonkeyPatch, wire: LiveWire, url: str, script: Script, size: int, ended: str
) -> None:
    monkeypatch.setattr(transport, "LARGEST_BODY", 40)
    script.answers = [answering(200, b"x" * size)]
    assert ending(get(wire, url, "{}")) == ended


def test_a_body_without_a_length_that_never_ends_is_no_whole_answer(
    monkeypatch: pytest.MonkeyPatch, wire: LiveWire, url: str, script: Script
) -> None:
    monkeypatch.setattr(transport, "WHOLE_SECONDS", 0.3)
    script.answers = [dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000)]
    assert ending(get(wire, url, "{}")) == "timeout"


def test_a_header_that_comes_byte_by_byte_has_an_end(
    monkeypatch: pytest.MonkeyPatch, wire: LiveWire, url: str, script: Script
) -> None:
    monkeypatch.setattr(transport, "WHOLE_SECONDS", 0.3)
    script.answers = [dripping(b"", b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000)]
    taped = get(wire, url, "{}")
    assert kinds([taped]) == ["timeout"]
    assert "no end of its headers" in taped.text


def dripping(at_once: bytes, byte_by_byte: bytes) -> Callable[[Handler], None]:
    """An answer of which a part comes byte by byte."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(at_once)
        with suppress(OSError):  # the client hangs up
            for byte in byte_by_byte:
                time.sleep(0.01)
                handler.wfile.write(bytes([byte]))

    return answer


def test_an_answer_that_ends_in_time_is_whole_whatever_the_time(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [in_pieces("text/event-stream", [b"data: a\n\n"] * 3, 0.01)]
    assert kinds([get(wire, url, "{}")]) == ["200"]


def test_nothing_is_sent_when_the_time_is_up(wire: LiveWire, url: str, script: Script) -> None:
    request = Request("GET", url)
    (taped,) = wire.send(Sending("Ask", "gateway", request), Limit("the step's 5 s are over", 0))
    assert kinds([taped]) == ["stopped"]
    assert taped.text == "not sent: the step's 5 s are over"
    assert (taped.is_lost, script.seen) == (False, [])


def test_an_answer_ends_with_the_time_of_its_step(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [in_pieces("text/event-stream", [b": ping\n\n"] * 1000, 0.01)]
    (taped,) = wire.send(Sending("Ask", "gateway", Request("GET", url)), Limit("over", 0.3))
    assert (ending(taped), taped.is_lost) == ("stopped", False)
    assert pieces(taped)


def test_headers_that_do_not_come_end_with_the_time_of_their_step(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [dripping(b"", b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000)]
    (taped,) = wire.send(Sending("Ask", "gateway", Request("POST", url)), Limit("the step's time is over", 0.3))
    assert kinds([taped]) == ["stopped"]
    assert taped.text == "the suite hung up: the step's time is over"


def test_a_429_that_comes_once_the_run_was_stopped_is_the_answer(wire: LiveWire, url: str, script: Script) -> None:
    run = Limit()

    def answer(handler: Handler) -> None:
        run.stop()
        answering(429)(handler)

    script.answers = [answer]
    (taped,) = wire.send(Sending("Ask", "gateway", Request("GET", url)), run)
    assert (kinds([taped]), taped.superseded) == (["429"], False)


def test_a_pause_ends_with_the_time_of_its_step(url: str, script: Script) -> None:
    script.answers = [answering(429, Retry_After="9"), answering(200)]
    wire = LiveWire()
    tried = list(wire.send(Sending("Ask", "gateway", Request("GET", url)), Limit("over", 0.3)))
    assert kinds(tried) == ["429", "stopped"]
    assert [each.superseded for each in tried] == [True, False]
    assert len(script.seen) == 1
    wire.close()


def test_a_stopped_run_ends_what_is_under_way(wire: LiveWire, url: str, script: Script) -> None:
    run = Limit()

    def stop() -> None:
        run.stop()
        wire.hang_up()

    script.answers = [in_pieces("text/event-stream", [b": ping\n\n"] * 2000, 0.01)]
    threading.Timer(0.3, stop).start()
    (taped,) = wire.send(Sending("Ask", "gateway", Request("GET", url)), Limit("over", within=run))
    assert ending(taped) == "stopped"
    assert 1 < len(pieces(taped)) < 2000


def test_the_limits_of_others_go_on(wire: LiveWire, url: str, script: Script) -> None:
    over = Limit()
    over.stop()
    wire.hang_up()
    assert Limit("over").over == ""
    assert get(wire, url).status == 200


# --- what httpx raises ---------------------------------------------------------------------------------


def raising(monkeypatch: pytest.MonkeyPatch, error: Exception, *, sent: bool) -> Exchange:
    """The one attempt at a POST for which httpx raises this, once it was sent or before."""

    def handle(_: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        if sent:
            request.extensions["trace"]("http11.send_request_headers.started", {"request": request})
        raise error

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    wire = LiveWire(sleep=lambda seconds: None)
    *_, taped = attempts(wire, "https://gw.example/v1", "{}")
    wire.close()
    return taped


IN_TIME, CLOSED = "gw.example did not answer in time: why", "gw.example closed the connection before its answer: why"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (httpx.ReadTimeout("why"), "timeout", IN_TIME),
        (httpx.WriteTimeout("why"), "timeout", IN_TIME),
        (httpx.ReadError("why"), "cut", CLOSED),
        (httpx.WriteError("why"), "cut", CLOSED),
        (httpx.RemoteProtocolError("why"), "cut", CLOSED),
        (httpx.CloseError("why"), "protocol", "gw.example: why"),
        (httpx.DecodingError("why"), "protocol", "gw.example: why"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_breaks_once_it_was_sent_is_lost(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str, text: str
) -> None:
    taped = raising(monkeypatch, error, sent=True)
    assert (kinds([taped]), taped.text, taped.is_lost) == ([kind], text, True)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (httpx.ConnectError("why"), "nothing answers at gw.example: why"),
        (httpx.ConnectTimeout("why"), "nothing answers at gw.example: why"),
        (httpx.ProxyError("why"), "nothing answers at gw.example: why"),
        (httpx.ReadTimeout("why"), IN_TIME),
        (httpx.ReadError("why"), CLOSED),
        (httpx.CloseError("why"), "gw.example: why"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_breaks_before_it_was_sent_is_no_connection(
    monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    taped = raising(monkeypatch, error, sent=False)
    assert (kinds([taped]), taped.text, taped.is_lost) == (["connect"], text, False)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (httpx.UnsupportedProtocol("why"), "UnsupportedProtocol: why"),
        (httpx.LocalProtocolError(f"Illegal header value b'{CANARY}'"), "LocalProtocolError: Illegal header value"),
        (httpx.LocalProtocolError(f'Illegal header value b"{CANARY}"'), "LocalProtocolError: Illegal header value"),
        (ValueError("why"), "ValueError: why"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_suite_s_own_side_does_not_send_is_told_with_its_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    taped = raising(monkeypatch, error, sent=False)
    assert (kinds([taped]), taped.text) == (["refused_to_send"], text)


@pytest.mark.parametrize(("words", "told"), [(" on\n two  lines ", "on two lines"), ("", "ReadError")])
def test_an_error_is_told_in_one_line_or_by_its_name(monkeypatch: pytest.MonkeyPatch, words: str, told: str) -> None:
    assert raising(monkeypatch, httpx.ReadError(words), sent=True).text.endswith(f"before its answer: {told}")


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_an_error_of_tls_below_another_is_a_certificate_that_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    error, between = httpx.ConnectError("why"), OSError()
    setattr(between, link, ssl.SSLError())
    setattr(error, link, between)
    taped = raising(monkeypatch, error, sent=False)
    assert (kinds([taped]), taped.text) == (["tls"], "the certificate of gw.example is not trusted: why")


def test_an_error_of_tls_in_an_answer_is_a_cut_one(monkeypatch: pytest.MonkeyPatch) -> None:
    error = httpx.ReadError("why")
    error.__cause__ = ssl.SSLError()
    assert kinds([raising(monkeypatch, error, sent=True)]) == ["cut"]


# --- what cannot be sent -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [f"Bearer {CANARY}\n", f"Bearer {CANARY}\r\nX-Other: 1", f"{CANARY}\x00", f"{CANARY}'\n"]
)
def test_an_illegal_header_is_refused_without_its_value(wire: LiveWire, url: str, value: str) -> None:
    taped = get(wire, url, Authorization=value)
    assert kinds([taped]) == ["refused_to_send"]
    assert CANARY not in taped.text


@pytest.mark.parametrize("value", [f"Bearer {CANARY}ü", f"Bearer {CANARY}密钥", "密钥密钥密钥密钥"])
def test_a_header_of_another_script_is_refused_without_its_value(wire: LiveWire, url: str, value: str) -> None:
    taped = get(wire, url, Authorization=value)
    assert kinds([taped]) == ["refused_to_send"]
    assert CANARY not in taped.text
    assert "密钥" not in taped.text


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/", "127.0.0.1/v1", "http:///v1"])
def test_an_address_that_is_none_is_refused(wire: LiveWire, address: str) -> None:
    assert kinds(attempts(wire, address)) == ["refused_to_send"]


# --- 429 ---------------------------------------------------------------------------------------------


def test_a_429_is_tried_again_when_the_server_asks(
    wire: LiveWire, url: str, script: Script, pauses: list[float]
) -> None:
    script.answers = [answering(429, Retry_After="1"), answering(429, Retry_After="3"), answering(200)]
    tried = attempts(wire, url)
    assert [(each.status, each.superseded) for each in tried] == [(429, True), (429, True), (200, False)]
    assert pauses == [1.0, 3.0]


@pytest.mark.parametrize("asked", ["1200", "11", "Wed, 01 Jan 2127 00:00:00 GMT"])
def test_a_wait_that_cannot_help_is_not_waited_for(
    wire: LiveWire, url: str, script: Script, pauses: list[float], asked: str
) -> None:
    script.answers = [answering(429, Retry_After=asked), answering(200)]
    assert kinds(attempts(wire, url)) == ["429"]
    assert pauses == []


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("1.5", 1.5), ("10", 10.0)],
)
def test_a_server_s_wish_is_heard(
    wire: LiveWire, url: str, script: Script, pauses: list[float], asked: str, seconds: float
) -> None:
    script.answers = [answering(429, Retry_After=asked), answering(200)]
    assert kinds(attempts(wire, url)) == ["429", "200"]
    assert pauses == [seconds]


def test_a_date_is_counted_from_the_answer_s_own_date() -> None:
    headers = (("Retry-After", "Sun, 22 Nov 2026 16:43:40 GMT"), ("Date", "Sun, 22 Nov 2026 16:43:37 GMT"))
    answer = Exchange("Ask", "gateway", Request("GET", "https://gw.example"), 1.0, 0.1, Response(429, headers, ()))
    assert retry_after(answer) == 3.0


@pytest.mark.parametrize(
    "asked", ["", "soon", "-1", "nan", "1e1", "9" * 400, "Sun, 22 Nov 2020 16:43:37 GMT", "Sun, 99 Nov", "\xb2"]
)
def test_an_odd_wish_is_not_heard(wire: LiveWire, url: str, script: Script, pauses: list[float], asked: str) -> None:
    script.answers = [answering(429, Retry_After=asked), answering(200)]
    assert kinds(attempts(wire, url)) == ["429", "200"]
    assert pauses == [0.5]


def test_the_last_429_is_the_answer(wire: LiveWire, url: str, script: Script, pauses: list[float]) -> None:
    script.answers = [answering(429)]
    tried = attempts(wire, url)
    assert [(each.status, each.superseded) for each in tried] == [(429, True), (429, True), (429, False)]
    assert pauses == [0.5, 2.0]


def test_a_429_does_not_make_a_host_dead(wire: LiveWire, url: str, script: Script) -> None:
    script.answers = [answering(429), answering(429), answering(429), answering(200)]
    attempts(wire, url)
    assert get(wire, url).status == 200


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, 503])
def test_other_statuses_are_answers(wire: LiveWire, url: str, script: Script, status: int) -> None:
    script.answers = [answering(status, Retry_After="1")]
    assert get(wire, url).status == status


# --- proxies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, url: str, script: Script, name: str
) -> None:
    monkeypatch.setenv(name, url)
    wire = LiveWire()
    assert get(wire, "http://gateway.example/v1/models").status == 200
    assert [seen.path for seen in script.seen] == ["http://gateway.example/v1/models"]
    wire.close()


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, url: str, script: Script, closed_port: int) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,other.example")
    wire = LiveWire()
    assert get(wire, f"{url}/v1").status == 200
    assert [seen.path for seen in script.seen] == ["/v1"]
    wire.close()


def test_a_proxy_that_refuses_is_a_connection_that_failed(
    monkeypatch: pytest.MonkeyPatch, url: str, script: Script, pauses: list[float]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    monkeypatch.setattr(Handler, "do_CONNECT", Handler.handle_any, raising=False)
    script.answers = [answering(502, b"")]
    wire = LiveWire(sleep=pauses.append)
    assert kinds(attempts(wire, "https://gateway.example/v1")) == ["connect"] * 3
    assert {seen.path for seen in script.seen} == {"gateway.example:443"}
    wire.close()


def test_a_proxy_that_hangs_up_is_a_connection_that_failed(
    monkeypatch: pytest.MonkeyPatch, url: str, script: Script, pauses: list[float]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    monkeypatch.setattr(Handler, "do_CONNECT", Handler.handle_any, raising=False)
    script.answers = [hang_up]
    wire = LiveWire(sleep=pauses.append)
    assert kinds(attempts(wire, "https://gateway.example/v1")) == ["connect"] * 3
    wire.close()
