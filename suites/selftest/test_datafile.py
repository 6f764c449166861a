"""Data files: every error names file and line and says what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.datafile import DataError, load

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["colour"],
    "properties": {
        "colour": {"enum": ["red", "blue"]},
        "words": {"type": "string", "description": "some words"},
        "day": {"type": "string", "format": "date", "description": "a date as YYYY-MM-DD"},
        "parts": {
            "type": "array",
            "items": {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}},
        },
    },
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.yaml"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("", 1, "the file is empty", id="empty"),
        pytest.param("- red\n", 1, "write a mapping", id="no mapping"),
        pytest.param("words: a\n", 1, "missing the field colour; write `colour: ...`", id="missing field"),
        pytest.param("color: red\n", 1, "unknown key 'color' (did you mean colour?)", id="misspelt key"),
        pytest.param("colour: red\nsize: 1\n", 2, "write one of colour, words, day, parts", id="unknown key"),
        pytest.param("words: a\ncolour: rod\n", 2, "(did you mean red?); write one of red, blue", id="enum"),
        pytest.param("colour: red\nwords: 5\n", 2, "words is 5; write some words in quotes", id="type"),
        pytest.param("colour: red\nday: 2026-02-30\n", 2, "write a date as YYYY-MM-DD", id="date"),
        pytest.param("colour: red\nparts:\n- size: 1\n- {}\n", 4, "parts[1] is missing", id="list item"),
        pytest.param("colour: red\nwords: a\nwords: b\n", 3, "stands twice (first in line 2)", id="duplicate key"),
        pytest.param("colour: red\nwords: a: b\n", 2, "not valid YAML", id="syntax"),
        pytest.param("colour: red\n---\nwords: a\n", 2, "a second document", id="second document"),
        pytest.param("colour: &a red\nwords: *a\n", 2, "the alias *a", id="alias"),
        pytest.param("colour: red\nwords: !!str a\n", 2, "the tag", id="tag"),
        pytest.param("? [colour]\n: red\n", 1, "this key is not plain text", id="list as key"),
        pytest.param("colour: red\nwords: \x01\n", 2, "is not printable; write text", id="control character"),
        pytest.param("colour: red\nparts: " + "[" * 99 + "]" * 99, 2, "nested more than", id="too deep"),
    ],
)
def test_an_error_names_its_line_and_what_to_write(file: Path, text: str, line: int, words: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        load(file, SCHEMA)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)


def test_the_first_error_of_the_file_is_reported(file: Path) -> None:
    file.write_text("colour: red\nwords: 5\nday: never\nsize: 1\n", "utf-8")
    with pytest.raises(DataError, match=r"data\.yaml:2: words"):
        load(file, SCHEMA)


def test_a_missing_file_is_a_data_error(file: Path) -> None:
    with pytest.raises(DataError, match=r"data\.yaml:1: there is no such file"):
        load(file, SCHEMA)


def test_a_folder_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=":1: cannot be read"):
        load(tmp_path, SCHEMA)


def test_text_that_is_not_utf_8_is_a_data_error(file: Path) -> None:
    file.write_bytes(b"colour: red\nwords: \xff\n")
    with pytest.raises(DataError, match=r"data\.yaml:2: not UTF-8"):
        load(file, SCHEMA)


def test_a_path_below_the_working_directory_is_shown_relative(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    with pytest.raises(DataError, match=r"^data\.yaml:1: "):
        load(file, SCHEMA)


def test_a_pasted_key_is_masked(file: Path) -> None:
    file.write_text("colour: sk-0123456789abcdef\n", "utf-8")
    with pytest.raises(DataError, match=r"colour is 'sk-\*\*\*'"):
        load(file, SCHEMA)


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("2026-03-23", "2026-03-23"),
        ("no", "no"),
        ("12:30", "12:30"),
        ("'5'", "5"),
        ("9" * 99, "9" * 99),
        ("1e999", "1e999"),
        ("-7", -7),
        ("0.7", 0.7),
        ("true", True),
        ("~", None),
        ("", None),
    ],
)
def test_scalars_are_those_of_yaml_1_2(file: Path, scalar: str, value: object) -> None:
    file.write_text(f"a: {scalar}\n", "utf-8")
    assert load(file, {}).data == {"a": value}


def test_keys_are_text(file: Path) -> None:
    file.write_text("404: a\nno: b\n2026-03-23: c\n", "utf-8")
    assert load(file, {}).data == {"404": "a", "no": "b", "2026-03-23": "c"}


def test_a_line_is_known_for_every_entry_and_falls_back_outwards(file: Path) -> None:
    file.write_text("a:\n  - b: 1\n    c: 2\n  - d\n", "utf-8")
    document = load(file, {})
    asked: list[tuple[str | int, ...]] = [
        (),
        ("a",),
        ("a", 0),
        ("a", 0, "c"),
        ("a", 1),
        ("a", 0, "nowhere", 3),
    ]
    assert [document.line(*keys) for keys in asked] == [1, 1, 2, 3, 4, 2]


def test_an_error_of_the_callers_names_the_line(file: Path) -> None:
    file.write_text("a: 1\nb: 2\n", "utf-8")
    assert str(load(file, {}).error("b is odd; write 3", "b")) == f"{file}:2: b is odd; write 3"


@given(st.text() | st.text(alphabet="ab1:-?,[]{}&*!|>'\"#%@~.e \n\t") | st.binary())
def test_no_text_raises_anything_but_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = ""
    try:
        load(file, SCHEMA)
    except DataError as error:
        message = str(error)
    assert not message or re.match(rf"{re.escape(str(file))}:[1-9]\d*: .", message)
