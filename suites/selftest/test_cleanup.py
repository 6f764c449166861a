"""What a run made is removed at its end, in whatever state the servers are."""

from __future__ import annotations

import json
import re
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
from fixtures.clients.gateway import Management
from fixtures.model.exchange import Exchange, Request
from fixtures.model.guide import guide
from fixtures.model.profiles import load_profile
from fixtures.proof.null_hosts import PAGE, Handler, served
from fixtures.steps.dify.documents import create_dataset
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


# --- answers that nobody can read -------------------------------------------------------------------------


class Pair:
    """A small Dify and gateway that hold what a run makes; from `changed` on it answers otherwise."""

    def __init__(self) -> None:
        self.held: dict[str, list[dict[str, Any]]] = {"token": [], "apps": [], "datasets": [], "credentials": []}
        self.default = "gpt-5.4-run"
        self.changed: Callable[[Handler], bool] | None = None

    def __call__(self, request: Handler) -> None:
        if self.changed and self.changed(request):
            return
        path = urlsplit(request.path).path
        kind = next((kind for kind in self.held if f"/{kind}" in path.removesuffix("/api-keys")), "")
        body = json.loads(request.body or b"{}")
        if request.command == "DELETE" and kind:
            id = body.get("credential_id") or path.rpartition("/")[2]
            self.held[kind] = [each for each in self.held[kind] if each["id"] != id]
        if request.command == "POST" and path.endswith(("/token/", "/apps", "/imports", "/datasets", "/credentials")):
            named = json.loads(body["yaml_content"])["app"] if "yaml_content" in body else body
            id = f"{kind}{len(self.held[kind])}"
            token = {"id": 7, "key": "k5" * 24} if kind == "token" else {}
            self.held[kind].append({"name": named.get("name"), "id": id, "credential_id": id, "app_id": id, **token})
        status = 201 if path.endswith("/credentials") and request.command == "POST" else 200
        request.reply(status, "application/json", json.dumps(self.answer(request, kind, path)).encode())

    def answer(self, request: Handler, kind: str, path: str) -> Any:
        """What is told once that is done."""
        if path.endswith("/api-keys"):
            return {"token": "app-0123456789abcdef"}
        if path.endswith("/default-model"):
            if request.command == "POST":
                self.default = "other"
            return {"data": {"model": self.default}}
        if path.endswith("/model-types/llm"):
            return {"data": [{"models": [{"model": "other", "status": "active"}]}]}
        if request.command == "POST" and self.held.get(kind):
            return {"success": True, **self.held[kind][-1]}
        if kind == "token":
            if request.command == "DELETE":
                self.held["token"] = []
            return {"success": True, "data": {"items": self.held["token"]}}
        return {"data": self.held.get(kind), "available_credentials": self.held["credentials"], "result": "success"}


THINGS = [
    "Dify knowledge base conf-run",
    "Dify app conf-run",  # the workflow
    "Dify app conf-run",
    "Dify llm model gpt-5.4-run",
    "Dify's default llm model",
    "gateway token conf-run",
]
"""What the run makes, last first."""


@pytest.fixture
def make_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Pair, Callable[[Handler], bool]], list[str]]:
    """A run that makes one thing of each kind; once `changed` answers, it ends. What stayed."""
    monkeypatch.setattr("fixtures.acting.actor.RESTART_SECONDS", 0)

    def make(act: Act) -> None:
        Management(act).create_token("one", ["gpt-5.4"])
        console = Console(act, Session("1.16.1", {"csrf_token": "a"}))
        console.add_model("gpt-5.4-run", "llm", {})
        console.create_chat_app("one", "gpt-5.4-run")
        console.create_workflow_app("two", "gpt-5.4-run")
        create_dataset(act, "three", "text-embedding-3-large")

    def made_and_removed(pair: Pair, changed: Callable[[Handler], bool] | None) -> list[str]:
        monkeypatch.setitem(STEPS, "made", Step("made", make, (), False, False, None))
        told: list[str] = []
        with served(pair) as url:
            given = {"DIFY_BASE_URL": url, "DIFY_DATASET_KEY": "dataset-0123456789"}
            given |= {"CRAZYROUTER_BASE_URL": f"{url}/v1", "CRAZYROUTER_USER_ID": "2"}
            given |= {"CRAZYROUTER_ACCESS_TOKEN": "access0123456789"}
            settings = Settings(MappingProxyType(given), allow_writes=True)
            acting = Actor(settings, guide().edition, "run", tmp_path, Redactor(), told.append)
            acting.provide("made", load_profile("gpt-5.4"))
            assert "made: done" in told[0]
            pair.changed = changed
            return acting.stop()

    return made_and_removed


MakeAll = Callable[[Pair, Callable[[Handler], bool] | None], list[str]]
UNREADABLE = {
    "web page": ("text/html", PAGE),
    "empty object": ("application/json", b"{}"),
    "cut JSON": ("application/json", b'{"success": true, "data": [{"na'),
    "null": ("application/json", b"null"),
    "other list": ("application/json", b'{"data": ["?"]}'),
}


def saying(what: str, *methods: str) -> Callable[[Handler], bool]:
    """A server that answers these methods with 200 and what nobody can read."""

    def answer(request: Handler) -> bool:
        if request.command not in methods:
            return False
        request.reply(200, *UNREADABLE[what])
        return True

    return answer


def things(stayed: list[str]) -> list[str]:
    """What stayed, without the names' ends and the reasons."""
    return [re.sub(r"conf-run-.*", "conf-run", line.partition(": ")[0]) for line in stayed]


def test_what_a_pair_removes_is_not_listed(make_all: MakeAll) -> None:
    pair = Pair()
    assert make_all(pair, None) == []
    assert (pair.held, pair.default) == ({"token": [], "apps": [], "datasets": [], "credentials": []}, "other")


@pytest.mark.parametrize("what", UNREADABLE)
def test_whatever_is_not_seen_removed_is_listed(make_all: MakeAll, what: str) -> None:
    assert things(make_all(Pair(), saying(what, "GET", "DELETE"))) == THINGS


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_unreadable_answer_to_what_is_there_is_not_nothing_there(make_all: MakeAll, what: str) -> None:
    stayed = make_all(Pair(), saying(what, "GET"))
    assert things(stayed) == THINGS[:-1], "the token's removal alone says by itself that it was done"
    assert all("does not tell" in line for line in stayed)


@pytest.mark.parametrize("what", ["web page", "empty object", "cut JSON", "null"])
def test_what_a_removal_with_an_unreadable_answer_left_is_listed(make_all: MakeAll, what: str) -> None:
    assert things(make_all(Pair(), saying(what, "DELETE"))) == [*THINGS[:4], THINGS[-1]]


def test_what_is_gone_is_not_listed_whatever_its_removal_said(make_all: MakeAll) -> None:
    pair = Pair()

    def gone(request: Handler) -> bool:
        pair.held, pair.default = {kind: [] for kind in pair.held}, "other"
        if request.command != "DELETE":
            return False
        request.reply(404, "application/json", b'{"success": false, "code": "not_found"}')
        return True

    assert make_all(pair, gone) == []


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
