"""What a stream must look like on the wire, where SDKs forgive."""

import pytest

from fixtures.model.exchange import dig
from fixtures.model.requirement import requirement
from fixtures.model.sse import Event
from fixtures.steps.gateway.chat import Twins

pytestmark = pytest.mark.audit


def events_of(twins: Twins) -> list[Event]:
    """The events of the streamed answer."""
    response = twins.streamed.exchange.response
    return response.events() if response else []


@requirement("WIRE-10")
def test_a_stream_ends_with_one_done(long_chat: Twins) -> None:
    response = long_chat.streamed.exchange.response
    events = [event for event in events_of(long_chat) if event.data or event.stray]
    done = [number for number, event in enumerate(events, 1) if event.is_done]
    assert response and response.media_type == "text/event-stream", (
        f"expected text/event-stream, got {long_chat.streamed.exchange.summary()}"
    )
    assert done == [len(events)], f"expected one [DONE] as the last of {len(events)} events, found it at {done}"


@requirement("WIRE-11")
def test_a_stream_holds_nothing_but_json(long_chat: Twins) -> None:
    events = events_of(long_chat)
    stray = [line for event in events for line in event.stray]
    broken = [e.data for e in events if e.data and not e.is_done and not isinstance(e.json(), dict)]
    assert long_chat.streamed.chunks, f"expected chunks, got {long_chat.streamed.exchange.summary()}"
    assert not stray, f"expected every line to be an SSE field or comment, found {stray[:3]}"
    assert not broken, f"expected JSON after every data:, found {broken[:3]}"


@requirement("WIRE-12")
def test_all_chunks_have_one_id(long_chat: Twins) -> None:
    ids = [dig(chunk, "id") for chunk in long_chat.streamed.chunks]
    first = ids[0] if ids else None
    assert isinstance(first, str) and first, f"expected an id in every chunk, found {ids or 'no chunks'}"
    assert all(id == first for id in ids), f"expected one id in all chunks, found {ids}"


@requirement("WIRE-13")
def test_the_first_delta_has_the_role(long_chat: Twins) -> None:
    deltas = [dig(chunk, "choices", 0, "delta") for chunk in long_chat.streamed.chunks]
    role = dig(next((delta for delta in deltas if delta is not None), None), "role")
    assert role == "assistant", f"expected the role assistant in the first delta, found {role!r}"


@requirement("WIRE-14")
def test_the_finish_reason_comes_once_and_last(long_chat: Twins) -> None:
    choices = [dig(chunk, "choices", 0) for chunk in long_chat.streamed.chunks]
    finished = [number for number, choice in enumerate(choices) if dig(choice, "finish_reason")]
    spoken = [number for number, choice in enumerate(choices) if dig(choice, "delta", "content")]
    assert spoken, f"expected text in the stream, got {long_chat.streamed.exchange.summary()}"
    assert len(finished) == 1, f"expected one finish_reason in the stream, found {len(finished)}"
    assert finished[0] >= spoken[-1], f"expected it after the last text (chunk {spoken[-1]}), it is in {finished[0]}"


@requirement("WIRE-15")
def test_usage_comes_once_in_a_chunk_without_choices(long_chat: Twins) -> None:
    chunks = long_chat.streamed.chunks
    counted = [number for number, chunk in enumerate(chunks) if dig(chunk, "usage")]
    without = [number for number, chunk in enumerate(chunks) if dig(chunk, "choices") == []]
    assert len(counted) == 1, f"expected usage in one chunk of {len(chunks)}, found it in {counted}"
    assert without == counted, f"expected no choices in that chunk only, none are in {without}"


@requirement("WIRE-40")
def test_a_stream_s_lines_end_in_lf(long_chat: Twins) -> None:
    response = long_chat.streamed.exchange.response
    body = response.body if response else b""
    assert b"\n\n" in body, f"expected events that end in LF LF, got {long_chat.streamed.exchange.summary()}"
    assert b"\r" not in body, "expected lines that end in LF alone, the stream has CR"


@requirement("WIRE-16")
@pytest.mark.live_only("a recording has no timing of its own")
def test_a_stream_comes_in_pieces_over_time(long_chat: Twins) -> None:
    exchange = long_chat.streamed.exchange
    times = [chunk.at for chunk in exchange.response.chunks] if exchange.response else []
    assert long_chat.streamed.ok, f"expected a stream, got {exchange.summary()}"
    # what comes within a second shows nothing: the pieces of a fast vendor may share a packet
    assert len(times) >= 3 or exchange.elapsed < 1, f"expected many pieces over time, they came after {times} s"
