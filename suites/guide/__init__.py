"""The Dify setup guide as data: one YAML file per table, its values in `edition.yaml`."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fixtures.datafile import Document, Keys, load, nearest

FOLDER = Path(__file__).parent
MAX_EXCLUDED = 8
# Table -> its file and how many rows the guide has there, in the guide's order.
TABLES: Mapping[str, tuple[str, int]] = {
    "PRE": ("prerequisites.yaml", 4),
    "WL": ("whitelist.yaml", 1),
    "URL": ("base_url.yaml", 3),
    "QS": ("quick_start.yaml", 5),
    "EMB": ("embeddings.yaml", 3),
    "MOD": ("models.yaml", 5),
    "TOK": ("tokens.yaml", 6),
    "CHK": ("checklist.yaml", 8),
    "ERR": ("errors.yaml", 10),
    "TIP": ("tips.yaml", 5),
    "FAQ": ("faq.yaml", 6),
}

Level = Literal["required", "strongly_recommended", "recommended"]
Layer = Literal[
    "network",
    "base_url",
    "token",
    "quota",
    "relay",
    "protocol",
    "log",
    "dify_role",
    "dify_provider",
    "dify_model",
    "dify_app",
    "dify_knowledge",
]
Per = Literal["profile", "once"]

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a row is judged where the guide's rows disagree or leave room."""

    chosen: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the guide; `per` says whether it is judged for each profile or once per run."""

    id: str
    table: str
    gist: str
    level: Level
    layer: Layer
    digests: tuple[str, ...]
    see: tuple[str, ...]
    per: Per
    excluded: str | None
    warn_only: str | None
    reading: Reading | None
    symptom: str | None
    cause: str | None
    fix: str | None


@dataclass(frozen=True, slots=True)
class Edition:
    """The values that an edition of the guide names: addresses, models, labels."""

    date: str
    guide: str
    base_url: str
    root: str
    chat: str
    stronger_chat: str
    fallback_chat: str
    embedding: str
    low_cost_embedding: str
    starting_whitelist: tuple[str, ...]
    provider_names: tuple[str, ...]
    token_name: str
    prompt: str

    @property
    def placeholders(self) -> dict[str, str]:
        """What a row's text may name in braces, and its value."""
        names = (
            "base_url",
            "root",
            "chat",
            "stronger_chat",
            "fallback_chat",
            "embedding",
            "low_cost_embedding",
        )
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Guide:
    """An edition, its rows by id in the guide's order, and the titles of its tables."""

    edition: Edition
    rows: dict[str, Row]
    titles: dict[str, str]


@functools.cache
def guide() -> Guide:
    """The guide of this package, loaded once. Raises DataError."""
    return load_guide()


def load_guide(folder: Path = FOLDER) -> Guide:
    """Load the edition and every table of a folder.

    Raises DataError for what the schemas refuse, for a row that is missing, stands twice or is out of its
    table, for an unknown placeholder or error row, and for more than MAX_EXCLUDED excluded rows.
    """
    edition = _edition(folder)
    schema = _schema("guide")
    rows: dict[str, Row] = {}
    titles: dict[str, str] = {}
    places: dict[str, tuple[Document, Keys]] = {}
    for table, (name, count) in TABLES.items():
        document = load(folder / name, schema)
        if document.data["table"] != table:
            raise document.error(f"this file holds the table {table}; write `table: {table}`", "table")
        titles[table] = document.data["title"]
        for row, keys in _rows(document, edition.placeholders):
            if row.id in places:
                first, where = places[row.id]
                place = f"{first.path.name}:{first.line(*where)}"
                raise document.error(f"the row {row.id} stands twice (first in {place}); write it once", *keys)
            rows[row.id] = row
            places[row.id] = document, keys
        _check_ids(document, table, count)
    for row in rows.values():
        _check_see(row, rows, *places[row.id])
    excluded = [row.id for row in rows.values() if row.excluded]
    if len(excluded) > MAX_EXCLUDED:
        document, keys = places[excluded[MAX_EXCLUDED]]
        raise document.error(
            f"{len(excluded)} rows are excluded; judge this one, at most {MAX_EXCLUDED} may be",
            *keys,
            "excluded",
        )
    return Guide(edition, rows, titles)


def line_digest(text: str) -> str:
    """16 hexadecimal digits that stand for the words of one line of the guide.

    Only letters and digits count, without case, and not the targets of Markdown links: the plain text of a
    guide and its Markdown table have the same digests.
    """
    words = _LINK.sub(r"\1", text).casefold()
    kept = "".join(character for character in words if character.isalnum())
    return hashlib.sha256(kept.encode()).hexdigest()[:16]


def stale_rows(known: Guide, text: str) -> list[Row]:
    """The rows that a guide's text no longer carries word for word."""
    present = {line_digest(line) for line in text.splitlines()}
    return [row for row in known.rows.values() if not present.issuperset(row.digests)]


def _schema(name: str) -> dict[str, object]:
    schema: dict[str, object] = json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))
    return schema


def _edition(folder: Path) -> Edition:
    data = dict(load(folder / "edition.yaml", _schema("edition")).data)
    models = data.pop("models")
    lists: dict[str, Any] = {name: tuple(data.pop(name)) for name in ("starting_whitelist", "provider_names")}
    return Edition(**data, **models, **lists)


def _rows(document: Document, values: Mapping[str, str]) -> Iterator[tuple[Row, Keys]]:
    for index, data in enumerate(document.data["rows"]):
        keys: Keys = ("rows", index)
        filled = _filled(document, keys, data, values)
        reading = filled.get("reading")
        yield (
            Row(
                id=data["id"],
                table=document.data["table"],
                gist=filled["gist"],
                level=data["level"],
                layer=data["layer"],
                digests=tuple(data["digests"]),
                see=tuple(data.get("see", ())),
                per=document.data["per"],
                excluded=filled.get("excluded"),
                warn_only=filled.get("warn_only"),
                reading=Reading(**reading) if reading else None,
                symptom=filled.get("symptom"),
                cause=filled.get("cause"),
                fix=filled.get("fix"),
            ),
            keys,
        )


def _filled(document: Document, keys: Keys, value: Any, values: Mapping[str, str]) -> Any:
    """The value with every placeholder in its texts replaced."""
    if isinstance(value, dict):
        return {key: _filled(document, (*keys, key), each, values) for key, each in value.items()}
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            known = ", ".join(f"{{{each}}}" for each in values)
            message = f"unknown placeholder {found[0]}{nearest(name, values)}; write one of {known} instead"
            raise document.error(message, *keys)
        return values[name]

    return _PLACEHOLDER.sub(fill, value)


def _check_ids(document: Document, table: str, count: int) -> None:
    expected = [f"{table}-{number:02}" for number in range(1, count + 1)]
    present = [row["id"] for row in document.data["rows"]]
    for index, row_id in enumerate(present):
        if row_id not in expected:
            message = f"{row_id} is no row of the table {table}; write {expected[0]} to {expected[-1]} instead"
            raise document.error(message, "rows", index, "id")
    if missing := [row_id for row_id in expected if row_id not in present]:
        raise document.error(f"the row {missing[0]} is missing; write it here", "rows")


def _check_see(row: Row, rows: Mapping[str, Row], document: Document, keys: Keys) -> None:
    errors = [row_id for row_id in rows if row_id.startswith("ERR-")]
    for index, row_id in enumerate(row.see):
        if row_id not in errors:
            message = f"there is no error row {row_id}; write one of {', '.join(errors)} instead"
            raise document.error(message, *keys, "see", index)
