"""What hangs costs one whole wait in a run; who waits is told, and waiting for a turn is no acting."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from fixtures.acting.actor import Actor
from fixtures.acting.registry import STEPS, Step
from fixtures.model.exchange import Exchange, Request
from fixtures.model.guide import guide
from fixtures.model.key import Key
from fixtures.model.profiles import load_profile
from fixtures.proof.null_hosts import Handler, served
from fixtures.wire import patience, transport
from fixtures.wire.act import Act
from fixtures.wire.patience import LivePatience, Patience
from fixtures.wire.redaction import Redactor
from fixtures.wire.settings import Settings
from fixtures.wire.tape import read
from fixtures.wire.transport import LiveWire, Sending

pytestmark = pytest.mark.selftest

PROFILE = load_profile("gpt-5.4")


class Host:
    """Hangs on what is asked below /hang, pings without an end below /ping, answers below /slow late."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.indexing = "indexing"

    def __call__(self, request: Handler) -> None:
        if "/hang" in request.path:
            self.over.wait(5)
        if "/slow" in request.path:
            time.sleep(0.25)
        if "/ping" in request.path:
            request.send_response(200)
            request.send_header("Content-Type", "text/event-stream")
            request.end_headers()
            while not self.over.wait(0.05):
                request.wfile.write(b"event: ping\n\n")
        request.reply(200, "application/json", b'{"data": [{"indexing_status": "%s"}]}' % self.indexing.encode())


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Host, str]]:
    """A host with short times: 0.6 s of silence, 1 s in all, and 0.1 s at least once something was late."""
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.6)
    monkeypatch.setattr(transport, "WHOLE_SECONDS", 1.0)
    monkeypatch.setattr(patience, "SHORT_SECONDS", 0.1)
    made = Host()
    with served(made) as url:
        yield made, url
        made.over.set()


def ask(wire: LiveWire, method: str, url: str) -> list[Exchange]:
    """All attempts at a request, each with the time that it took."""
    return list(wire.send(Sending("Ask", "dify", Request(method, url))))


# --- how long is waited ---------------------------------------------------------------------------------


def test_a_kind_is_waited_for_as_usual_until_one_was_late() -> None:
    waits = LivePatience()
    waits.came("chat", 1.0)
    assert (waits.seconds("chat", 60), waits.was_late("chat")) == (60, False)


def test_a_late_kind_is_waited_for_a_quarter_and_no_other_kind_is() -> None:
    waits = LivePatience()
    waits.late("chat")
    assert (waits.seconds("chat", 180), waits.seconds("models", 180)) == (45, 180)


@pytest.mark.parametrize(
    ("usual", "slowest", "waited"), [(60, 0, 15), (60, 7, 15), (60, 10, 20), (60, 40, 60), (10, 0, 10), (180, 30, 60)]
)
def test_the_short_wait_is_long_enough_for_a_healthy_answer(usual: float, slowest: float, waited: float) -> None:
    waits = LivePatience()
    waits.late("chat")
    waits.came("chat", slowest)
    waits.came("chat", slowest / 2)
    assert waits.seconds("chat", usual) == waited


def test_a_replay_waits_as_usual_whatever_was_late() -> None:
    waits = Patience()
    waits.late("chat")
    assert (waits.seconds("chat", 60), waits.was_late("chat")) == (60, False)


# --- requests -------------------------------------------------------------------------------------------


def test_an_endpoint_that_hangs_costs_one_whole_wait(host: tuple[Host, str]) -> None:
    _, url = host
    wire = LiveWire()
    first, second = (ask(wire, "POST", f"{url}/hang/{number}")[-1] for number in (1, 2))
    assert first.elapsed >= 0.6
    assert 0.1 <= second.elapsed < 0.6
    assert first.text == second.text, "the cause is the same"
    assert first.is_timed_out
    assert second.is_timed_out
    wire.close()


def test_a_question_that_hangs_is_tried_again_briefly_and_then_not_any_more(host: tuple[Host, str]) -> None:
    _, url = host
    wire = LiveWire(sleep=lambda seconds: None)
    first, again = ask(wire, "GET", f"{url}/hang")
    (later,) = ask(wire, "GET", f"{url}/hang")
    assert first.elapsed >= 0.6
    assert max(again.elapsed, later.elapsed) < 0.6
    wire.close()


def test_a_stream_of_pings_costs_its_whole_time_once(host: tuple[Host, str]) -> None:
    _, url = host
    wire = LiveWire()
    first, second = (ask(wire, "POST", f"{url}/ping")[-1] for _ in range(2))
    assert first.elapsed >= 1.0
    assert 0.25 <= second.elapsed < 1.0
    wire.close()


def test_another_endpoint_and_another_host_are_waited_for_as_usual(host: tuple[Host, str]) -> None:
    _, url = host
    wire = LiveWire()
    ask(wire, "POST", f"{url}/hang")
    assert ask(wire, "PUT", f"{url}/hang")[-1].elapsed >= 0.6
    assert ask(wire, "POST", f"{url.replace('127.0.0.1', 'localhost')}/hang")[-1].elapsed >= 0.6
    wire.close()


def test_slow_answers_still_come_after_one_that_did_not(host: tuple[Host, str]) -> None:
    _, url = host
    waits = LivePatience()
    wire = LiveWire(patience=waits)
    assert ask(wire, "POST", f"{url}/slow")[-1].status == 200
    waits.late(f"{url.removeprefix('http://')} POST /slow: silence")
    waits.late(f"{url.removeprefix('http://')} POST /slow: whole")
    assert ask(wire, "POST", f"{url}/slow")[-1].status == 200, "it takes longer than the shortest wait"
    wire.close()


def test_who_waits_is_told_and_who_does_not_is_not(host: tuple[Host, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "TELL_SECONDS", 0.25)
    _, url = host
    told: list[str] = []
    wire = LiveWire(patience=LivePatience(told.append))
    ask(wire, "POST", f"{url}/quick")
    assert told == []
    ask(wire, "POST", f"{url}/hang")
    assert [re.sub(r"\d s", "N s", line) for line in told] == ["waiting for: Ask, N s of N s"] * 2, "in 0.6 s"
    wire.close()


# --- polls ----------------------------------------------------------------------------------------------


@pytest.fixture
def acting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Act these steps, side by side; the lines of progress."""

    def run(*steps: tuple[str, Callable[[Act], Any], bool]) -> list[str]:
        told: list[str] = []
        for name, acts, exclusive in steps:
            monkeypatch.setitem(STEPS, name, Step(name, acts, (), False, exclusive, None))
        actor = Actor(Settings(MappingProxyType({})), guide().edition, "run", tmp_path, Redactor(), told.append)
        threads = [threading.Thread(target=actor.provide, args=(name, PROFILE)) for name, _, _ in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        actor.stop()
        return told

    return run


def indexed(url: str, batch: int, pauses: list[float]) -> Callable[[Act], Exchange]:
    """A step that polls until a document is indexed, for 60 s that take no time."""

    def index(act: Act) -> Exchange:
        act.pause = pauses.append
        return act.poll(
            lambda poll: act.send("dify", "Ask how far indexing is", Request("GET", f"{url}/{batch}"), poll=poll),
            lambda exchange: exchange.get("data", 0, "indexing_status") == "completed",
            60.0,
        )

    return index


def test_indexing_that_is_stuck_is_waited_for_once_and_then_briefly(
    host: tuple[Host, str], acting: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(patience, "SHORT_SECONDS", 15.0)
    _, url = host
    waits: tuple[list[float], list[float]] = ([], [])

    def import_twice(act: Act) -> None:
        for batch, pauses in enumerate(waits):
            indexed(url, batch, pauses)(act)

    told = acting(("twice", import_twice, False))
    assert [60 <= sum(waits[0]) < 62, 15 <= sum(waits[1]) < 17] == [True, True]
    first = [line for line in told if line.endswith(" s of 60 s")]
    assert first[0] == "waiting for: Ask how far indexing is, 6 s of 60 s"
    seconds = [int(line.split(", ")[1].split()[0]) for line in first]
    assert all(later - earlier > 4 for earlier, later in pairwise(seconds)), "5 s or more, each rounded"
    assert [line for line in told if line.endswith(" s of 15 s")]
    key = Key(PROFILE.name, "twice")
    assert {each.poll for each in read(tmp_path / key.file, key).exchanges} == {1, 2}


def test_a_poll_that_is_done_at_once_is_not_told(host: tuple[Host, str], acting: Callable[..., list[str]]) -> None:
    made, url = host
    made.indexing = "completed"
    told = acting(("once", indexed(url, 1, []), False))
    (line,) = told
    assert line.startswith("acted gpt-5.4/once: done in ")


# --- turns ----------------------------------------------------------------------------------------------


def seconds_of(step: str, told: list[str]) -> float:
    """What a line of progress tells of a step's time."""
    (found,) = (float(each[1]) for line in told if (each := re.match(rf"acted \S+/{step}: done in ([\d.]+) s", line)))
    return found


def test_the_time_before_a_step_s_turn_is_not_told_as_acting(acting: Callable[..., list[str]]) -> None:
    def long(_: Act) -> None:
        time.sleep(0.8)

    told = acting(("long", long, False), ("alone", lambda _: None, True))
    assert seconds_of("long", told) >= 0.8
    assert seconds_of("alone", told) <= 0.5


def test_the_wait_to_be_alone_inside_a_step_is_not_told_as_acting(acting: Callable[..., list[str]]) -> None:
    both = threading.Barrier(2)

    def long(_: Act) -> None:
        both.wait(30)
        time.sleep(0.8)

    def lonely(act: Act) -> None:
        both.wait(30)
        with act.alone():
            time.sleep(0.2)

    told = acting(("long", long, False), ("lonely", lonely, False))
    assert seconds_of("long", told) >= 0.8
    assert 0.2 <= seconds_of("lonely", told) <= 0.6
