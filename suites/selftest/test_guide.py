"""The guide as data: complete, in order, and strict about mistakes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fixtures.model.datafile import DataError
from fixtures.model.guide import (
    FOLDER,
    MAX_EXCLUDED,
    TABLES,
    Guide,
    Reading,
    guide,
    line_digest,
    load_guide,
    stale_rows,
)
from suites.guide.__main__ import main

LINE = "the request appears in the Crazyrouter logs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the guide's data that a test may spoil."""
    return Path(shutil.copytree(FOLDER, tmp_path / "guide", ignore=shutil.ignore_patterns("*.py", "__pycache__")))


def spoil(file: Path, old: str, new: str) -> int:
    """Replace the first `old` in a file; returns the line where the change begins."""
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")
    return text.count("\n", 0, text.index(old)) + 1


def test_the_rows_are_whole_and_in_the_guides_order() -> None:
    tables = {table: yaml.safe_load((FOLDER / name).read_text("utf-8")) for table, name in TABLES.items()}
    expected = [f"{table}-{number:02}" for table, data in tables.items() for number in range(1, data["count"] + 1)]
    assert list(guide().rows) == expected
    assert len(expected) >= 56


def test_the_guide_is_loaded_once() -> None:
    assert guide() is guide()


def test_only_checklist_and_error_rows_are_judged_per_profile() -> None:
    assert {row.table for row in guide().rows.values() if row.per == "profile"} == {"CHK", "ERR"}


def test_error_rows_and_only_they_have_symptom_cause_and_fix() -> None:
    for row in guide().rows.values():
        texts = (row.symptom, row.cause, row.fix)
        assert all(texts) if row.table == "ERR" else not any(texts), row.id


def test_placeholders_are_filled_from_the_edition(folder: Path) -> None:
    spoil(folder / "edition.yaml", "https://crazyrouter.com/v1", "https://gateway.example/v1")
    assert "https://gateway.example/v1" in load_guide(folder).rows["URL-01"].gist


def test_rows_name_models_and_addresses_by_placeholder_only() -> None:
    for name in TABLES.values():
        text = (FOLDER / name).read_text("utf-8")
        assert not [value for value in guide().edition.placeholders.values() if value in text], name


@pytest.mark.parametrize("schema", ["guide", "edition"])
def test_the_schemas_are_valid(schema: str) -> None:
    Draft202012Validator.check_schema(json.loads((FOLDER / f"{schema}.schema.json").read_text("utf-8")))


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        pytest.param("checklist.yaml", "gist: The saved", "gits: The saved", "did you mean gist?", id="unknown key"),
        pytest.param("checklist.yaml", "- id: CHK-02", "- id: CHK-01", "CHK-01 stands twice", id="duplicate id"),
        pytest.param("errors.yaml", "id: ERR-01", "id: CHK-01", "CHK-01 stands twice", id="duplicate elsewhere"),
        pytest.param("checklist.yaml", "id: CHK-08", "id: TIP-08", "no row of the table CHK", id="other table"),
        pytest.param("checklist.yaml", "id: CHK-08", "id: CHK-09", "no row of the table CHK", id="unknown row"),
        pytest.param("checklist.yaml", "id: CHK-08", "id: eight", "such as CHK-05", id="odd id"),
        pytest.param(
            "checklist.yaml", "id: CHK-08", "id: TIP-08", "write CHK-01 to CHK-08 instead", id="other table's id"
        ),
        pytest.param("checklist.yaml", "table: CHK", "table: TIP", "write `table: CHK`", id="wrong table"),
        pytest.param(
            "checklist.yaml", "ERR-06", "ERR-11", "write one of ERR-01, .*, ERR-10 instead", id="see to nowhere"
        ),
        pytest.param(
            "checklist.yaml",
            "{base_url}",
            "{bace_url}",
            r"unknown placeholder {bace_url} \(did you mean base_url\?\); write one of {base_url}, {root}, ",
            id="placeholder",
        ),
        pytest.param("checklist.yaml", "layer: log", "layer: logs", "did you mean log?", id="layer"),
        pytest.param("checklist.yaml", "  - id: CHK-08\n    gist", "  - gist", "missing the field id", id="no id"),
        pytest.param("tips.yaml", "    see:", "    fix: all\n    see:", "fix is not allowed here", id="fix in a tip"),
        pytest.param("edition.yaml", "date: 2026-03-23", "date: 23.3.2026", "YYYY-MM-DD", id="date"),
        pytest.param("edition.yaml", ".com/v1", ".com", "ends in the API's path", id="base URL without a path"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(folder: Path, name: str, old: str, new: str, words: str) -> None:
    line = spoil(folder / name, old, new)
    with pytest.raises(DataError, match=rf"{name}:{line}: .*({words})"):
        load_guide(folder)


def test_the_line_is_that_of_the_mistake(folder: Path) -> None:
    line = spoil(folder / "checklist.yaml", "layer: log", "layer: logs")
    with pytest.raises(DataError, match=rf"checklist\.yaml:{line}: "):
        load_guide(folder)


def test_the_line_of_a_wrong_id_is_the_id_s_wherever_it_stands_in_its_row(folder: Path) -> None:
    file = folder / "checklist.yaml"
    spoil(file, "- id: CHK-08\n    gist:", "- gist:")
    file.write_text(file.read_text("utf-8") + "    id: CHK-09\n", "utf-8")
    with pytest.raises(DataError, match=rf"checklist\.yaml:{len(file.read_text('utf-8').splitlines())}: CHK-09"):
        load_guide(folder)


def test_the_line_of_a_wrong_table_is_its_own_wherever_it_stands(folder: Path) -> None:
    line = spoil(folder / "checklist.yaml", "table: CHK\ntitle: Verification checklist", "title: A\ntable: TIP")
    with pytest.raises(DataError, match=rf"checklist\.yaml:{line + 1}: "):
        load_guide(folder)


def test_the_line_of_an_unknown_error_row_is_that_of_the_one_among_several(folder: Path) -> None:
    line = spoil(folder / "checklist.yaml", "see: [ERR-06]", "see:\n      - ERR-06\n      - ERR-11")
    with pytest.raises(DataError, match=rf"checklist\.yaml:{line + 2}: .*ERR-11"):
        load_guide(folder)


@pytest.mark.parametrize("field", ["symptom", "cause", "fix"])
def test_an_error_row_needs_symptom_cause_and_fix(folder: Path, field: str) -> None:
    spoil(folder / "errors.yaml", f"    {field}: ", "    # ")
    with pytest.raises(DataError, match=rf"errors\.yaml:6: rows\[0\] is missing the field {field}"):
        load_guide(folder)


def test_a_missing_row_is_named(folder: Path) -> None:
    text = (folder / "checklist.yaml").read_text("utf-8")
    (folder / "checklist.yaml").write_text(text.partition("  - id: CHK-08")[0], "utf-8")
    with pytest.raises(DataError, match=r"checklist\.yaml:5: the row CHK-08 is missing"):
        load_guide(folder)


def test_a_missing_table_is_named(folder: Path) -> None:
    (folder / "tips.yaml").unlink()
    with pytest.raises(DataError, match=r"tips\.yaml:1: there is no such file"):
        load_guide(folder)


def test_no_more_rows_than_agreed_may_be_excluded(folder: Path) -> None:
    for name in ("checklist.yaml", "tips.yaml"):
        text = (folder / name).read_text("utf-8")
        (folder / name).write_text(text.replace("    layer:", "    excluded: too hard\n    layer:"), "utf-8")
    with pytest.raises(DataError, match=rf"tips\.yaml:\d+: .*at most {MAX_EXCLUDED}") as told:
        load_guide(folder)
    line = int(str(told.value).split(":")[1])
    assert (folder / "tips.yaml").read_text("utf-8").splitlines()[line - 1] == "    excluded: too hard"


def test_a_digest_is_that_of_the_words() -> None:
    assert line_digest("| Dify | Use `it` — [here](https://x.example/y) |") == line_digest("DifyUse it here")


def test_a_digest_tells_words_apart() -> None:
    assert line_digest("https://crazyrouter.com/v1") != line_digest("https://crazyrouter.com/v2")


@given(st.text(alphabet="aZ9 \t-*`|#.\u2019"))
def test_a_digest_ignores_case_blanks_and_marks(text: str) -> None:
    assert line_digest(text) == line_digest(f"- **{text.upper()}** ".replace(" ", "  "))


def carrier(row_id: str, line: str) -> Guide:
    """A guide of one row, carried by one line."""
    row = guide().rows[row_id]
    assert row.digests == (line_digest(line),)
    return Guide(guide().edition, {row_id: row}, guide().titles)


@pytest.mark.parametrize(
    ("text", "stale"),
    [
        pytest.param(f"# Checklist\n- {LINE}\n", [], id="unchanged"),
        pytest.param(f"- [ ] {LINE.upper()}", [], id="other marks and case"),
        pytest.param(LINE.replace("logs", "statements"), ["CHK-05"], id="one word changed"),
        pytest.param("", ["CHK-05"], id="gone"),
    ],
)
def test_a_row_is_stale_when_a_word_of_its_line_changes(text: str, stale: list[str]) -> None:
    assert [row.id for row in stale_rows(carrier("CHK-05", LINE), text)] == stale


@pytest.mark.parametrize("index", [0, 1])
def test_a_row_on_several_lines_is_stale_when_one_changes(index: int) -> None:
    lines = ["Which Base URL should I use in Dify?", "Use https://crazyrouter.com/v1."]
    row = guide().rows["FAQ-01"]
    assert row.digests == tuple(map(line_digest, lines))
    lines[index] += " Really."
    assert row in stale_rows(guide(), "\n".join(lines))


@pytest.fixture
def one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suites.guide.__main__.guide", lambda: carrier("CHK-05", LINE))


@pytest.mark.usefixtures("one_row")
def test_compare_is_content_with_an_unchanged_guide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "guide.md").write_text(f"- {LINE}\n", "utf-8")
    assert main(["compare", str(tmp_path / "guide.md")]) == 0
    assert capsys.readouterr().out == "1 of 1 rows unchanged\n"


@pytest.mark.usefixtures("one_row")
def test_compare_names_stale_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "guide.md").write_text("another text\n", "utf-8")
    assert main(["compare", str(tmp_path / "guide.md")]) == 1
    assert capsys.readouterr().out == f"stale CHK-05  {guide().rows['CHK-05'].gist}\n0 of 1 rows unchanged\n"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: None, "No such file", id="missing"),
        pytest.param(Path.mkdir, "Is a directory", id="folder"),
        pytest.param(Path.touch, "an empty file", id="empty"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8", id="not UTF-8"),
        pytest.param(lambda path: path.write_bytes(b"a\x00b"), "a binary file", id="binary"),
    ],
)
def test_compare_refuses_an_unusable_file_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], object], words: str
) -> None:
    make(tmp_path / "guide.md")
    assert main(["compare", str(tmp_path / "guide.md")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_digests_are_printed_as_a_row_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["digest", "Which Base URL should I use in Dify?", "- Use `https://crazyrouter.com/v1`."]) == 0
    assert tuple(yaml.safe_load(capsys.readouterr().out)["digests"]) == guide().rows["FAQ-01"].digests


def test_a_line_without_words_has_no_digest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["digest", LINE, "|---|---|"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "'|---|---|': a line without words; give the guide's line that carries the row\n"


def test_rows_are_printed_as_a_markdown_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rows"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["| id | level | layer | gist |", "|---|---|---|---|"]
    assert len(lines) == 2 + len(guide().rows)
    assert {line.count("|") for line in lines} == {5}


def test_every_row_says_what_its_file_says() -> None:
    known = load_guide()  # not guide(): that may be the one from before a change
    values = known.edition.placeholders
    assert list(known.titles) == list(TABLES)
    for name in TABLES.values():
        table = yaml.safe_load((FOLDER / name).read_text("utf-8"))
        assert known.titles[table["table"]] == table["title"]
        for data in table["rows"]:
            row = known.rows[data["id"]]
            assert (row.table, row.per) == (table["table"], table["per"])
            assert (row.level, row.layer) == (data["level"], data["layer"])
            assert (row.digests, row.see) == (tuple(data["digests"]), tuple(data.get("see", ())))
            for field in ("gist", "excluded", "warn_only", "symptom", "cause", "fix"):
                text = data.get(field)
                assert getattr(row, field) == (text and text.format(**values)), (row.id, field)
            reading = data.get("reading")
            assert row.reading == (reading and Reading(**{key: each.format(**values) for key, each in reading.items()}))


def test_a_row_that_stands_twice_is_named_with_both_lines(folder: Path) -> None:
    line = spoil(folder / "errors.yaml", "id: ERR-01", "id: CHK-01")
    with pytest.raises(DataError, match=rf"errors\.yaml:{line}: .*CHK-01 stands twice \(first in checklist\.yaml:6\)"):
        load_guide(folder)


def exclude(folder: Path, count: int) -> None:
    """Exclude the first rows of the checklist and the tips, beside those that the guide excludes."""
    for name in ("checklist.yaml", "tips.yaml"):
        text = (folder / name).read_text("utf-8")
        done = min(count, text.count("    layer:"))
        (folder / name).write_text(text.replace("    layer:", "    excluded: too hard\n    layer:", done), "utf-8")
        count -= done


def test_as_many_rows_as_agreed_may_be_excluded(folder: Path) -> None:
    exclude(folder, MAX_EXCLUDED - sum(1 for row in guide().rows.values() if row.excluded))
    assert sum(1 for row in load_guide(folder).rows.values() if row.excluded) == MAX_EXCLUDED
