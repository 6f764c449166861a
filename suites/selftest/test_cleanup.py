"""What a run made is removed at its end, in whatever state the servers are."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fixtures.acting.actor import Actor
from fixtures.acting.registry import STEPS, Step
from fixtures.clients.dify import Console, Session
from fixtures.model.exchange import Exchange, Request
from fixtures.model.guide import guide
from fixtures.model.profiles import load_profile
from fixtures.proof.null_hosts import Handler, served
from fixtures.wire.act import Act, StepFailed
from fixtures.wire.redaction import Redactor
from fixtures.wire.settings import Settings
from suites.selftest.conftest import HANG

pytestmark = pytest.mark.selftest

Remove = Callable[[list[int]], tuple[list[str], list[str]]]


def removal(request: Request) -> Callable[[Act], Exchange]:
    return lambda act: act.send("dify", "Remove it", request)


@pytest.fixture
def remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remove:
    """A run that makes `a` and `b` on a server which answers their removal with these statuses, one after the other.

    Gives the paths in the order in which they were removed, and what stayed.
    """
    monkeypatch.setattr("fixtures.acting.actor.RESTART_SECONDS", 0)

    def make_and_stop(statuses: list[int]) -> tuple[list[str], list[str]]:
        asked: list[str] = []

        def answer(handler: Handler) -> None:
            asked.append(handler.path)
            handler.reply(statuses[len(asked) - 1], "application/json", b"")

        with served(answer) as url:

            def make(act: Act) -> None:
                for name in ("a", "b", "a"):  # a thing that is made twice is removed once
                    act.cleanup(name, removal(Request("DELETE", f"{url}/{name}")))

            monkeypatch.setitem(STEPS, "made", Step("made", make, (), False, False, None))
            acting = Actor(Settings(MappingProxyType({})), guide().edition, "run", tmp_path, Redactor())
            acting.provide("made", load_profile("gpt-5.4"))
            return asked, acting.stop()

    return make_and_stop


def test_what_was_made_is_removed_last_first(remove: Remove) -> None:
    assert remove([204, 200]) == (["/b", "/a"], [])


def test_what_is_gone_already_did_not_stay(remove: Remove) -> None:
    assert remove([404, 204]) == (["/b", "/a"], [])


def test_what_a_restarting_server_kept_is_removed_once_more(remove: Remove) -> None:
    assert remove([502, 204, 204]) == (["/b", "/a", "/b"], [])


def test_what_stays_is_told_with_the_server_s_answer(remove: Remove) -> None:
    asked, stayed = remove([204, 403])
    assert asked == ["/b", "/a"]
    assert [line[: len("a: DELETE http")] for line in stayed] == ["a: DELETE http"]
    assert "-> 403" in stayed[0]


def test_one_failure_keeps_no_other_thing_from_its_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def make(act: Act) -> None:
        for name, error in (("a", StepFailed("not now")), ("b", ValueError("odd"))):

            def fail(_: Act, name: str = name, error: Exception = error) -> None:
                tried.append(name)
                raise error

            act.cleanup(name, fail)  # type: ignore[arg-type]

    monkeypatch.setitem(STEPS, "made", Step("made", make, (), False, False, None))
    acting = Actor(Settings(MappingProxyType({})), guide().edition, "run", tmp_path, Redactor())
    acting.provide("made", load_profile("gpt-5.4"))
    assert acting.stop() == ["b: odd", "a: not now"]
    assert tried == ["b", "a"]


# --- Dify of both kinds ---------------------------------------------------------------------------------


class SavedModels:
    """A small Dify that holds one model's credentials, and reads a DELETE's query, its body, or neither."""

    def __init__(self, reads: str, default: str = "gpt-5.4", others: tuple[str, ...] = ("gpt-5.4",)) -> None:
        self.reads, self.default, self.others = reads, default, others
        self.credentials = ["c1"]
        self.deleted: list[str] = []

    def __call__(self, request: Handler) -> None:
        parts = urlsplit(request.path)
        asked = dict(parse_qsl(parts.query)) if self.reads == "query" else json.loads(request.body or b"{}")
        status, answer = 200, self.answer(parts.path, request)
        if request.command == "DELETE":
            status = 204 if asked.get("model") and self.reads != "nothing" else 422
            if status == 204 and parts.path.endswith("/credentials"):
                self.credentials = []
            self.deleted.append(parts.path.rpartition("/")[2])
        request.reply(status, "application/json", b"" if status == 204 else json.dumps(answer).encode())

    def answer(self, path: str, request: Handler) -> Any:
        """What a GET or POST is told."""
        if path.endswith("/credentials"):
            return {"available_credentials": [{"credential_id": id} for id in self.credentials]}
        if path.endswith("/default-model"):
            if request.command == "POST":
                self.default = json.loads(request.body)["model_settings"][0]["model"]
            return {"data": {"model": self.default}}
        return {"data": [{"models": [{"model": name, "status": "active"} for name in self.others]}]}


@pytest.fixture
def remove_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[SavedModels], list[str]]:
    """Save a model on a small Dify and end the run; what stayed."""

    def saved_and_removed(dify: SavedModels) -> list[str]:
        with served(dify) as url:

            def make(act: Act) -> None:
                console = Console(act, Session("1.16.1", {"csrf_token": "a"}))
                console.save_model("gpt-5.4-run", "llm", {}, why="Save it")

            monkeypatch.setitem(STEPS, "made", Step("made", make, (), False, False, None))
            settings = Settings(MappingProxyType({"DIFY_BASE_URL": url}), allow_writes=True)
            acting = Actor(settings, guide().edition, "run", tmp_path, Redactor())
            acting.provide("made", load_profile("gpt-5.4"))
            return acting.stop()

    return saved_and_removed


@pytest.mark.parametrize("reads", ["query", "body"])
def test_a_model_is_removed_whatever_a_delete_reads(
    remove_saved: Callable[[SavedModels], list[str]], reads: str
) -> None:
    dify = SavedModels(reads)
    assert remove_saved(dify) == []
    assert dify.deleted == ["credentials", "models"]


def test_credentials_that_stay_are_told(remove_saved: Callable[[SavedModels], list[str]]) -> None:
    (line,) = remove_saved(SavedModels("nothing"))
    assert line.startswith("Dify llm model gpt-5.4-run: Dify still holds credentials of gpt-5.4-run")


def test_the_default_model_goes_back_to_one_that_stays(remove_saved: Callable[[SavedModels], list[str]]) -> None:
    dify = SavedModels("query", default="gpt-5.4-run", others=("gpt-5.4-run", "claude"))
    assert remove_saved(dify) == []
    assert dify.default == "claude"


def test_a_default_model_that_nothing_can_replace_is_told(
    remove_saved: Callable[[SavedModels], list[str]],
) -> None:
    (line,) = remove_saved(SavedModels("query", default="gpt-5.4-run", others=()))
    assert "choose another under Model Provider" in line


# --- acting alone -----------------------------------------------------------------------------------------


def test_no_other_step_acts_while_one_is_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    started = threading.Semaphore(0)
    others: list[int] = []

    def enter() -> None:
        inside.append(1)

    def other(act: Act) -> None:
        started.release()
        enter()
        time.sleep(0.05)
        inside.pop()

    def alone(act: Act) -> None:
        started.acquire()
        with act.alone():
            others.append(len(inside))
            enter()
            time.sleep(0.1)
            others.append(len(inside) - 1)
            inside.pop()

    names = [f"other{number}" for number in range(4)]
    for name, acts in (*((name, other) for name in names), ("lonely", alone)):
        monkeypatch.setitem(STEPS, name, Step(name, acts, (), False, False, None))
    acting = Actor(Settings(MappingProxyType({})), guide().edition, "run", tmp_path, Redactor(), print)
    profile = load_profile("gpt-5.4")
    threads = [threading.Thread(target=acting.provide, args=(name, profile)) for name in ("lonely", *names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=HANG)
    acting.stop()
    assert others == [0, 0]
