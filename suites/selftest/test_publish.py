"""A new recording takes the place of the one before it, or nothing does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.acting.recording import Manifest, all_tapes, publish, read_manifest, write_manifest
from fixtures.model.exchange import Chunk, Exchange, Request, Response
from fixtures.model.key import Key
from fixtures.wire.tape import TapeError, write

pytestmark = pytest.mark.selftest

KEY = Key("gpt-5.4", "gateway_log")
MANIFEST = Manifest("old", "2026-11-24", "live", "gpt-5.4", {"gpt-5.4": {}}, "2026-03-23", {}, True, False)
NEW = replace(MANIFEST, run_id="new")


def taped(folder: Path, manifest: Manifest) -> Path:
    """A folder with one tape, whose answer is the run's id."""
    response = Response(200, (), (Chunk(0.1, manifest.run_id.encode()),))
    exchange = Exchange("List", "gateway", Request("GET", "http://127.0.0.1/v1/models"), 1.0, 0.1, response)
    write(folder / KEY.file, KEY, [exchange])
    write_manifest(folder, manifest)
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording that stands."""
    return taped(tmp_path / "recordings" / "pair", MANIFEST)


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """The evidence of a run that takes its place."""
    return taped(tmp_path / "evidence", NEW)


def told(recording: Path) -> tuple[str, str]:
    """The run of a recording, as its manifest and its tape tell it."""
    ((exchange,),) = all_tapes(recording).values()
    return read_manifest(recording).run_id, exchange.text


def test_a_new_recording_takes_the_place_of_the_old(recording: Path, evidence: Path) -> None:
    publish(evidence, recording, NEW)
    assert told(recording) == ("new", "new")
    assert [path.name for path in recording.parent.iterdir()] == ["pair"]


def test_the_first_recording_needs_no_other(tmp_path: Path, evidence: Path) -> None:
    publish(evidence, tmp_path / "first", NEW)
    assert told(tmp_path / "first") == ("new", "new")


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_move_that_fails_leaves_the_old_recording(
    monkeypatch: pytest.MonkeyPatch, recording: Path, evidence: Path, error: BaseException
) -> None:
    move = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if self.name == "pair.new":
            raise error
        return move(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(type(error)):
        publish(evidence, recording, NEW)
    assert told(recording) == ("old", "old")


def test_a_recording_that_a_killed_run_left_aside_is_put_back(recording: Path, tmp_path: Path) -> None:
    recording.rename(recording.with_name("pair.old"))
    with pytest.raises(TapeError, match="did not act"):
        publish(tmp_path / "nothing acted", recording, NEW)
    assert told(recording) == ("old", "old")
