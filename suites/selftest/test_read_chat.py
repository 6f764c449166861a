"""A chat completion's reader: the same reply from a plain answer and from a stream, and no crash on anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.clients.chat import ChatReply, Usage, read_chat
from fixtures.model.exchange import Breakdown, Chunk, Exchange, Request, Response

pytestmark = pytest.mark.selftest

JSON, STREAM = "application/json", "text/event-stream"
DONE = "[DONE]"

quickly = settings(derandomize=True, max_examples=30, deadline=None)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["choices", "delta"]), inner),
    max_leaves=8,
)


def exchange(body: bytes, media_type: str, *, status: int = 200, **asked: Any) -> Exchange:
    """A chat request with these members, and its answer."""
    request = Request("POST", "https://gw.example/v1/chat/completions", (), json.dumps({"model": "m", **asked}))
    response = Response(status, (("Content-Type", media_type),), (Chunk(0.1, body),))
    return Exchange("Ask", "gateway", request, 1.0, 0.5, response)


def plain(body: Any, **more: Any) -> ChatReply:
    """The reply that a plain answer is read as."""
    return read_chat(exchange(json.dumps(body).encode(), JSON, **more))


def streamed(*events: Any, **more: Any) -> ChatReply:
    """The reply that a stream of these events (texts, or objects to be written as JSON) is read as."""
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    body = "".join(f"data: {text}\n\n" for text in texts).encode()
    return read_chat(exchange(body, more.pop("media_type", STREAM), stream=True, **more))


def message(**members: Any) -> dict[str, Any]:
    """A plain answer whose only choice has a message of these members."""
    return {"choices": [{"index": 0, "message": {"role": "assistant", **members}}]}


def delta(**members: Any) -> dict[str, Any]:
    """A chunk whose only choice has a delta of these members."""
    return {"choices": [{"index": 0, "delta": members}]}


def finish(reason: Any) -> dict[str, Any]:
    """A chunk that gives the choice's finish_reason."""
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def piece(index: Any, **members: Any) -> dict[str, Any]:
    """A chunk with a piece of the tool call at this index."""
    return delta(tool_calls=[{"index": index, **members}])


# --- a plain answer -------------------------------------------------------------------------------------


def test_a_plain_answer_s_text_is_its_message_s_content() -> None:
    reply = plain(message(content="größe"))
    assert (reply.text, reply.streamed, reply.chunks) == ("größe", False, ())


@pytest.mark.parametrize("stream", [False, None, "true", 1])
def test_only_stream_true_asks_for_a_stream(stream: Any) -> None:
    assert plain(message(content="OK"), stream=stream).text == "OK"


@pytest.mark.parametrize("content", [None, 7, ["OK"], {"text": "OK"}])
def test_content_that_is_no_text_reads_as_empty(content: Any) -> None:
    assert plain(message(content=content)).text == ""


def test_a_message_without_content_reads_as_empty() -> None:
    assert plain(message()).text == ""


def test_a_plain_answer_has_the_finish_reason_of_its_choice() -> None:
    reply = plain({"choices": [{"finish_reason": "length"}, {"finish_reason": "stop"}]})
    assert (reply.finish_reasons, reply.finish_reason) == (("length",), "length")


@pytest.mark.parametrize("reason", [None, 1, ["stop"]])
def test_a_finish_reason_that_is_no_text_is_none(reason: Any) -> None:
    reply = plain({"choices": [{"finish_reason": reason}]})
    assert (reply.finish_reasons, reply.finish_reason) == ((), "")


def test_a_plain_answer_s_tool_calls_stay_as_they_are() -> None:
    calls = [{"id": "c1", "function": {"name": "weather", "arguments": "{}"}}, {"id": "c2"}]
    assert plain(message(tool_calls=[*calls, "no call"])).tool_calls == tuple(calls)


def test_a_plain_answer_tells_its_model_and_its_usage() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    reply = plain({**message(content="OK"), "model": "gpt-5.4", "usage": usage})
    assert (reply.model, reply.usage) == ("gpt-5.4", Usage(3, 4, 7))


def test_a_model_that_is_no_text_reads_as_empty() -> None:
    assert plain({"model": 5}).model == ""


def test_a_reply_keeps_its_exchange() -> None:
    taped = exchange(b"{}", JSON)
    assert read_chat(taped).exchange is taped
    asked = exchange(b"", STREAM, stream=True)
    assert read_chat(asked).exchange is asked


# --- usage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", [None, [], "7", 7])
def test_usage_that_is_no_object_is_none(absent: Any) -> None:
    assert Usage.read(absent) is None


@pytest.mark.parametrize("count", [None, "3", 3.0, True])
def test_a_count_that_is_no_integer_reads_as_minus_one(count: Any) -> None:
    assert Usage.read({"prompt_tokens": count, "completion_tokens": 0, "total_tokens": 9}) == Usage(-1, 0, 9)


# --- a stream -------------------------------------------------------------------------------------------


def test_a_stream_s_text_is_that_of_all_deltas() -> None:
    reply = streamed(delta(role="assistant", content=""), delta(content="O"), delta(content="K"), finish("stop"), DONE)
    assert (reply.text, reply.streamed) == ("OK", True)


def test_a_delta_without_text_adds_none() -> None:
    assert streamed(delta(content="O"), delta(content=None), delta(content=1), delta(content="K")).text == "OK"


def test_the_chunks_of_a_stream_are_its_objects_without_the_end_mark() -> None:
    assert streamed(delta(content="O"), finish("stop"), DONE).chunks == (delta(content="O"), finish("stop"))


def test_an_event_without_data_is_no_chunk() -> None:
    body = b"event: ping\ndata:\n\n: comment\n\ndata: {}\n\n"
    assert read_chat(exchange(body, STREAM, stream=True)).chunks == ({},)


def test_all_finish_reasons_of_a_stream_are_kept_and_the_last_counts() -> None:
    reply = streamed(finish(None), finish("length"), finish(3), finish("stop"))
    assert (reply.finish_reasons, reply.finish_reason) == (("length", "stop"), "stop")


def test_a_cut_stream_has_no_finish_reason() -> None:
    assert streamed(delta(content="O")).finish_reason == ""


def test_the_last_usage_of_a_stream_counts() -> None:
    first, last = ({"prompt_tokens": 3, "completion_tokens": n, "total_tokens": 3 + n} for n in (1, 2))
    reply = streamed({"usage": first}, {"usage": last}, {"usage": None})
    assert reply.usage == Usage(3, 2, 5)


def test_a_stream_may_tell_no_usage() -> None:
    assert streamed(delta(content="OK")).usage is None


def test_the_first_model_that_a_stream_tells_counts() -> None:
    assert streamed({"model": ""}, {"model": "gpt-5.4"}, {"model": "other"}).model == "gpt-5.4"
    assert streamed({}, DONE).model == ""


def test_the_pieces_of_tool_calls_stay_as_they_came() -> None:
    pieces = [{"index": 0, "id": "a", "type": "function"}, {"index": 0, "function": {"arguments": "{}"}}]
    reply = streamed(*(delta(tool_calls=[each, "no piece"]) for each in pieces))
    assert reply.call_pieces == tuple(pieces)
    assert plain(message(tool_calls=pieces)).call_pieces == tuple(pieces)


def test_tool_calls_of_a_stream_are_put_together_by_their_index() -> None:
    reply = streamed(
        piece(1, id="b", function={"name": "time", "arguments": ""}),
        piece(0, id="a", function={"name": "wea", "arguments": '{"ci'}),
        piece(0, function={"name": "ther", "arguments": 'ty":1}'}),
        piece(1, id="2", function={"arguments": "{}"}),
    )
    assert reply.tool_calls == (
        {"id": "a", "function": {"name": "weather", "arguments": '{"city":1}'}},
        {"id": "b2", "function": {"name": "time", "arguments": "{}"}},
    )


def test_a_piece_of_a_tool_call_without_an_index_belongs_to_none() -> None:
    reply = streamed(delta(tool_calls=[{"index": "0", "id": "lost"}, {"index": 0, "id": "a"}]))
    assert reply.tool_calls == ({"id": "a", "function": {"name": "", "arguments": ""}},)


def test_a_tool_call_of_nothing_but_its_index_is_empty() -> None:
    assert streamed(piece(0)).tool_calls == ({"id": "", "function": {"name": "", "arguments": ""}},)


# --- errors ---------------------------------------------------------------------------------------------


def test_an_error_of_a_plain_answer_is_kept() -> None:
    assert plain({"error": {"message": "no"}}, status=400).error == {"message": "no"}


def test_the_first_error_inside_a_stream_is_kept() -> None:
    assert streamed(delta(content="O"), {"error": {"code": 1}}, {"error": {"code": 2}}).error == {"code": 1}


def test_an_error_in_place_of_a_stream_is_kept() -> None:
    taped = exchange(b'{"error": {"message": "no"}}', JSON, status=400, stream=True)
    assert read_chat(taped).error == {"message": "no"}


def test_a_stream_without_an_error_has_none() -> None:
    assert streamed(delta(content="OK"), {"error": None}, DONE).error is None


# --- ok -------------------------------------------------------------------------------------------------


def test_a_plain_answer_with_a_choice_is_ok() -> None:
    assert plain(message(content="OK")).ok


def test_a_stream_with_a_choice_in_any_chunk_is_ok() -> None:
    assert streamed({"choices": []}, delta(content="OK"), {"choices": []}).ok


@pytest.mark.parametrize("status", [201, 400, 500])
def test_another_status_than_200_is_not_ok(status: int) -> None:
    assert not plain(message(content="OK"), status=status).ok


@pytest.mark.parametrize("body", [{"choices": []}, {}, [], {"choices": [None]}])
def test_an_answer_without_a_choice_is_not_ok(body: Any) -> None:
    assert not plain(body).ok


def test_an_answer_with_an_error_beside_its_choice_is_not_ok() -> None:
    assert not plain({**message(content="OK"), "error": {}}).ok


def test_an_answer_of_the_other_kind_s_type_is_not_ok() -> None:
    assert not streamed(delta(content="OK"), media_type=JSON).ok
    assert not read_chat(exchange(json.dumps(message(content="OK")).encode(), STREAM)).ok


@pytest.mark.parametrize("stream", [False, True])
def test_no_answer_is_an_empty_reply_that_is_not_ok(stream: bool) -> None:
    taped = replace(exchange(b"", JSON, stream=stream), response=None, breakdown=Breakdown("cut", "why"))
    reply = read_chat(taped)
    assert (reply.ok, reply.text, reply.chunks, reply.tool_calls, reply.error) == (False, "", (), (), None)


# --- whatever came back ---------------------------------------------------------------------------------


@quickly
@given(anything)
def test_no_answer_is_too_odd_to_be_read(body: Any) -> None:
    assert isinstance(plain(body).text, str)
    assert isinstance(streamed(body, DONE).text, str)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"data: {\n\ndata: 7\n\n", b"[" * 100_000], ids=len)
def test_what_is_no_completion_reads_as_an_empty_reply(body: bytes, stream: bool) -> None:
    reply = read_chat(exchange(body, JSON, stream=stream))
    assert (reply.text, reply.finish_reason, reply.tool_calls, reply.usage, reply.model) == ("", "", (), None, "")
