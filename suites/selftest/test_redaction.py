"""Redaction: no spelling of a secret is left anywhere on a tape, and nothing else is touched."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.model.exchange import Breakdown, Chunk, Ended, Exchange, Headers, Request, Response
from fixtures.wire.redaction import SHORTEST, SHORTEST_UNNAMED, Redactor, gives_away, is_masked, shows

pytestmark = pytest.mark.selftest

KEY = "sk-7Qw9Zr4Tn2Lk8Vb6Xc1Md5Hs3Jf0Gp"
DATASET_KEY = "dataset-Uu7Yq2Wd9Ke4Rm1Tz6Pa"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoiYWJjIn0.Zq3xV9kLmN0pQrStUvWxYz"

quickly = settings(derandomize=True, max_examples=10, deadline=None)
alphanumeric = st.text("abcdwxyzABCDWXYZ0189", min_size=20, max_size=48)
keys = st.builds(str.__add__, st.sampled_from(["sk-", "app-", "dataset-", ""]), alphanumeric)
passwords = st.text("pqZ7 \"'\\/+%&=<>?#~!*ü你😀", min_size=SHORTEST, max_size=20).filter(
    lambda text: text == text.strip()
)
secrets = keys | passwords
neighbours = st.lists(st.integers(0, 31), max_size=8).map(bytes)  # bytes that no secret holds

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in a URL": lambda secret: quote(secret, safe=""),
    "in a URL's path": quote,
    "as JavaScript writes it in a URL": lambda secret: quote(secret, safe="!~*'()"),
    "in a form": quote_plus,
    "in a URL with lower-case hex": lambda secret: re.sub("%..", lambda hex: hex[0].lower(), quote(secret, safe="")),
    "in a URL in a URL": lambda secret: quote(quote(secret, safe=""), safe=""),
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in JSON of all scripts": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "in JSON of Go": lambda secret: re.sub("[<>&]", lambda sign: rf"\u{ord(sign[0]):04x}", json.dumps(secret)[1:-1]),
    "in JSON with upper-case hex": lambda secret: re.sub(
        r"(?<=\\u)[0-9a-f]{4}", lambda hex: hex[0].upper(), json.dumps(secret)[1:-1]
    ),
    "in JSON with escaped slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", r"\/"),
    "in JSON in JSON": lambda secret: json.dumps(json.dumps(secret)[1:-1])[1:-1],
}
PLACES: dict[str, Callable[[str], Exchange]] = {
    "why": lambda text: exchange(why=text),
    "URL": lambda text: exchange(url=f"http://127.0.0.1/v1?a={text}"),
    "request header": lambda text: exchange(headers=(("X-Any", text),)),
    "request body": lambda text: exchange(body=text),
    "response header": lambda text: exchange(answered=(("location", text),)),
    "response body": lambda text: exchange(chunks=[b"before ", text.encode(), b" after"]),
    "breakdown": lambda text: exchange(breakdown=Breakdown("connect", f"before {text} after")),
}


def exchange(
    *,
    why: str = "Ask",
    url: str = "http://127.0.0.1/v1",
    headers: Headers = (),
    body: str | None = None,
    answered: Headers = (),
    chunks: list[bytes] | None = None,
    breakdown: Breakdown | None = None,
) -> Exchange:
    """An exchange, with no text but what is given."""
    response = Response(200, answered, tuple(Chunk(0.1, data) for data in chunks or []))
    request = Request("POST", url, headers, body)
    return Exchange(why, "gateway", request, 1.0, 0.5, None if breakdown else response, breakdown)


def said(taped: Exchange) -> str:
    """All text of an exchange."""
    headers = taped.request.headers + (taped.response.headers if taped.response else ())
    values = [value for _, value in headers]
    return "\n".join([taped.why, taped.request.url, taped.request.body or "", *values, taped.text])


def knowing(*secrets: str) -> Redactor:
    """A redactor that has learnt the secrets as S0, S1, ..."""
    redactor = Redactor()
    for number, secret in enumerate(secrets):
        redactor.learn(f"S{number}", secret)
    return redactor


def cut(data: bytes, borders: list[int]) -> list[Chunk]:
    """The data in pieces that end at `borders`."""
    edges = [0, *sorted(border % (len(data) + 1) for border in borders), len(data)]
    return [Chunk(0.1, data[start:end]) for start, end in pairwise(edges)]


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def joined(chunks: tuple[Chunk, ...]) -> bytes:
    return b"".join(chunk.data for chunk in chunks)


# --- secrets that were learnt ------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
@quickly
@given(secret=secrets)
def test_a_secret_becomes_its_marker(spelling: str, secret: str) -> None:
    assert knowing(secret).text(f"a {SPELLINGS[spelling](secret)} b") == "a {{S0}} b"


@pytest.mark.parametrize("place", PLACES)
@quickly
@given(secret=secrets, spelling=st.sampled_from(sorted(SPELLINGS)))
def test_no_place_of_an_exchange_keeps_a_secret(place: str, secret: str, spelling: str) -> None:
    spelt = SPELLINGS[spelling](secret)
    (taped,) = knowing(secret).tape([PLACES[place](spelt)])
    assert said(taped) == said(PLACES[place]("{{S0}}"))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@quickly
@given(secret=secrets)
def test_base64_of_a_secret_becomes_a_marker_that_says_so(encode: Callable[[bytes], bytes], secret: str) -> None:
    assert knowing(secret).data(encode(secret.encode())) == b"{{S0|base64}}"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@quickly
@given(secret=secrets, before=neighbours, after=neighbours)
def test_a_secret_inside_longer_base64_is_found_at_every_alignment(
    encode: Callable[[bytes], bytes], secret: str, before: bytes, after: bytes
) -> None:
    text = encode(before + secret.encode() + after)
    head = text[: -(-len(before) * 8 // 6)]
    tail = text[(len(before) + len(secret.encode())) * 8 // 6 :]
    redacted = knowing(secret).data(text)
    assert redacted.startswith(head + b"{{S0|base64}}")
    assert tail.endswith(redacted.removeprefix(head + b"{{S0|base64}}"))


@quickly
@given(secret=secrets)
def test_base64_in_a_url_is_found(secret: str) -> None:
    text = quote(in_base64(secret), safe="")
    assert knowing(secret).text(f"?auth={text}&a=1") == "?auth={{S0|base64}}&a=1"


@quickly
@given(secrets, st.lists(st.integers(0, 10_000), max_size=9))
def test_a_secret_cut_over_chunks_is_found(secret: str, borders: list[int]) -> None:
    body = f"größe {secret} and {quote(secret)}, {json.dumps(secret)}".encode()
    redacted = knowing(secret).chunks(cut(body, borders))
    assert joined(redacted) == 'größe {{S0}} and {{S0}}, "{{S0}}"'.encode()


@quickly
@given(secrets, st.binary(max_size=40), st.lists(st.integers(0, 10_000), max_size=9))
def test_the_chunks_stay_as_many_and_as_they_were_in_time(secret: str, data: bytes, borders: list[int]) -> None:
    chunks = cut(data + secret.encode() + data, borders)
    redacted = knowing(secret).chunks(chunks)
    assert [chunk.at for chunk in redacted] == [chunk.at for chunk in chunks]


@quickly
@given(secrets, st.binary(max_size=40), st.lists(st.integers(0, 10_000), max_size=9))
def test_chunks_joined_are_the_joined_body_redacted(secret: str, data: bytes, borders: list[int]) -> None:
    body = data + secret.encode() + data
    redactor = knowing(secret)
    assert joined(redactor.chunks(cut(body, borders))) == redactor.data(body)


def test_a_border_inside_a_secret_moves_behind_its_marker() -> None:
    chunks = knowing(KEY).chunks([Chunk(0.1, b"a " + KEY[:9].encode()), Chunk(0.2, KEY[9:].encode() + b" b")])
    assert chunks == (Chunk(0.1, b"a {{S0}}"), Chunk(0.2, b" b"))


def test_a_secret_inside_a_longer_one_does_not_spoil_it() -> None:
    assert knowing(KEY[:20], KEY).text(f"{KEY} {KEY[:20]}") == "{{S1}} {{S0}}"


def test_two_names_for_one_value_give_one_marker() -> None:
    redactor = Redactor()
    markers = [redactor.learn("FIRST", KEY), redactor.learn("SECOND", KEY)]
    assert [*markers, redactor.text(KEY)] == ["{{FIRST}}"] * 3


def test_a_key_is_found_without_its_prefix() -> None:
    assert knowing(KEY).text(f'{{"id":1,"key":"{KEY[3:]}"}}') == '{"id":1,"key":"{{S0|bare}}"}'


def test_a_key_that_was_learnt_without_its_prefix_keeps_that_marker() -> None:
    assert knowing(KEY[3:]).text(f"Bearer {KEY}") == "Bearer sk-{{S0}}"


def test_a_key_without_its_prefix_is_no_second_secret() -> None:
    assert knowing(KEY).learn("AGAIN", KEY[3:]) == "{{S0|bare}}"


@pytest.mark.parametrize("value", ["", "1", "en-US", "1234567"])
def test_what_is_too_short_for_a_secret_is_not_learnt(value: str) -> None:
    redactor = Redactor()
    assert redactor.learn("S0", value) == value
    assert redactor.text("1234567 en-US") == "1234567 en-US"


def test_a_marker_is_not_learnt() -> None:
    assert Redactor().learn("SECOND", "{{FIRST}}") == "{{FIRST}}"


# --- keys in another shape ---------------------------------------------------------------------------

ALTERED: dict[str, Callable[[str], str]] = {
    "in upper case": str.upper,
    "in lower case": str.lower,
    "in swapped case": str.swapcase,
    "backwards": lambda part: part[::-1],
    "backwards in upper case": lambda part: part[::-1].upper(),
    "its first 16 characters": lambda part: part[:16],
    "its last 16 characters": lambda part: part[-16:],
    "its beginning in upper case": lambda part: part[:20].upper(),
    "its end backwards": lambda part: part[-17:][::-1],
    "all but its last character": lambda part: part[:-1],
    "all but its first character": lambda part: part[1:],
}
random_parts = st.builds(
    lambda characters, size: "".join(characters[:size]),
    st.permutations("aA0bB1cC2dD3eE4fF5gG6hH7iI8jJ9kKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ"),
    st.integers(20, 48),
)


@pytest.mark.parametrize("shape", ALTERED)
@quickly
@given(prefix=st.sampled_from(["sk-", "app-", "dataset-", ""]), part=random_parts)
def test_a_key_in_another_shape_becomes_a_marker_that_says_so(shape: str, prefix: str, part: str) -> None:
    assert knowing(prefix + part).text(f"a {ALTERED[shape](part)}, b") == "a {{S0|altered}}, b"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", ALTERED)
def test_no_place_of_an_exchange_keeps_a_key_in_another_shape(place: str, shape: str) -> None:
    (taped,) = knowing(KEY).tape([PLACES[place](f"is {ALTERED[shape](KEY[3:])}.")])
    assert said(taped) == said(PLACES[place]("is {{S0|altered}}."))


@pytest.mark.parametrize("shape", ALTERED)
def test_a_key_in_another_shape_is_found_over_chunks_and_deltas(shape: str) -> None:
    text = ALTERED[shape](KEY[3:])
    assert joined(knowing(KEY).chunks(cut(text.encode(), [7, 11]))) == b"{{S0|altered}}"
    assert spoken("Dify answer", knowing(KEY).chunks(stream("Dify answer", [text[:9], text[9:]]))) == "{{S0|altered}}"


def test_parts_of_several_keys_are_told_apart() -> None:
    text = f"{KEY[3:22]}{DATASET_KEY[8:].upper()} {KEY[-18:]}"
    assert knowing(KEY, DATASET_KEY).text(text) == "{{S0|altered}}{{S1|altered}} {{S0|altered}}"


def test_a_key_that_begins_as_a_known_one_is_a_key_of_its_own() -> None:
    (taped,) = knowing(KEY).tape([exchange(body=KEY[:-6] + "Ab3dE9")])
    assert re.fullmatch(r"\{\{unnamed-\d+\}\}", taped.request.body or "")


@pytest.mark.parametrize(
    "secret", ["correct-horse-battery-staple", "Correct Horse 7 Battery Staple", "2026-11-24-0000-1111"]
)
@pytest.mark.parametrize("shape", ALTERED)
def test_a_password_of_words_takes_no_other_text_with_it(secret: str, shape: str) -> None:
    text = f"a {ALTERED[shape](secret)} b".replace(secret, "")
    assert knowing(secret).text(text) == text


def test_what_is_ordinary_in_a_key_takes_no_other_text_with_it() -> None:
    redactor = knowing("sk-development-environment-7Qw9Zr4Tn2Lk8Vb6Xc1M")
    text = "the development-environment- of DEVELOPMENT-ENVIRONMENT and 7Qw9Zr4"
    assert redactor.text(text) == text
    assert redactor.text("development-environment-7Qw9Zr") == redactor.text("Zr4Tn2Lk8Vb6Xc1M") == "{{S0|altered}}"


def test_less_than_8_characters_of_a_key_stay() -> None:
    assert knowing(KEY).text(f"{KEY[3:10]} {KEY[-7:]} {KEY[8:15]}") == f"{KEY[3:10]} {KEY[-7:]} {KEY[8:15]}"


@pytest.mark.parametrize(
    "spell", [str, str.upper, lambda part: part[::-1]], ids=["plain", "in upper case", "backwards"]
)
@pytest.mark.parametrize("size", [8, 9, 20])
def test_8_characters_of_a_key_in_a_row_are_a_part_of_it_wherever_they_stand(
    size: int, spell: Callable[[str], str]
) -> None:
    parts = [KEY[at : at + size] for at in range(3, len(KEY) - size + 1)]
    kept = [part for part in parts if knowing(KEY).text(f"hint={spell(part)}, b") != "hint={{S0|altered}}, b"]
    assert not kept


def test_of_a_part_that_begins_as_another_the_longer_one_is_taken() -> None:
    redactor = knowing("sk-Ab3dE9fG1hJ2kL5mN7", "sk-Ab3dE9fG1hXyZ0wV8u")
    assert redactor.text("Ab3dE9fG1hXyZ0w Ab3dE9fG1hJ2k") == "{{S1|altered}} {{S0|altered}}"


def test_what_follows_a_part_of_a_key_in_the_same_word_stays() -> None:
    assert knowing(KEY).text(f"x{KEY[5:15]}-y{KEY[20:28]}z") == "x{{S0|altered}}-y{{S0|altered}}z"


# --- secrets that a model spelt ----------------------------------------------------------------------

SHAPES: dict[str, Callable[[str], object]] = {
    "OpenAI content": lambda text: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]},
    "OpenAI reasoning": lambda text: {"choices": [{"delta": {"content": "", "reasoning_content": text}}]},
    "OpenAI tool arguments": lambda text: {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": text}}]}}]},
    "Dify answer": lambda text: {"event": "message", "answer": text, "created_at": 1},
    "Dify text": lambda text: {"event": "text_chunk", "data": {"text": text}},
}


def stream(shape: str, pieces: list[str]) -> list[Chunk]:
    """A stream that says the pieces, one chunk and one event each."""
    events = [json.dumps(SHAPES[shape](piece), ensure_ascii=False) for piece in pieces]
    return [Chunk(number / 10, f"data: {event}\n\n".encode()) for number, event in enumerate(events)]


def spoken(shape: str, chunks: tuple[Chunk, ...]) -> str:
    """The text that a stream's events say, once each is read as JSON."""
    (path,) = re.findall(r'.*"(\w+)": "TEXT"', json.dumps(SHAPES[shape]("TEXT")))
    found: list[str] = []
    for event in Response(200, (), chunks).events():
        json.loads(event.data, object_hook=lambda data: found.append(data[path]) if path in data else data)
    return "".join(found)


@pytest.mark.parametrize("shape", SHAPES)
@quickly
@given(secret=secrets, borders=st.lists(st.integers(0, 80), max_size=9))
def test_a_secret_spelt_over_deltas_is_found(shape: str, secret: str, borders: list[int]) -> None:
    text = f'it "is" {secret}, ü'
    edges = [0, *sorted(border % len(text) for border in borders), len(text)]
    chunks = stream(shape, [text[start:end] for start, end in pairwise(edges)])
    redacted = knowing(secret).chunks(chunks)
    assert spoken(shape, redacted) == 'it "is" {{S0}}, ü'
    assert len(redacted) == len(chunks)


def test_a_marker_stands_where_the_spelt_secret_began() -> None:
    chunks = stream("Dify answer", ["is ", "x " + KEY[:5], KEY[5:], " y"])
    texts = [spoken("Dify answer", (chunk,)) for chunk in knowing(KEY).chunks(chunks)]
    assert texts == ["is ", "x {{S0}}", "", " y"]


def test_two_secrets_that_share_a_delta_are_both_found() -> None:
    chunks = stream("Dify answer", [KEY[:9], KEY[9:] + DATASET_KEY[:9], DATASET_KEY[9:]])
    assert spoken("Dify answer", knowing(KEY, DATASET_KEY).chunks(chunks)) == "{{S0}}{{S1}}"


def test_a_secret_spelt_between_deltas_of_another_kind_is_found() -> None:
    first, second, third = stream("Dify answer", [KEY[:12], KEY[12:22], KEY[22:]])  # each too short to tell by itself
    between = stream("Dify text", ["ok"])
    redacted = knowing(KEY).chunks([first, *between, second, *between, third])
    assert spoken("Dify answer", redacted) == "{{S0}}"
    assert spoken("Dify text", redacted) == "okok"


def test_base64_of_a_secret_spelt_over_deltas_is_found() -> None:
    text = in_base64(KEY)
    redacted = knowing(KEY).chunks(stream("Dify answer", [text[:7], text[7:]]))
    assert spoken("Dify answer", redacted) == "{{S0|base64}}"


def test_deltas_without_a_secret_stay_byte_for_byte() -> None:
    chunks = (Chunk(0.1, b'data: {"answer": "\\u00fc\\/"}\n\n'), Chunk(0.2, b'data: {"answer" :"\xff\\x"}\n\n'))
    assert knowing(KEY).chunks(chunks) == chunks


# --- secrets that nobody named -----------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, "sk-proj-Ab3_Cd4-Ef5Gh6Ij7Kl8", "app-Uu7Yq2Wd9Ke4Rm1Tz6Pa", DATASET_KEY, JWT])
@pytest.mark.parametrize("place", ["why", "URL", "request body", "response body", "breakdown"])
def test_what_looks_like_a_key_is_found_unnamed(key: str, place: str) -> None:
    (taped,) = Redactor().tape([PLACES[place](key)])
    assert said(taped) == said(PLACES[place]("{{unnamed-1}}"))


@pytest.mark.parametrize("before", ["", " ", '"', "\n", "\\n", "\\t", "\\u000a", "%20", "%3D", "=", "[", "密钥"])
def test_a_key_begins_at_the_start_of_a_word(before: str) -> None:
    (taped,) = Redactor().tape([exchange(body=before + KEY)])
    assert taped.request.body == before + "{{unnamed-1}}"


MEMBERS = ["key", "token", "access_token", "refresh_token", "csrf_token", "api_key", "secret", "password"]


@pytest.mark.parametrize("member", MEMBERS)
def test_a_secret_member_of_json_is_found_unnamed(member: str) -> None:
    (taped,) = Redactor().tape([exchange(chunks=[f'{{"{member}": "{KEY[3:]}"}}'.encode()])])
    assert taped.json() == {member: "{{unnamed-1}}"}


def test_a_secret_member_of_json_in_json_is_found_unnamed() -> None:
    (taped,) = Redactor().tape([exchange(body=json.dumps({"a": json.dumps({"token": KEY[3:]})}))])
    assert taped.request.body == json.dumps({"a": json.dumps({"token": "{{unnamed-1}}"})})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Set-Cookie", "session={}; Path=/; HttpOnly"),
        ("set-cookie", '__Host-csrf="{}"; Secure'),
        ("Cookie", "locale=en-US; access_token={}"),
        ("Authorization", "Bearer {}"),
        ("Authorization", "Basic {}"),
        ("X-CSRF-Token", "{}"),
        ("x-api-key", "{}"),
    ],
)
@pytest.mark.parametrize("secret", [KEY[3:], "MTc2NDc3|DX8EAQL_gAAB==|a%2Fb~c", "XQ9Zr4Tn2Lk8Vb6Xc1MX", JWT])
def test_a_secret_header_is_found_unnamed(name: str, value: str, secret: str) -> None:
    headers = ((name, value.format(secret)),)
    (taped,) = Redactor().tape([exchange(headers=headers, answered=headers, body=secret)])
    assert said(taped) == "\n".join(
        ["Ask", "http://127.0.0.1/v1", "{{unnamed-1}}", *[value.format("{{unnamed-1}}")] * 2, ""]
    )


def test_the_attributes_of_a_cookie_are_no_secrets() -> None:
    value = "a=1; Domain=gateway.crazyrouter.com; Path=/console/api/workspaces"
    original = exchange(url="https://gateway.crazyrouter.com/console/api/workspaces", answered=(("set-cookie", value),))
    assert Redactor().tape([original]) == [original]


def test_an_unnamed_key_that_a_later_exchange_tells_is_gone_from_the_earlier() -> None:
    told = exchange(chunks=[f'{{"token":"{KEY[3:]}"}}'.encode()])
    taped = Redactor().tape([exchange(body=KEY[3:]), told])
    assert taped[0].request.body == "{{unnamed-1}}"


def test_an_unnamed_key_cut_over_chunks_is_found() -> None:
    (taped,) = Redactor().tape([exchange(chunks=[KEY[:10].encode(), KEY[10:].encode()])])
    assert taped.text == "{{unnamed-1}}"


def test_an_unnamed_key_spelt_over_deltas_is_found() -> None:
    events = [chunk.data for chunk in stream("OpenAI content", [f"is {KEY[:10]}", f"{KEY[10:]}."])]
    (taped,) = Redactor().tape([exchange(chunks=events)])
    assert taped.response is not None
    assert spoken("OpenAI content", taped.response.chunks) == "is {{unnamed-1}}."


def test_unnamed_keys_have_markers_of_their_own() -> None:
    (taped,) = Redactor().tape([exchange(body=f"{KEY} {DATASET_KEY}")])
    markers = str(taped.request.body).split()
    assert len(set(markers)) == 2
    assert all(re.fullmatch(r"\{\{unnamed-\d+\}\}", marker) for marker in markers)


def test_a_named_key_is_not_discovered_again() -> None:
    (taped,) = knowing(KEY).tape([exchange(headers=(("Authorization", f"Bearer {KEY}"),), body=KEY)])
    assert "unnamed" not in said(taped)


@pytest.mark.parametrize("masked", ["sk-abc***xyz", "sk-7Qw9Zr4Tn***********0Gp", "sk-proj-a_b****", "sk-a***"])
def test_a_masked_key_is_scrubbed(masked: str) -> None:
    assert Redactor().text(f"该令牌额度已用尽 [{masked}] \\n{masked}") == "该令牌额度已用尽 [sk-***] \\nsk-***"


# --- several tapes -----------------------------------------------------------------------------------

TOLD = {"one": [DATASET_KEY, KEY], "other": [KEY, JWT]}


@pytest.mark.parametrize("order", [("one", "other"), ("other", "one")])
def test_a_tape_has_the_same_markers_whichever_is_made_first(order: tuple[str, str]) -> None:
    redactor = Redactor()
    bodies = {scope: redactor.tape([exchange(body=" ".join(TOLD[scope]))], scope)[0].request.body for scope in order}
    assert bodies == {
        "one": "{{one.unnamed-1}} {{one.unnamed-2}}",
        "other": "{{other.unnamed-1}} {{other.unnamed-2}}",
    }


@pytest.mark.parametrize("after", [["other", "one"], ["empty", "one"]])
def test_what_a_tape_before_holds_keeps_its_marker(after: list[str]) -> None:
    redactor = Redactor()
    for scope in ("other", "one"):
        redactor.tape([exchange(body=" ".join(TOLD[scope]))], scope)
    redactor.learn("late", KEY)  # what the tape before says of it is what this tape's requests are made of
    (taped,) = redactor.tape([exchange(body=f"{KEY} {DATASET_KEY} {KEY[:2:-1]}")], "third", after)
    first = "{{other.unnamed-1}}" if "other" in after else "{{one.unnamed-2}}"
    assert taped.request.body == first + " {{one.unnamed-1}} " + first.replace("}}", "|altered}}")


def test_a_name_that_comes_late_is_the_name_from_then_on() -> None:
    redactor = Redactor()
    redactor.tape([exchange(body=f"{KEY} {JWT}")], "one")
    assert redactor.learn("late", KEY) == "{{late}}" == redactor.text(KEY)
    (taped,) = redactor.tape([exchange(body=f"{KEY} {KEY[3:]} {in_base64(KEY)} {JWT}")], "other")
    assert taped.request.body == "{{late}} {{late|bare}} {{late|base64}} {{other.unnamed-1}}"


def test_what_another_tape_gave_away_is_gone_from_a_tape_where_it_looks_like_nothing() -> None:
    redactor = Redactor()
    redactor.tape([exchange(body=f'{{"token":"{KEY[3:]}"}}')], "one")
    redactor.tape([exchange(body=f'{{"token":"{KEY[3:]}"}}')], "other")
    (taped,) = redactor.tape([exchange(body=KEY[3:])], "third")
    assert taped.request.body == redactor.text(KEY[3:]) == "{{one.unnamed-1}}"


def test_what_is_taped_bit_by_bit_goes_on_counting() -> None:
    redactor = Redactor()
    bits = [redactor.tape([exchange(body=text)])[0].request.body for text in (DATASET_KEY, KEY, KEY[3:], JWT, KEY)]
    assert [bits[0], bits[1], bits[4]] == ["{{unnamed-1}}", "{{unnamed-2}}", "{{unnamed-2}}"]
    assert bits[2] == "{{unnamed-2|bare}}"
    assert bits[3] not in bits[:3]


# --- what is no secret -------------------------------------------------------------------------------

ORDINARY = [
    "0197c8f2-3b1a-7c55-9d3e-0123456789ab",
    "gpt-5.4 claude-sonnet-4-6 gemini-3-pro text-embedding-3-small",
    "A task-oriented-application-with-risk-assessment, and an app-navigation-container-wide.",
    "**disk-space** or sk-*** or sk-short",
    "data:image/png;base64," + base64.b64encode(bytes(range(256))).decode(),
    '{"key":"short","token":"","max_tokens":16384,"password":null,"keys":"abcdefghijklmnopqrst"}',
    "https://crazyrouter.com/v1/chat/completions?a=%20b",
    "20261122164337561304409pp5q4gvo",
    "{{#start.query#}} {{CRAZYROUTER_API_KEY}}",
    "größe 你好 😀 \x00\x85\u2028 \\u00fc \\/ %zz",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_not_touched(place: str, text: str) -> None:
    original = PLACES[place](text)
    assert knowing(KEY, DATASET_KEY, 'p "q" +/%ü').tape([original]) == [original]


@quickly
@given(st.binary(max_size=300))
def test_bytes_without_a_secret_stay(data: bytes) -> None:
    assert knowing(KEY, 'p "q" +/%ü').data(data) == data


@quickly
@given(secrets, secrets, st.sampled_from(sorted(SPELLINGS)))
def test_redacting_twice_changes_nothing(one: str, other: str, spelling: str) -> None:
    redactor = knowing(one, other)
    spelt = SPELLINGS[spelling](one)
    headers = (("Authorization", f"Bearer {spelt}"), ("Set-Cookie", f"a={other}; Path=/"))
    events = [chunk.data for chunk in stream("Dify answer", [KEY[:9], KEY[9:], other])]
    once = redactor.tape([exchange(why=spelt, headers=headers, body=in_base64(one), chunks=events)])
    assert redactor.tape(once) == once


# --- replay ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", [*SPELLINGS, "in base64"])
@quickly
@given(secret=secrets)
def test_what_replay_makes_of_a_marker_matches_the_tape(spelling: str, secret: str) -> None:
    spell = in_base64 if spelling == "in base64" else SPELLINGS[spelling]
    recorder, replay = Redactor(), Redactor()
    marker = recorder.learn("DIFY_PASSWORD", secret)
    replay.stand_in(marker)
    assert replay.text(f'{{"password":"{spell(marker)}"}}') == recorder.text(f'{{"password":"{spell(secret)}"}}')


def test_a_marker_that_stands_in_stays_a_marker() -> None:
    redactor = Redactor()
    redactor.stand_in("{{DIFY_PASSWORD}}")
    assert redactor.learn("OTHER", "{{DIFY_PASSWORD}}") == redactor.text("{{DIFY_PASSWORD}}") == "{{DIFY_PASSWORD}}"


# --- odd places and odd texts ------------------------------------------------------------------------


def test_a_secret_that_only_a_response_header_tells_is_found_unnamed() -> None:
    (taped,) = Redactor().tape(
        [exchange(answered=(("set-cookie", f"session={KEY[3:]}; Path=/"),), chunks=[KEY[3:].encode()])]
    )
    assert KEY[3:] not in said(taped)


def test_the_name_of_a_scheme_is_no_secret_however_long() -> None:
    (taped,) = Redactor().tape([exchange(headers=(("Authorization", f"AWS4-HMAC-SHA256 {KEY[3:]}"),))])
    assert taped.request.headers == (("Authorization", "AWS4-HMAC-SHA256 {{unnamed-1}}"),)


@pytest.mark.parametrize("length", [SHORTEST_UNNAMED - 1, SHORTEST_UNNAMED])
def test_a_header_is_a_secret_from_the_agreed_length_on(length: int) -> None:
    (taped,) = Redactor().tape([exchange(headers=(("x-api-key", KEY[3 : 3 + length]),))])
    assert (KEY[3 : 3 + length] in said(taped)) == (length < SHORTEST_UNNAMED)


def test_what_holds_a_marker_is_not_learnt_as_another_secret() -> None:
    value = f"Basic {KEY[3:]}-and-more-behind-it"
    (taped,) = knowing(KEY[3:]).tape([exchange(headers=(("Authorization", value),))])
    assert taped.request.headers == (("Authorization", "Basic {{S0}}-and-more-behind-it"),)


def test_a_border_inside_a_later_secret_moves_behind_that_one() -> None:
    chunks = cut(f"{KEY} {KEY} {KEY} b".encode(), [2 * len(KEY) + 9])
    assert [chunk.data for chunk in knowing(KEY).chunks(chunks)] == [b"{{S0}} {{S0}} {{S0}}", b" b"]


def test_a_border_before_a_secret_stays_there() -> None:
    chunks = cut(f"a {KEY} b".encode(), [2])
    assert [chunk.data for chunk in knowing(KEY).chunks(chunks)] == [b"a ", b"{{S0}} b"]


@pytest.mark.parametrize(
    "secret", ["tab\tnew\nline", "bell\x07 \b\f\r end", "a\udcff\udcfe odd one", "\ud800 high alone"]
)
@pytest.mark.parametrize("spell", [str, lambda secret: json.dumps(secret)[1:-1]], ids=["plain", "JSON"])
def test_control_characters_and_lone_surrogates_are_no_hiding_place(secret: str, spell: Callable[[str], str]) -> None:
    assert knowing(secret).text(f"a {spell(secret)} b") == "a {{S0}} b"


def test_text_that_is_no_utf_8_is_redacted_all_the_same() -> None:
    (taped,) = knowing(DATASET_KEY).tape([exchange(why=f"\udcff {KEY}", body=f"\ud800 {DATASET_KEY}")])
    assert (taped.why[-13:], str(taped.request.body)[-7:]) == ("{{unnamed-1}}", " {{S0}}")


def test_a_secret_header_that_is_no_utf_8_is_redacted_all_the_same() -> None:
    (taped,) = Redactor().tape([exchange(headers=(("Cookie", f"a=\udcff; b={KEY[3:]}"),))])
    assert taped.request.headers[0][1].endswith("; b={{unnamed-1}}")


def test_every_character_of_url_safe_base64_is_known() -> None:
    secret = "?>?~>?>?~?>?"
    encoded = base64.urlsafe_b64encode(secret.encode())
    assert b"_" in encoded and b"-" in encoded
    assert knowing(secret).data(encoded) == b"{{S0|base64}}"


# --- masks: what lists show of a key --------------------------------------------------------------------

WHOLE = "sk-nsHcabcdefghijklmnopqrstuvwxyz0123456789abcuyK4"


@pytest.mark.parametrize("mask", ["nsHc**********uyK4", "sk-nsH************K4", "sk-nsHc***yK4", "nsHca****"])
def test_a_mask_of_a_known_key_says_whose_it_is(mask: str) -> None:
    redactor = Redactor()
    redactor.learn("MINE", WHOLE)
    assert redactor.text(f'{{"key":"{mask}"}}') == '{"key":"{{MINE|masked}}"}'
    assert shows(mask, WHOLE)


@pytest.mark.parametrize(
    ("mask", "form"),
    [
        ("sk-nsHcabc***0123456789abcuyK4", "half-masked"),
        ("sk-nsHcabcd***4", "half-masked"),
        ("nsHcabc***9abcuyK4", "half-masked"),
        ("nsHcabc***abcuyK4", "masked"),
    ],
)
def test_a_mask_that_shows_8_characters_in_a_row_says_so(mask: str, form: str) -> None:
    redactor = Redactor()
    redactor.learn("MINE", WHOLE)
    assert redactor.text(f'{{"key":"{mask}"}}') == f'{{"key":"{{{{MINE|{form}}}}}"}}'
    assert shows(mask, WHOLE)


@pytest.mark.parametrize("mask", ["nsHx**********uyK4", "nsHc**********uyK5", "sk-ns****K4", "****", ""])
def test_a_mask_of_another_key_or_of_too_little_is_nobody_s(mask: str) -> None:
    assert not shows(mask, WHOLE)


def test_an_unknown_mask_in_a_key_s_place_shows_nothing() -> None:
    assert Redactor().text('{"key": "abcd**********wxyz", "text": "bold***text"}') == (
        '{"key": "***", "text": "bold***text"}'
    )


@pytest.mark.parametrize(
    ("shown", "key", "same"),
    [
        (WHOLE, WHOLE, True),
        (WHOLE.removeprefix("sk-"), WHOLE, True),
        (WHOLE, WHOLE[:-1], False),
        ("{{MINE}}", "{{MINE}}", True),
        ("{{MINE|bare}}", "{{MINE}}", True),
        ("{{MINE|masked}}", "sk-{{MINE}}", True),
        ("{{MINE|half-masked}}", "sk-{{MINE}}", True),
        ("{{OTHER|masked}}", "{{MINE}}", False),
        ("", "", False),
    ],
)
def test_a_key_is_known_by_each_way_in_which_it_is_shown(shown: str, key: str, same: bool) -> None:
    assert shows(shown, key) is same


@pytest.mark.parametrize(
    ("key", "masked"),
    [
        ("nsHc**********uyK4", True),
        ("{{MINE|masked}}", True),
        ("{{MINE|half-masked}}", True),
        (WHOLE, False),
        ("{{MINE}}", False),
        ("", False),
    ],
)
def test_a_masked_key_is_no_key(key: str, masked: bool) -> None:
    assert is_masked(key) is masked


def broken_off(text: str, ended: Ended = Ended.CUT) -> Exchange:
    """An exchange whose answer ended with this text, in three pieces."""
    data = text.encode("utf-8", "surrogatepass")
    pieces = (Chunk(0.1, data[:9]), Chunk(0.2, data[9:12]), Chunk(0.3, data[12:]))
    return Exchange("Ask", "gateway", Request("GET", "https://gw.example"), 1.0, 0.2, Response(200, (), pieces, ended))


@pytest.mark.parametrize("kept", [0, 5, 6, 7, 8, 20, len(WHOLE) - 1])
def test_the_beginning_of_a_secret_at_the_end_of_a_cut_answer_is_left_out(kept: int) -> None:
    redactor = Redactor()
    redactor.learn("MINE", WHOLE)
    (taped,) = redactor.tape([broken_off(f"it is {WHOLE[:kept]}")])
    assert taped.text == "it is "


def test_of_a_secret_s_beginning_four_characters_tell_too_little_to_be_left_out() -> None:
    original = broken_off(f"it is {WHOLE[:4]}")
    assert knowing(WHOLE).tape([original]) == [original]


def test_the_end_of_a_whole_answer_stays_whatever_it_begins() -> None:
    original = broken_off(f"it is {WHOLE[:10]}", Ended.COMPLETE)
    assert knowing(WHOLE).tape([original]) == [original]


def test_a_cut_answer_stays_where_no_secret_is_known() -> None:
    original = broken_off(f"it is {WHOLE[:12]}")
    assert Redactor().tape([original]) == [original]


def test_the_beginning_of_a_marker_at_the_end_of_a_cut_answer_stays() -> None:
    replay = Redactor()
    replay.stand_in("{{DIFY_PASSWORD}}")
    original = broken_off("it is {{DIFY_PA")
    assert replay.tape([original]) == [original]


def test_the_beginning_of_a_secret_of_lone_surrogates_is_left_out() -> None:
    (taped,) = knowing("\udcff\udcfe odd one").tape([broken_off("it is \udcff\udcfe odd")])
    assert taped.text == "it is "


def test_a_mask_of_a_short_key_says_whose_it_is() -> None:
    assert knowing("sk-abcdefg").text("abcd***g sk-abcd***g") == "{{S0|masked}} {{S0|masked}}"


def test_a_mask_that_hides_nothing_is_nobody_s() -> None:
    assert not shows(f"{WHOLE[3:20]}***{WHOLE[20:]}", WHOLE)


def test_what_is_no_text_at_all_shows_no_key() -> None:
    assert not shows("\ud800nsHc***uyK4", WHOLE)


def test_an_unknown_mask_at_the_very_beginning_shows_nothing() -> None:
    assert Redactor().text('"key":"abcd***wxyz"') == '"key":"***"'


# --- unnamed secrets: their numbers, and lists of them ----------------------------------------------------


def test_unnamed_secrets_are_numbered_within_their_scope_whatever_else_is_known() -> None:
    original = [exchange(body=f"{KEY} {DATASET_KEY}")]
    (first,), (again,) = Redactor().tape(original, "a/b"), knowing("another-secret").tape(original, "a/b")
    assert first.request.body == again.request.body == "{{a/b.unnamed-1}} {{a/b.unnamed-2}}"


@pytest.mark.parametrize("keys", ['{"7": "%s", "8": "%s"}', '["%s","%s"]'], ids=["by the tokens' ids", "as a list"])
def test_the_keys_of_several_tokens_are_found_unnamed(keys: str) -> None:
    body = f'{{"data": {{"keys": {keys % (KEY[3:], DATASET_KEY[8:] + "0")}}}}}'
    (taped,) = Redactor().tape([exchange(chunks=[body.encode()])], "a/b")
    assert taped.text == f'{{"data": {{"keys": {keys % ("{{a/b.unnamed-1}}", "{{a/b.unnamed-2}}")}}}}}'


# --- what stands several times, and what stands beside ----------------------------------------------------


@pytest.mark.parametrize("part", [KEY[3:22], KEY[-19:]], ids=["beginning", "end"])
def test_each_of_several_parts_of_a_key_is_found(part: str) -> None:
    marker = "{{S0|altered}}"
    assert knowing(KEY).text(f"{part} {part.upper()}, {part}.") == f"{marker} {marker}, {marker}."


def spelt(*pieces: str) -> bytes:
    """A stream of these pieces of JSON text, once the key in it is redacted."""
    chunks = [Chunk(0.1, f'data: {{"answer": "{piece}"}}\n\n'.encode()) for piece in pieces]
    return joined(knowing(KEY).chunks(chunks))


def test_what_stands_beside_a_spelt_secret_stays_as_it_was_spelt() -> None:
    assert spelt(f"ü {KEY[:9]}", KEY[9:]) == 'data: {"answer": "ü {{S0}}"}\n\ndata: {"answer": ""}\n\n'.encode()


def test_a_raw_control_character_is_no_hiding_place_for_a_spelt_secret() -> None:
    redacted = spelt(f"\t\\u0073{KEY[1:9]}", KEY[9:])
    assert redacted == b'data: {"answer": "\\t{{S0}}"}\n\ndata: {"answer": ""}\n\n'


def test_a_lone_surrogate_is_no_hiding_place_for_a_spelt_secret() -> None:
    redacted = spelt(f"\\ud800\\u0073{KEY[1:9]}", KEY[9:])
    assert redacted.decode().startswith('data: {"answer": "\ufffd')
    assert b'{{S0}}"}\n\ndata: {"answer": ""}' in redacted


# --- what gives a key away ----------------------------------------------------------------------------


GIVEN = "sk-{{gpt-5.4/provider_token.dify}}"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("{{gpt-5.4/provider_token.dify|masked}}", []),
        ("{{gpt-5.4/provider_token.other}}", []),
        ("nothing", []),
        (GIVEN, ["{{gpt-5.4/provider_token.dify}}"]),
        ("{{gpt-5.4/provider_token.dify|altered}}", ["{{gpt-5.4/provider_token.dify|altered}}"]),
        ("{{gpt-5.4/provider_token.dify|base64}}", ["{{gpt-5.4/provider_token.dify|base64}}"]),
        ("{{gpt-5.4/provider_token.dify|half-masked}}", ["{{gpt-5.4/provider_token.dify|half-masked}}"]),
    ],
)
def test_evidence_gives_a_key_away_but_for_its_mask(shown: str, expected: list[str]) -> None:
    assert gives_away(f"it is {shown}", GIVEN) == expected


@pytest.mark.parametrize("part", [slice(0, 8), slice(-8, None)])
def test_eight_characters_of_a_key_s_beginning_or_end_are_a_part_of_it(part: slice) -> None:
    secret = "sk-Canary5Bird7Main0123456789abcdefg"
    redactor = Redactor()
    redactor.learn("KEY", secret)
    shown = secret.removeprefix("sk-")[part]
    assert redactor.text(f"it is {shown} indeed") == "it is {{KEY|altered}} indeed"
