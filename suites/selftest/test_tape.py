"""Tapes: what was written is read, and replay is ordered and strict."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.acting.recording import RECORDINGS
from fixtures.model.exchange import Breakdown, Chunk, Ended, Exchange, Request, Response, from_data, to_data
from fixtures.model.key import Key
from fixtures.wire import tape
from fixtures.wire.redaction import Redactor
from fixtures.wire.tape import RECORD_AGAIN, OffTape, Provenance, Replay, TapeError, write, write_atomically
from fixtures.wire.transport import Sending


def read(path: Path, key: Key, digest: str | None = None) -> list[Exchange]:
    """The exchanges of a tape."""
    return tape.read(path, key, digest).exchanges


pytestmark = pytest.mark.selftest

KEY = Key("gpt-5.4", "first_chat")
URL = "http://127.0.0.1:3000/v1/chat/completions"

quickly = settings(derandomize=True, max_examples=40, deadline=None)


# --- the file -----------------------------------------------------------------------------------------


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Some umask of a user's."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.parametrize("key", [KEY, Key("shared", "first_app"), Key("a.yaml", "b.yaml")], ids=str)
def test_a_key_is_known_by_its_file_s_name(key: Key) -> None:
    assert Key.of_file(key.file.as_posix()) == key


@pytest.mark.usefixtures("umask")
def test_a_file_gets_the_mode_that_open_gives(tmp_path: Path) -> None:
    (tmp_path / "opened").write_bytes(b"")
    write_atomically(tmp_path / "written", b"whole")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "opened").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["opened", "written"]


# --- to YAML and back --------------------------------------------------------------------------------

odd = st.sampled_from(
    [
        "\x85",
        "\ufeff",
        "\u2028",
        "\u2029",
        "😀",
        "\ufffe",
        "\uffff",
        "\x00",
        "\x7f",
        "\r\n",
        "\t",
        "- ",
        ": ",
        " #",
        "'",
    ]
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.lists(odd, max_size=6).map("".join)
latin = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_categories=["Cc"]), max_size=30)
headers = st.lists(st.tuples(st.text("abcXYZ-", min_size=1), latin), max_size=4).map(tuple)
seconds = st.floats(0, 1e10)
requests = st.builds(Request, st.sampled_from(["GET", "POST"]), texts, headers, st.none() | texts)
chunks = st.lists(st.builds(Chunk, seconds, st.binary(max_size=40) | texts.map(str.encode)), max_size=4).map(tuple)
exchanges = st.builds(
    Exchange,
    why=texts,
    side=st.sampled_from(["gateway", "dify"]),
    request=requests,
    sent_at=seconds,
    elapsed=seconds,
    response=st.none() | st.builds(Response, st.integers(100, 599), headers, chunks, st.sampled_from(Ended)),
    breakdown=st.none() | st.builds(Breakdown, texts, texts),
    poll=st.none() | st.integers(1, 9),
    superseded=st.booleans(),
    provoked=texts,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tapes") / KEY.file


@quickly
@given(taped=st.lists(exchanges, max_size=3))
def test_what_was_written_is_read(file: Path, taped: list[Exchange]) -> None:
    write(file, KEY, taped)
    assert read(file, KEY) == [replace(each, tape=KEY, number=number) for number, each in enumerate(taped, 1)]


@quickly
@given(taped=exchanges)
def test_a_tape_is_valid_yaml_for_any_reader(file: Path, taped: Exchange) -> None:
    write(file, KEY, [taped])
    data = yaml.load(file.read_bytes(), Loader=yaml.SafeLoader)
    assert (data["profile"], data["step"]) == ("gpt-5.4", "first_chat")
    assert from_data(data["exchanges"][0]) == taped


def test_a_border_inside_a_character_survives(file: Path) -> None:
    cut = exchange(response=Response(200, (), (Chunk(0.1, b"\xc3"), Chunk(0.2, b"\xbc"))))
    write(file, KEY, [cut])
    assert read(file, KEY)[0].response == cut.response


def test_writing_leaves_no_other_file(tmp_path: Path) -> None:
    write(tmp_path / KEY.file, KEY, [])
    assert [path.name for path in (tmp_path / KEY.file).parent.iterdir()] == ["first_chat.yaml"]


def test_a_tape_is_written_for_people_in_new_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / KEY.file
    write(path, KEY, [exchange(why="größe " * 30)])
    text = path.read_text("utf-8")
    assert text.startswith("step: first_chat\nprofile: gpt-5.4\nexchanges:\n- why: 'größe ")
    assert max(map(len, text.splitlines())) <= 120


def test_a_tape_is_prepared_beside_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))  # another disk: no atomic move from there
    write(tmp_path / "tape.yaml", KEY, [])
    assert read(tmp_path / "tape.yaml", KEY) == []


def test_writing_replaces_what_was_there(file: Path) -> None:
    write(file, KEY, [exchange(), exchange()])
    write(file, KEY, [exchange()])
    assert len(read(file, KEY)) == 1


def test_only_what_is_not_whole_says_how_it_ended(file: Path) -> None:
    cut = exchange(response=Response(200, (), (Chunk(0.5, b"ok"),), Ended.CUT))
    write(file, KEY, [exchange(), cut])
    whole, broken = yaml.safe_load(file.read_bytes())["exchanges"]
    assert list(whole["response"]) == ["status", "headers", "chunks"]
    assert broken["response"]["ended"] == "cut"


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*/*/short_chat.yaml")), ids=str)
def test_a_recorded_tape_is_written_again_as_it_is(tmp_path: Path, path: Path) -> None:
    key = Key(path.parent.name, path.stem)
    recorded = tape.read(path, key)
    write(tmp_path / key.file, key, recorded.exchanges, recorded.provenance)
    assert (tmp_path / key.file).read_bytes() == path.read_bytes()


# --- digests -----------------------------------------------------------------------------------------


@quickly
@given(exchanges)
def test_a_digest_is_the_same_after_a_tape(one: Exchange) -> None:
    assert replace(from_data(to_data(one)), tape=KEY, number=1).digest() == one.digest()


def test_a_digest_does_not_change_between_versions_of_the_suite() -> None:
    assert exchange().digest() == "cc4587e94b8124b2c78f2e921c828e0806c3f5ef6e8897591217aab7b131e3ce"


CHANGES: list[dict[str, Any]] = [
    {"why": "Another"},
    {"side": "dify"},
    {"request": Request("GET", URL)},
    {"request": Request("POST", URL + "?")},
    {"request": Request("POST", URL, (("A", "b"),))},
    {"request": Request("POST", URL, (), "")},
    {"sent_at": 2.0},
    {"elapsed": 0.7},
    {"response": None},
    {"response": Response(201, (), (Chunk(0.5, b"ok"),))},
    {"response": Response(200, (("A", "b"),), (Chunk(0.5, b"ok"),))},
    {"response": Response(200, (), (Chunk(0.6, b"ok"),))},
    {"response": Response(200, (), (Chunk(0.5, b"o"), Chunk(0.5, b"k")))},
    {"response": Response(200, (), (Chunk(0.5, b"o\xff"),))},
    {"response": Response(200, (), (Chunk(0.5, b"ok"),), Ended.CUT)},
    {"response": Response(200, (), (Chunk(0.5, b"ok"),), Ended.TIMEOUT)},
    {"breakdown": Breakdown("cut", "x")},
    {"poll": 1},
    {"superseded": True},
    {"provoked": "ERR-04"},
]


def test_a_digest_changes_with_every_field() -> None:
    digests = [exchange().digest(), *(exchange(**change).digest() for change in CHANGES)]
    assert len(set(digests)) == len(digests)


@quickly
@given(exchanges, exchanges)
def test_digests_are_equal_only_of_equal_exchanges(one: Exchange, other: Exchange) -> None:
    assert (one.digest() == other.digest()) == (one == other)


# --- damaged tapes -----------------------------------------------------------------------------------


def test_a_missing_tape_says_to_record(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=f"no recording of {KEY}: {RECORD_AGAIN}"):
        read(tmp_path / "none.yaml", KEY)


def test_a_folder_is_no_tape(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=RECORD_AGAIN):
        read(tmp_path, KEY)


def test_a_damaged_tape_says_which_and_how(file: Path) -> None:
    write(file, KEY, [])
    file.write_text("exchanges: 5", "utf-8")
    with pytest.raises(TapeError, match=f"^{KEY}: the recording is damaged \\(TypeError\\); {RECORD_AGAIN}$"):
        read(file, KEY)


def test_the_manifests_digest_is_accepted(file: Path) -> None:
    write(file, KEY, [exchange()])
    assert read(file, KEY, hashlib.sha256(file.read_bytes()).hexdigest())


def test_another_digest_than_the_manifests_is_refused(file: Path) -> None:
    write(file, KEY, [exchange()])
    with pytest.raises(TapeError, match=f"{KEY}: .*another digest.*{RECORD_AGAIN}"):
        read(file, KEY, hashlib.sha256(b"").hexdigest())


def read_or_refuse(file: Path, data: bytes) -> list[Exchange]:
    """What is read from a file with these bytes; an empty list where the tape is refused."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    try:
        return read(file, KEY)
    except TapeError:
        return []


@settings(quickly, max_examples=150)
@given(data=st.binary(max_size=60) | st.text("!<>{}[]-:&*'\" \n\tabintfloat0123.|>%@", max_size=40).map(str.encode))
def test_arbitrary_bytes_are_no_tape(file: Path, data: bytes) -> None:
    assert read_or_refuse(file, data) == []


@quickly
@given(fraction=st.floats(0, 0.99))
def test_a_truncated_tape_is_refused_or_says_less(file: Path, fraction: float) -> None:
    taped = [exchange(), exchange(why="Again")]
    write(file, KEY, taped)
    data = file.read_bytes()
    found = read_or_refuse(file, data[: int(len(data) * fraction)])
    assert all(isinstance(each, Exchange) for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "exchanges: 5",
        "exchanges: {a: b}",
        "exchanges: [null]",
        "- exchanges: []",
        "exchanges: [*none]",
        "exchanges: !!int ''",
        "exchanges: !!timestamp x",
        "exchanges: !!bool x",
        "exchanges: !!python/object/apply:os.getcwd []",
        "exchanges: " + "[" * 5_000,
        "exchanges: " + "9" * 5_000,
        "? [a]\n: b",
        "exchanges: 2026-99-99",
    ],
    ids=lambda text: text[:40].replace("\n", " "),
)
def test_odd_yaml_is_no_tape(file: Path, text: str) -> None:
    assert read_or_refuse(file, text.encode()) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def paths(data: Any) -> list[tuple[Any, ...]]:
    """Where each part of nested data is."""
    if not isinstance(data, dict | list):
        return [()]
    parts = data.items() if isinstance(data, dict) else enumerate(data)
    return [(), *((key, *rest) for key, part in parts for rest in paths(part))]


WHOLE = Exchange(
    "Ask",
    "gateway",
    Request("POST", URL, (("A", "b"),), "{}"),
    1.0,
    0.5,
    Response(200, (("A", "b"),), (Chunk(0.5, b"ok"), Chunk(0.6, b"\xff")), Ended.CUT),
    Breakdown("cut", "x"),
    1,
    True,
    "ERR-04",
)


@settings(quickly, max_examples=300)
@given(place=st.sampled_from(paths(to_data(WHOLE))[1:]), value=values)
def test_a_part_of_another_kind_is_refused_or_read_as_its_kind(place: tuple[Any, ...], value: Any) -> None:
    data = part = to_data(WHOLE)
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    found = whole_or_none(data)
    assert found is None or is_sound(found), found


def whole_or_none(data: Any) -> Exchange | None:
    """The exchange that the data form tells, None where it is refused."""
    try:
        return from_data(data)
    except (KeyError, TypeError, ValueError):
        return None


def is_sound(one: Exchange) -> bool:
    """Whether all parts are of their kinds."""
    response, breakdown = one.response, one.breakdown
    pairs = [*one.request.headers, *(response.headers if response else ())]
    words = [one.why, one.side, one.request.method, one.request.url, *(word for pair in pairs for word in pair)]
    words += [one.provoked, one.request.body or "", *([breakdown.kind, breakdown.message] if breakdown else [])]
    return (
        all(type(word) is str for word in words)
        and (response is None or (type(response) is Response and type(response.ended) is Ended))
        and (breakdown is None or type(breakdown) is Breakdown)
        and (one.poll is None or type(one.poll) is int)
        and len(one.digest()) == 64
    )


# --- replay ------------------------------------------------------------------------------------------


def exchange(**changes: Any) -> Exchange:
    """An answered POST."""
    request = Request("POST", URL, (("Authorization", "Bearer {{KEY}}"),), '{"model":"m","n":1}')
    response = Response(200, (), (Chunk(0.5, b"ok"),))
    return replace(Exchange("Ask", "gateway", request, 1.0, 0.5, response), **changes)


def asking(number: int, **changes: Any) -> Exchange:
    """An exchange of its own path."""
    return exchange(request=Request("GET", f"http://127.0.0.1/{number}"), **changes)


def replaying(*taped: Exchange) -> Replay:
    return Replay(KEY, taped, Redactor())


def send(replay: Replay, like: Exchange) -> list[Exchange]:
    """Send a request such as that of `like`."""
    return list(replay.send(Sending("In other words", like.side, like.request, like.poll)))


def test_answers_come_in_the_recorded_order() -> None:
    taped = [exchange(), exchange(why="Second"), asking(1)]
    replay = replaying(*taped)
    assert [send(replay, each) for each in taped] == [[each] for each in taped]
    replay.finish()


def test_another_order_is_refused() -> None:
    with pytest.raises(TapeError, match=r"a later recorded one:\n\(same, but in another order\)") as caught:
        send(replaying(exchange(), asking(1)), asking(1))
    assert RECORD_AGAIN in str(caught.value)


def test_superseded_attempts_come_before_the_answer() -> None:
    taped = [exchange(superseded=True), exchange(superseded=True), exchange(why="Last"), asking(1)]
    assert send(replaying(*taped), exchange()) == taped[:3]


REQUEST = exchange().request


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"method": "PUT"}, f"+PUT {URL}"),
        ({"url": URL + "?a=1"}, f"+POST {URL}?a=1"),
        ({"headers": (("Authorization", "Bearer {{OTHER}}"),)}, "+Authorization: Bearer {{OTHER}}"),
        ({"headers": ()}, "-Authorization: Bearer {{KEY}}"),
        ({"body": '{"model":"m","n":2}'}, '+ "n": 2'),
        ({"body": "no JSON"}, "+no JSON"),
        ({"body": None}, '- "n": 1'),
    ],
)
def test_a_changed_request_is_refused_with_the_difference(change: dict[str, Any], line: str) -> None:
    with pytest.raises(TapeError) as caught:
        send(replaying(asking(1), exchange(), asking(2)), exchange(request=replace(REQUEST, **change)))
    assert line in str(caught.value).splitlines()
    assert str(KEY) in str(caught.value)
    assert RECORD_AGAIN in str(caught.value)


@pytest.mark.parametrize("number", [0, 1])
def test_the_difference_says_how_far_off_the_nearest_request_is(number: int) -> None:
    taped = [asking(1), asking(1)]
    taped[number] = exchange()
    changed = exchange(request=replace(REQUEST, body='{"model":"m","n":2}'))
    with pytest.raises(TapeError, match=["nearest is the next recorded", "nearest is a later recorded"][number]):
        send(replaying(*taped), changed)


def test_the_difference_is_a_short_diff_of_sorted_lines() -> None:
    changed = exchange(request=replace(REQUEST, body='{"n":2,"model":"größe"}'))
    with pytest.raises(TapeError) as caught:
        send(replaying(exchange()), changed)
    assert str(caught.value).splitlines()[1:-1] == [
        "--- recorded",
        "+++ sent now",
        "@@ -3,4 +3,4 @@",
        " {",
        '- "model": "m",',
        '- "n": 1',
        '+ "model": "größe",',
        '+ "n": 2',
        " }",
    ]


def test_one_request_too_many_is_refused() -> None:
    replay = replaying(exchange())
    send(replay, exchange())
    with pytest.raises(TapeError, match=rf"POST {URL} was never recorded here; {RECORD_AGAIN}"):
        send(replay, exchange())


def test_a_tape_that_ends_before_the_answer_is_refused() -> None:
    with pytest.raises(TapeError, match="never recorded here"):
        send(replaying(exchange(superseded=True)), exchange())


def test_requests_that_are_no_longer_sent_are_an_error() -> None:
    replay = replaying(exchange(), asking(1), asking(2))
    send(replay, exchange())
    with pytest.raises(TapeError, match=r"2 recorded .* no longer sent, first GET http://127\.0\.0\.1/1"):
        replay.finish()


def test_a_finished_tape_is_no_error() -> None:
    replaying().finish()


@pytest.mark.parametrize("body", ['{"n":1,"model":"m"}', '{ "model": "m",\n "n": 1 }', '{"model":"\\u006d","n":1}'])
def test_json_bodies_are_compared_as_json(body: str) -> None:
    assert send(replaying(exchange()), exchange(request=replace(REQUEST, body=body))) == [exchange()]


@pytest.mark.parametrize(
    ("recorded", "sent"),
    [("[1,2]", "[2,1]"), ('{"a":1}', '{"a":"1"}'), ('{"a":1}', '{"a":true}'), ('{"a":0}', '{"a":false}'), ("a", "b")],
)
def test_bodies_that_mean_something_else_are_refused(recorded: str, sent: str) -> None:
    with pytest.raises(TapeError):
        send(
            replaying(exchange(request=replace(REQUEST, body=recorded))), exchange(request=replace(REQUEST, body=sent))
        )


def test_the_order_of_headers_does_not_count() -> None:
    pairs = (("A", "1"), ("B", "2"))
    taped = exchange(request=replace(REQUEST, headers=pairs))
    assert send(replaying(taped), exchange(request=replace(REQUEST, headers=pairs[::-1]))) == [taped]


def test_words_of_a_step_may_change() -> None:
    assert send(replaying(exchange(why="Old words")), exchange()) == [exchange(why="Old words")]


def test_a_request_is_redacted_before_it_is_compared() -> None:
    redactor = Redactor()
    redactor.learn("KEY", "sk-0123456789abcdefghij")
    live = replace(REQUEST, headers=(("Authorization", "Bearer sk-0123456789abcdefghij"),))
    assert send(Replay(KEY, [exchange()], redactor), exchange(request=live)) == [exchange()]


# --- polls -------------------------------------------------------------------------------------------


def polled(why: str, **changes: Any) -> Exchange:
    """An exchange of the first poll."""
    return asking(1, why=why, poll=1, **changes)


def test_a_poll_repeats_its_last_answer_for_ever() -> None:
    taped = [polled("first"), polled("last")]
    replay = replaying(*taped)
    answers = [send(replay, taped[0])[-1].why for _ in range(5)]
    assert answers == ["first", "last", "last", "last", "last"]
    replay.finish()


def test_a_repeated_answer_does_not_repeat_its_superseded_attempts() -> None:
    taped = [polled("429", superseded=True), polled("last")]
    replay = replaying(*taped)
    assert [send(replay, taped[1]) for _ in range(3)] == [taped, taped[1:], taped[1:]]


def test_the_rest_of_a_poll_is_skipped_for_the_next_request() -> None:
    replay = replaying(polled("first"), polled("second"), polled("third"), asking(2))
    send(replay, polled("first"))
    assert send(replay, asking(2)) == [asking(2)]
    replay.finish()


def test_the_rest_of_a_poll_is_skipped_for_the_next_poll() -> None:
    taped = [polled("first"), polled("second"), asking(1, poll=2)]
    replay = replaying(*taped)
    send(replay, taped[0])
    assert send(replay, taped[2]) == [taped[2]]


def test_the_rest_of_a_poll_may_be_left_over() -> None:
    replay = replaying(polled("first"), polled("second"))
    send(replay, polled("first"))
    replay.finish()


def test_a_poll_that_is_no_longer_sent_is_an_error() -> None:
    with pytest.raises(TapeError, match="no longer sent"):
        replaying(polled("first")).finish()


def test_a_poll_that_was_never_recorded_is_refused() -> None:
    with pytest.raises(TapeError, match="request changed"):
        send(replaying(exchange()), polled("first"))


def test_a_poll_whose_request_changed_is_refused() -> None:
    replay = replaying(polled("first"), polled("second"))
    send(replay, polled("first"))
    with pytest.raises(TapeError, match="request changed"):
        send(replay, asking(2, poll=1))


def test_the_last_answer_of_a_poll_is_no_answer_to_another_request() -> None:
    replay = replaying(polled("only"))
    send(replay, polled("only"))
    with pytest.raises(TapeError, match="never recorded"):
        send(replay, asking(2, poll=1))


# --- replay under a seeded fault ---------------------------------------------------------------------


def seeded(*taped: Exchange) -> Replay:
    return Replay(KEY, taped, Redactor(), seeded=True)


def test_a_seeded_replay_skips_what_is_no_longer_sent() -> None:
    replay = seeded(asking(1), exchange(), asking(2), asking(2))
    assert send(replay, exchange()) == [exchange()]
    with pytest.raises(OffTape):  # and so is what was sent
        send(replay, exchange())
    assert [send(replay, asking(2)) for _ in range(2)] == [[asking(2)]] * 2
    with pytest.raises(OffTape):  # what was skipped is gone
        send(replay, exchange(request=Request("POST", "http://127.0.0.1/1")))
    replay.finish()


def test_a_seeded_replay_prefers_the_same_request_to_one_of_the_same_endpoint() -> None:
    taped = [exchange(why="Other body", request=replace(REQUEST, body="x")), exchange()]
    assert send(seeded(*taped), exchange()) == [exchange()]


@pytest.mark.parametrize("path", ["/1", "/22", "/0197c8f2-3b1a-7c55-9d3e-0123456789ab"])
def test_a_seeded_replay_answers_from_the_same_endpoint_whatever_is_sent(path: str) -> None:
    sent = exchange(request=Request("GET", f"http://127.0.0.1{path}?a=1", (("A", "b"),), "changed"))
    assert send(seeded(exchange(), asking(7)), sent) == [asking(7)]


@pytest.mark.parametrize(
    "request_", [Request("POST", "http://127.0.0.1/1"), Request("GET", "http://127.0.0.1/x")], ids=["method", "path"]
)
def test_a_seeded_replay_has_no_answer_for_what_was_never_recorded(request_: Request) -> None:
    with pytest.raises(
        OffTape, match=rf"^{KEY}: under this fault the step asks for {request_.method} {request_.path}$"
    ):
        send(seeded(asking(1)), exchange(request=request_))


def test_a_tape_carries_its_own_provenance(tmp_path: Path) -> None:
    provenance = Provenance("11240101abcd", "2026-11-24", "0123456789ab", {"New API": "v1.0.0-rc.24"})
    write(tmp_path / "tape.yaml", Key("a", "b"), [], provenance)
    assert tape.read(tmp_path / "tape.yaml", Key("a", "b")).provenance == provenance


def test_an_older_tape_has_none(tmp_path: Path) -> None:
    write(tmp_path / "tape.yaml", Key("a", "b"), [])
    assert tape.read(tmp_path / "tape.yaml", Key("a", "b")).provenance is None
