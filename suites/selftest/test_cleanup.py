"""What a run made is removed at its end, in whatever state the servers are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pytest

from fixtures import run
from fixtures.exchange import Exchange, Request
from fixtures.faults.null_hosts import Handler, served
from fixtures.profiles import load_profile
from fixtures.redaction import Redactor
from fixtures.run import Actor
from fixtures.settings import Settings
from fixtures.steps import STEPS, Act, Step, StepFailed
from suites.guide import guide

pytestmark = pytest.mark.selftest

Remove = Callable[[list[int]], tuple[list[str], list[str]]]


def removal(request: Request) -> Callable[[Act], Exchange]:
    return lambda act: act.send("dify", "Remove it", request)


@pytest.fixture
def remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remove:
    """A run that makes `a` and `b` on a server which answers their removal with these statuses, one after the other.

    Gives the paths in the order in which they were removed, and what stayed.
    """
    monkeypatch.setattr(run, "RESTART_SECONDS", 0)

    def make_and_stop(statuses: list[int]) -> tuple[list[str], list[str]]:
        asked: list[str] = []

        def answer(handler: Handler) -> None:
            asked.append(handler.path)
            handler.reply(statuses[len(asked) - 1], "application/json", b"")

        with served(answer) as url:

            def make(act: Act) -> None:
                for name in ("a", "b", "a"):  # a thing that is made twice is removed once
                    act.cleanup(name, removal(Request("DELETE", f"{url}/{name}")))

            monkeypatch.setitem(STEPS, "made", Step("made", make, (), False, False, ""))
            actor = Actor(Settings(MappingProxyType({})), guide().edition, "run", tmp_path, Redactor())
            actor.provide("made", load_profile("gpt-5.4"))
            return asked, actor.stop()

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

    monkeypatch.setitem(STEPS, "made", Step("made", make, (), False, False, ""))
    actor = Actor(Settings(MappingProxyType({})), guide().edition, "run", tmp_path, Redactor())
    actor.provide("made", load_profile("gpt-5.4"))
    assert actor.stop() == ["b: odd", "a: not now"]
    assert tried == ["b", "a"]
