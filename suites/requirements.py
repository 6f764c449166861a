"""Everything that a check can judge: the guide's rows and the vendor audit's, under one set of ids."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.datafile import load
from suites.guide import guide

WIRE = Path(__file__).parent / "gateway" / "wire.yaml"

requirement = pytest.mark.requirement
"""`@requirement("CHK-05")` says which row a check judges."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A row that a check judges; `see` names the guide's error rows that explain its failure,
    `reading` says how a row is judged where the guide leaves room or the measured behaviour differs."""

    id: str
    gist: str
    level: str
    layer: str
    per: str = "profile"
    see: tuple[str, ...] = ()
    excluded: str | None = None
    warn_only: str | None = None
    reading: str | None = None
    source: str = "Dify setup guide"

    @property
    def of_guide(self) -> bool:
        """Whether the guide has this row; the others are the vendor audit's."""
        return not self.id.startswith("WIRE-")


@functools.cache
def requirements() -> dict[str, Requirement]:
    """All requirements by id, the guide's first. Raises DataError for a file that is wrong."""
    found = {
        row.id: Requirement(
            row.id,
            row.gist,
            row.level,
            row.layer,
            row.per,
            row.see,
            row.excluded,
            row.warn_only,
            f"{row.reading.chosen} ({row.reading.reason})" if row.reading else None,
        )
        for row in guide().rows.values()
    }
    document = load(WIRE, json.loads(WIRE.with_suffix(".schema.json").read_text("utf-8")))
    for index, data in enumerate(document.data["rows"]):
        if data["id"] in found:
            raise document.error(f"the id {data['id']} stands twice; write another", "rows", index, "id")
        found[data["id"]] = Requirement(**{**data, "see": tuple(data.get("see", ()))})
    return found
