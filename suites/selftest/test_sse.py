"""Server-sent events: what was sent is read, however the network cut it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.model.exchange import Chunk, Response
from fixtures.model.sse import Event, parse

pytestmark = pytest.mark.selftest

STREAM = (
    'event: message\r\ndata: {"answer":"größe 你好 😀"}\r\n\r\n: ping\n\ndata: a\ndata: b\r\rdata: [DONE]\n\n'
).encode()

quickly = settings(derandomize=True, max_examples=60, deadline=None)
texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)


def cut(data: bytes, borders: list[int]) -> Response:
    """A response whose body came cut at `borders`."""
    edges = [0, *sorted(border % (len(data) + 1) for border in borders), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    return Response(200, (("Content-Type", "text/event-stream"),), tuple(Chunk(0.1, piece) for piece in pieces))


@quickly
@given(st.lists(st.integers(0, 10_000), max_size=20))
def test_where_the_bytes_were_cut_makes_no_difference(borders: list[int]) -> None:
    assert cut(STREAM, borders).events() == parse(STREAM)


def test_a_stream_cut_after_every_byte_is_read_alike() -> None:
    response = cut(STREAM, list(range(len(STREAM))))
    assert [event.data for event in response.events()] == ['{"answer":"größe 你好 😀"}', "", "a\nb", "[DONE]"]


@quickly
@given(st.binary(max_size=200), st.lists(st.integers(0, 10_000), max_size=5))
def test_no_bytes_are_too_odd(data: bytes, borders: list[int]) -> None:
    for event in cut(data, borders).events():
        event.json()


@quickly
@given(st.text('dat: \r\n[]{}"eventid\ufeff', max_size=60))
def test_only_the_last_event_can_be_incomplete(text: str) -> None:
    assert all(event.complete for event in parse(text.encode())[:-1])


@quickly
@given(st.lists(st.lists(texts, min_size=1, max_size=3), max_size=4), st.sampled_from(["\n", "\r", "\r\n"]))
def test_what_was_written_is_read_with_any_line_end(blocks: list[list[str]], end: str) -> None:
    written = "".join("".join(f"data: {line}{end}" for line in block) + end for block in blocks)
    assert [event.data for event in parse(written.encode())] == ["\n".join(block) for block in blocks]


def test_an_empty_body_has_no_events() -> None:
    assert parse(b"") == []


def test_blank_lines_alone_are_no_events() -> None:
    assert parse(b"\n\r\n\r\n\n") == []


def test_an_event_has_its_name() -> None:
    assert parse(b"event: error\ndata: x\n\n") == [Event("x", "error")]


def test_a_comment_is_kept_apart_from_the_data() -> None:
    assert parse(b": PING\ndata: x\n\n") == [Event("x", comments=("PING",))]


def test_only_one_blank_after_the_colon_is_dropped() -> None:
    assert [event.data for event in parse(b"data:x\n\ndata:  x\n\n")] == ["x", " x"]


def test_data_of_several_lines_is_joined_with_line_feeds() -> None:
    assert parse(b"data: a\ndata\ndata: b\n\n") == [Event("a\n\nb")]


def test_only_line_ends_of_the_standard_end_a_line() -> None:
    text = "a\x0b\x0c\x1c\x85\u2028\u2029b"
    assert parse(f"data: {text}\n\n".encode()) == [Event(text)]


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert parse(b"\xef\xbb\xbfdata: x\n\n") == [Event("x")]


def test_id_and_retry_are_fields_and_not_stray() -> None:
    assert parse(b"id: 1\nretry: 5\ndata: x\n\n") == [Event("x")]


def test_bare_json_in_a_stream_is_stray() -> None:
    bare = '{"error":{"message":"broken"}}'
    assert parse(f"data: x\n\n{bare}\n\n".encode()) == [Event("x"), Event("", stray=(bare,))]


def test_bare_json_behind_the_last_event_is_stray_and_incomplete() -> None:
    assert parse(b'data: x\n\n{"error":1}')[-1] == Event("", stray=('{"error":1}',), complete=False)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_last_block_without_its_blank_line_is_incomplete(end: bytes) -> None:
    assert parse(b"data: a\n\ndata: b" + end) == [Event("a"), Event("b", complete=False)]


def test_the_end_mark_is_seen() -> None:
    assert [event.is_done for event in parse(b"data: {}\n\ndata: [DONE]\n\n")] == [False, True]


def test_the_end_mark_is_no_json() -> None:
    assert parse(b"data: [DONE]\n\n")[0].json() is None


def test_data_is_read_as_json() -> None:
    assert parse(b'data: {"a":\ndata: 1}\n\n')[0].json() == {"a": 1}


def test_json_that_nests_too_deep_is_none() -> None:
    assert Event("[" * 200_000).json() is None


def test_a_huge_number_is_no_crash() -> None:
    assert Event("9" * 10_000).json() is None
