"""Data files: every error names file and line and says what to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.model.datafile import DataError, load

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["colour"],
    "properties": {
        "colour": {"enum": ["red", "blue"]},
        "words": {"type": "string", "description": "some words"},
        "day": {"type": "string", "format": "date", "description": "a date as YYYY-MM-DD"},
        "parts": {
            "type": "array",
            "items": {"type": "object", "required": ["size", "unit"], "properties": {"size": {"type": "integer"}}},
        },
        "kind": {"const": "paint"},
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "share": {"type": "number", "maximum": 1},
        "left_out": {"not": {}},
    },
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.yaml"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("", 1, "the file is empty; write its entries instead", id="empty"),
        pytest.param("- red\n", 1, "the file is a list; write a mapping instead", id="no mapping"),
        pytest.param("words: a\n", 1, "the file is missing the field colour; write `colour: ...`", id="missing field"),
        pytest.param(
            "colour: red\nparts: [{}]\n",
            2,
            "parts[0] is missing the fields size, unit; write `size: ...`, `unit: ...`",
            id="missing fields",
        ),
        pytest.param(
            "color: red\n",
            1,
            f"unknown key 'color' (did you mean colour?); write one of {', '.join(SCHEMA['properties'])} instead",
            id="misspelt key",
        ),
        pytest.param(
            "colour: red\nsize: 1\n",
            2,
            f"unknown key 'size'; write one of {', '.join(SCHEMA['properties'])} instead",
            id="unknown key",
        ),
        pytest.param(
            "words: a\ncolour: rod\n",
            2,
            "colour is 'rod' (did you mean red?); write one of red, blue instead",
            id="enum",
        ),
        pytest.param("colour: 5\n", 1, "colour is 5; write one of red, blue instead", id="number for a word"),
        pytest.param(
            "colour: red\nkind: pint\n", 2, "kind is 'pint' (did you mean paint?); write paint instead", id="const"
        ),
        pytest.param(
            "colour: red\nwords: 5\n", 2, "words is 5; write some words in quotes instead", id="number for text"
        ),
        pytest.param(
            "colour: red\nwords: true\n", 2, "words is true; write some words in quotes instead", id="flag for text"
        ),
        pytest.param("colour: red\nwords:\n", 2, "words is empty; write some words instead", id="nothing for text"),
        pytest.param(
            "colour: red\nwords: {}\n", 2, "words is a mapping; write some words instead", id="mapping for text"
        ),
        pytest.param("colour: red\nshare: []\n", 2, "share is a list; write a number instead", id="list for a number"),
        pytest.param(
            "colour: red\nday: 2026-02-30\n", 2, "day is '2026-02-30'; write a date as YYYY-MM-DD instead", id="date"
        ),
        pytest.param("colour: red\nname: B\n", 2, "name is 'B'; write text of the form ^[a-z]+$ instead", id="pattern"),
        pytest.param(
            "colour: red\nshare: 2\n",
            2,
            "share: 2 is greater than the maximum of 1; write what fits instead",
            id="limit",
        ),
        pytest.param("colour: red\nleft_out: 1\n", 2, "left_out is not allowed here; remove it", id="not allowed"),
        pytest.param(
            "colour: red\nparts:\n- {size: 1, unit: a}\n- {size: a, unit: a}\n",
            4,
            "parts[1].size is 'a'; write a whole number instead",
            id="list item",
        ),
        pytest.param(
            "colour: red\nwords: a\nwords: b\n",
            3,
            "the key 'words' stands twice (first in line 2); write it once",
            id="duplicate key",
        ),
        pytest.param(
            "colour: red\n---\nwords: a\n",
            2,
            "a second document starts; write one document per file instead",
            id="second document",
        ),
        pytest.param("colour: &a red\nwords: *a\n", 2, "the alias *a is not read; write the value instead", id="alias"),
        pytest.param(
            "colour: red\nwords: !!str a\n",
            2,
            "the tag 'tag:yaml.org,2002:str' is not read here; write the bare value instead",
            id="tag",
        ),
        pytest.param("? [colour]\n: red\n", 1, "this key is not plain text; write a word instead", id="list as key"),
        pytest.param(
            "\ncolour: red\nwords: \x01\n\n",
            3,
            "the character '\\x01' is not printable; write text instead",
            id="control character",
        ),
        pytest.param(
            "colour: red\nparts: " + "[" * 99 + "]" * 99,
            2,
            "nested more than 50 deep; write it flatter instead",
            id="deep",
        ),
    ],
)
def test_an_error_names_its_line_and_what_to_write(file: Path, text: str, line: int, message: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        load(file, SCHEMA)
    assert str(caught.value) == f"{file}:{line}: {message}"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [("colour: red\nwords: a: b\n", 2, "mapping values are not allowed"), ("{", 2, "did not find expected node")],
    ids=["syntax", "open bracket"],
)
def test_what_is_no_yaml_is_told_as_the_reader_tells_it(file: Path, text: str, line: int, problem: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(
        DataError, match=rf":{line}: not valid YAML \({problem}.*\); write this part anew, with its quotes"
    ):
        load(file, SCHEMA)


@pytest.mark.parametrize(("length", "shown"), [(118, f"'{'B' * 118}'"), (119, f"'{'B' * 116}...")])
def test_a_long_value_is_shown_in_120_characters(file: Path, length: int, shown: str) -> None:
    file.write_text(f"colour: red\nname: {'B' * length}\n", "utf-8")
    with pytest.raises(DataError) as caught:
        load(file, SCHEMA)
    assert f"name is {shown}; write" in str(caught.value)
    assert len(shown) == 120


def test_the_first_error_of_the_file_is_reported(file: Path) -> None:
    file.write_text("colour: red\nwords: 5\nday: never\nsize: 1\n", "utf-8")
    with pytest.raises(DataError, match=r"data\.yaml:2: words"):
        load(file, SCHEMA)


def test_a_missing_file_is_a_data_error(file: Path) -> None:
    with pytest.raises(DataError, match=r"data\.yaml:1: there is no such file"):
        load(file, SCHEMA)


def test_a_folder_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":1: cannot be read \(Is a directory\); give a readable file instead"):
        load(tmp_path, SCHEMA)


def test_text_that_is_not_utf_8_is_a_data_error(file: Path) -> None:
    file.write_bytes(b"\ncolour: red\nwords: \xff\n\n")
    with pytest.raises(DataError, match=r"data\.yaml:3: not UTF-8"):
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


def complaint(file: Path) -> str:
    """What is said of a file; empty where it is read."""
    try:
        load(file, SCHEMA)
    except DataError as error:
        return str(error)
    return ""


@given(st.text() | st.text(alphabet="ab1:-?,[]{}&*!|>'\"#%@~.e \n\t") | st.binary())
def test_no_text_raises_anything_but_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = complaint(file)
    assert not message or re.match(rf"{re.escape(str(file))}:[1-9]\d*: .", message)
