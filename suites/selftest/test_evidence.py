"""Evidence keeps what came and says how it ended; what broke off is never judged as an answer."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from fixtures.acting.recording import Manifest, publish, write_manifest
from fixtures.model.exchange import Breakdown, Chunk, Ended, Exchange, Request, Response
from fixtures.model.guide import guide
from fixtures.model.key import Key
from fixtures.model.profiles import load_profile
from fixtures.proof.change import changed
from fixtures.wire.act import Act, TransportFailed
from fixtures.wire.redaction import Redactor
from fixtures.wire.settings import Settings
from fixtures.wire.tape import Replay, TapeError, write
from reports.allure_adapter import rendered
from suites.selftest.stories import told

pytestmark = pytest.mark.selftest

KEY = Key("gpt-5.4", "short_chat")
URL = "http://127.0.0.1:3000/v1/chat/completions"
CHUNKS = tuple(Chunk(0.1 * number, f"data: {number}\n\n".encode()) for number in range(1, 41))
STREAM = (("Content-Type", "text/event-stream"),)


def exchange(ended: Ended = Ended.COMPLETE, chunks: tuple[Chunk, ...] = CHUNKS) -> Exchange:
    """A streamed answer of forty chunks."""
    request = Request("POST", URL, (), '{"stream":true}')
    return Exchange("Ask", "gateway", request, 1.0, 4.0, Response(200, STREAM, chunks, ended))


def replayed(*tape: Exchange) -> Act:
    """What a step acts with when this is its tape."""
    return Act(
        key=KEY,
        settings=Settings(MappingProxyType({})),
        profile=load_profile("gpt-5.4"),
        edition=guide().edition,
        run_id="run",
        wire=Replay(KEY, tape, Redactor()),
        pause=lambda seconds: None,
        learn=lambda label, value: value,
        invent=lambda label, value: value,
        cleanup=lambda what, remove: None,
        alone=nullcontext,
    )


BROKEN = [ended for ended in Ended if ended is not Ended.COMPLETE]


@pytest.mark.parametrize("ended", BROKEN)
def test_a_step_never_gets_an_answer_that_is_not_whole(ended: Ended) -> None:
    broken = exchange(ended)
    with pytest.raises(TransportFailed) as caught:
        replayed(broken).send("gateway", "Ask", broken.request)
    assert caught.value.exchange == broken
    assert f"{ended} after 40 chunks, {len(b''.join(c.data for c in CHUNKS))} bytes: …" in str(caught.value)
    assert str(caught.value).endswith("data: 39 data: 40")


def test_a_whole_answer_is_given_as_it_came() -> None:
    assert replayed(exchange()).send("gateway", "Ask", exchange().request) == exchange()


def test_an_answer_without_a_body_says_so() -> None:
    assert exchange(Ended.CUT, ()).summary().endswith("text/event-stream, cut after 0 chunks, 0 bytes")
    assert exchange(Ended.CUT, CHUNKS[:1]).summary().endswith("cut after 1 chunk, 9 bytes: …data: 1")


@pytest.mark.parametrize(
    ("ended", "layer"),
    [
        (Ended.CUT, "network"),
        (Ended.TIMEOUT, "network"),
        (Ended.TOO_LARGE, "protocol"),
        (Ended.DECODING, "protocol"),
    ],
)
def test_the_cause_of_what_did_not_come_whole_is_seen(ended: Ended, layer: str) -> None:
    found = told(exchange(ended))
    assert (found.layer, found.guide_row, found.certainty) == (layer, "", "seen")
    assert "127.0.0.1:3000 " in found.cause


def test_what_the_suite_itself_ended_says_nothing_of_the_pair() -> None:
    stopped = exchange(Ended.STOPPED)
    not_sent = replace(stopped, response=None, breakdown=Breakdown("stopped", "not sent"))
    assert [told(each).layer for each in (stopped, not_sent)] == ["settings", "settings"]


def test_the_report_shows_what_came() -> None:
    shown = rendered(exchange(Ended.CUT))
    assert "\ncut after 40 chunks" in shown
    assert "data: 1\n\ndata: 2\n" in shown


# --- what counts as lost ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "lost"),
    [
        ("complete", False),
        ("cut", True),
        ("timeout", True),
        ("too_large", False),
        ("decoding", False),
        ("stopped", False),
    ],
)
def test_an_answer_is_lost_where_the_pair_let_it_break_off(ended: str, lost: bool) -> None:
    assert exchange(Ended(ended)).is_lost == lost


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        *((kind, True) for kind in ("cut", "timeout", "protocol")),
        *((kind, False) for kind in ("connect", "tls", "dead_host", "refused_to_send", "stopped")),
    ],
)
def test_a_request_without_an_answer_is_lost_once_it_was_sent(kind: str, lost: bool) -> None:
    assert replace(exchange(), response=None, breakdown=Breakdown(kind, "")).is_lost == lost


# --- seeded -------------------------------------------------------------------------------------------


def test_a_seeded_end_keeps_its_share_of_the_bytes_in_their_chunks() -> None:
    broken = changed(exchange(), [{"end": {"as": "cut", "after": 0.1}}])
    assert broken.response is not None
    assert broken.response.ended is Ended.CUT
    assert [chunk.data for chunk in broken.response.chunks[:-1]] == [chunk.data for chunk in CHUNKS[:4]]
    assert broken.text.endswith("data: 4\n\ndat")


def test_a_seeded_loss_is_no_answer_at_all() -> None:
    assert changed(exchange(), [{"lose": "cut"}]).response is None


# --- secrets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [5, 8, 20, 34])
def test_the_beginning_of_a_secret_at_the_end_of_what_came_is_left_out(length: int) -> None:
    secret = "sk-Canary5Bird7Main0123456789abcdefg"
    redactor = Redactor()
    redactor.learn("KEY", secret)
    data = b"data: " + secret[:length].encode()
    cut = exchange(Ended.CUT, (Chunk(0.1, data[:8]), Chunk(0.2, data[8:])))
    (taped,) = redactor.tape([cut])
    assert taped.text == "data: "
    assert taped.response is not None
    assert len(taped.response.chunks) == 2


# --- publishing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", BROKEN)
def test_what_is_not_whole_is_not_published(tmp_path: Path, ended: Ended) -> None:
    write(tmp_path / "evidence" / KEY.file, KEY, [exchange(ended)])
    manifest = Manifest("run", "2026-11-24", "live", "gpt-5.4", {"gpt-5.4": {}}, "2026-03-23", {}, False, False)
    write_manifest(tmp_path / "evidence", manifest)
    with pytest.raises(TapeError, match=f"the answer of gpt-5.4/short_chat#1 was {ended} after 40 chunks"):
        publish(tmp_path / "evidence", tmp_path / "recording", manifest)
    assert not (tmp_path / "recording").exists()
