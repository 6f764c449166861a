"""Recorded twice, a pair leaves the same tapes but for ids, times and counters, whichever step was acted first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from fixtures.acting.actor import Actor
from fixtures.acting.recording import Manifest, Recorded, write_manifest
from fixtures.acting.registry import STEPS, Step
from fixtures.judging.judge import Judge
from fixtures.model.exchange import Exchange, Request
from fixtures.model.guide import guide
from fixtures.model.key import Key
from fixtures.model.profiles import load_profile
from fixtures.proof.null_hosts import Handler, served
from fixtures.wire.act import Act
from fixtures.wire.redaction import Redactor
from fixtures.wire.settings import Settings

pytestmark = pytest.mark.selftest

PROFILE = load_profile("gpt-5.4")
SPARE, OWN = "Spare5Key7That9Nobody1Named3Here", "Own6Key8That2The4Run0Itself7Made"


def gateway(request: Handler) -> None:
    """Lists the account's keys: one that nobody named, and one that the run made."""
    request.reply(200, "application/json", json.dumps([{"key": SPARE}, {"key": OWN}]).encode())


def steps(url: str) -> dict[str, Step]:
    """`listed` sees both keys; `using` sends the first as `listed` told it; `naming` names the second."""

    def ask(act: Act, key: str = "none") -> Exchange:
        return act.send("gateway", "Ask", Request("GET", url, (("Authorization", f"Bearer {key}"),)))

    def naming(act: Act) -> Exchange:
        answer = ask(act)
        act.learn("own", answer.get(1, "key"))
        return answer

    return {
        "listed": Step("listed", ask, (), False, False, None),
        "using": Step("using", lambda act, listed: ask(act, listed.get(0, "key")), ("listed",), False, False, None),
        "naming": Step("naming", naming, (), False, False, None),
    }


def recorded(folder: Path, order: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Judge:
    """A judge of a run that acted these steps, one after the other."""
    with served(gateway) as url:
        for name, step in steps(url).items():
            monkeypatch.setitem(STEPS, name, step)
        acting = Actor(Settings(MappingProxyType({})), guide().edition, "run", folder, Redactor())
        for name in order:
            acting.provide(name, PROFILE)
        acting.stop()
    manifest = Manifest("run", "2026-11-24", "live", PROFILE.name, {PROFILE.name: {}}, "2026-03-23", {}, False, False)
    write_manifest(folder, manifest)
    return Judge(folder, manifest, guide().edition, Recorded(folder, manifest, folder))


def secrets(judge: Judge) -> dict[str, Any]:
    """What each step sent as its key, and the keys that it was told."""
    views = {name: judge.look(name, PROFILE) for name in ("listed", "using", "naming")}
    assert all(judge.exchanges(Key(PROFILE.name, name)) for name in views)
    return {name: [dict(view.request.headers)["Authorization"], *view.json()] for name, view in views.items()}


@pytest.mark.parametrize("order", [("naming", "using"), ("listed", "naming", "using"), ("using", "naming")])
def test_each_order_of_acting_leaves_the_same_markers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Sequence[str]
) -> None:
    told = secrets(recorded(tmp_path, order, monkeypatch))
    spare = "{{gpt-5.4/listed.unnamed-1}}"
    assert told["listed"][:2] == ["Bearer none", {"key": spare}]
    assert told["using"][:2] == [f"Bearer {spare}", {"key": spare}]
    own, naming = {"key": "{{gpt-5.4/naming.own}}"}, {"key": "{{gpt-5.4/naming.unnamed-1}}"}
    assert told["naming"] == ["Bearer none", naming, own]
    assert told["using"][2] == told["listed"][2], "what a tape before holds keeps its marker"
    for path in tmp_path.rglob("*.yaml"):
        assert SPARE not in path.read_text("utf-8")
        assert OWN not in path.read_text("utf-8")
