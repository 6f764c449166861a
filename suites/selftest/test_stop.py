"""A run ends when it is told to, whatever is under way: acting stops, the report is there, what was made is removed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from fixtures.acting import actor
from fixtures.acting.actor import Actor
from fixtures.acting.registry import STEPS, Step
from fixtures.acting.remote import ActorServer, RemoteActor
from fixtures.model.exchange import Exchange, Request
from fixtures.model.guide import guide
from fixtures.model.key import Key
from fixtures.model.profiles import load_profile
from fixtures.proof.__main__ import clean_environment
from fixtures.proof.null_hosts import Handler, served
from fixtures.wire.act import Act, TransportFailed
from fixtures.wire.limits import Limit
from fixtures.wire.redaction import Redactor
from fixtures.wire.settings import Settings
from fixtures.wire.tape import read
from suites.selftest.conftest import ROOT, SECRETS, Outcome, Suite

pytestmark = pytest.mark.selftest

HANG_GUARD = 30.0
"""Seconds after which a test is taken for one that hangs; nothing here takes long."""
PROFILE = load_profile("gpt-5.4")


def endless(request: Handler) -> None:
    """A stream that never ends."""
    request.close_connection = True
    request.send_response(200)
    request.send_header("Content-Type", "text/event-stream")
    request.end_headers()
    while True:  # until the client hangs up
        request.wfile.write(b'data: {"choices":[{"index":0,"delta":{"content":"on "}}]}\n\n')
        time.sleep(0.02)


# --- limits ---------------------------------------------------------------------------------------------


def test_a_limit_without_seconds_is_never_over() -> None:
    limit = Limit()
    assert (limit.over, limit.left) == ("", float("inf"))


def test_a_limit_says_why_it_is_over() -> None:
    assert Limit("the step's time is over", 0).over == "the step's time is over"
    assert Limit("", 100, Limit("the run's time is over", 0)).over == "the run's time is over"
    assert Limit("", 100, Limit("", 0)).left == 0


def test_a_stopped_run_ends_all_that_lies_within_it_and_its_pauses() -> None:
    run = Limit()
    step = Limit("over", 1000, run)
    threading.Timer(0.1, run.stop).start()
    step.pause(HANG_GUARD)
    assert (step.over, step.left) == ("the run was stopped", 0)


# --- an actor -------------------------------------------------------------------------------------------


def acting(
    folder: Path, acts: Callable[[Act], Any], monkeypatch: pytest.MonkeyPatch, total_seconds: float = HANG_GUARD
) -> Actor:
    """An actor that knows one step, `made`."""
    monkeypatch.setitem(STEPS, "made", Step("made", acts, (), False, False, None))
    settings = Settings(MappingProxyType({}))
    return Actor(settings, guide().edition, "run", folder, Redactor(), total_seconds=total_seconds)


def taped(folder: Path) -> list[Exchange]:
    """What the step `made` left."""
    key = Key(PROFILE.name, "made")
    return read(folder / key.file, key).exchanges


def ask(url: str) -> Callable[[Act], Exchange]:
    return lambda act: act.send("gateway", "Ask", Request("POST", url))


@pytest.mark.parametrize("limit", ["step", "run"])
def test_a_step_and_a_run_end_inside_an_endless_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(actor, "STEP_SECONDS", 0.5 if limit == "step" else HANG_GUARD)
    with served(endless) as url:
        acts = acting(tmp_path, ask(url), monkeypatch, total_seconds=0.5 if limit == "run" else HANG_GUARD)
        acts.provide("made", PROFILE)
        acts.stop()
    (only,) = taped(tmp_path)
    assert only.response is not None
    assert only.response.ended == "stopped"
    assert only.response.chunks


def test_nothing_more_is_sent_when_the_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = acting(tmp_path, ask("http://127.0.0.1:9"), monkeypatch, total_seconds=0)
    acts.provide("made", PROFILE)
    acts.stop()
    (only,) = taped(tmp_path)
    assert only.text == "not sent: the run's 0 s are over (--total-timeout)"
    assert only.is_stopped


def test_halting_ends_a_step_inside_an_endless_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(endless) as url:
        acts = acting(tmp_path, ask(url), monkeypatch)
        threading.Timer(0.5, acts.halt).start()
        acts.provide("made", PROFILE)
        acts.stop()
    (only,) = taped(tmp_path)
    assert only.is_stopped
    assert "on " in only.text


def removing(url: str) -> Callable[[Act], None]:
    """A step that makes `a` and `b`, which are removed by asking the server."""

    def make(act: Act) -> None:
        for name in ("a", "b"):
            act.cleanup(name, lambda act, name=name: act.send("dify", "Remove", Request("DELETE", f"{url}/{name}")))  # type: ignore[misc]

    return make


def test_the_clean_up_has_an_end_and_lists_what_it_did_not_get_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "CLEANUP_SECONDS", 0.5)
    with served(endless) as url:
        acts = acting(tmp_path, removing(url), monkeypatch)
        acts.provide("made", PROFILE)
        assert acts.made() == ["b", "a"]
        first, second = acts.stop()
    assert first.startswith("b: no whole answer to: Remove")
    assert second == "a: not reached, for the clean-up's 0.5 s are over"


def test_a_second_interrupt_ends_the_clean_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(endless) as url:
        acts = acting(tmp_path, removing(url), monkeypatch)
        acts.provide("made", PROFILE)
        acts.interrupt()
        threading.Timer(0.5, acts.interrupt).start()
        assert acts.stop()[1] == "a: not reached, for the run was stopped"


def test_a_worker_that_asks_a_stopped_run_ends_too() -> None:
    server = ActorServer(lambda step, profile: None)
    worker = RemoteActor(server.address, server.authkey)
    worker.provide("made", PROFILE)
    server.stop()
    with pytest.raises(KeyboardInterrupt):
        worker.provide("made", PROFILE)
    server.close()


def test_a_step_s_failure_is_raised_in_the_worker() -> None:
    def fail(step: str, profile: str) -> None:
        raise TransportFailed("odd")

    server = ActorServer(fail)
    with pytest.raises(RuntimeError, match="TransportFailed: odd"):
        RemoteActor(server.address, server.authkey).provide("made", PROFILE)
    server.close()


# --- a run ----------------------------------------------------------------------------------------------


class TokenHost:
    """A gateway that makes tokens, and whose every chat is an endless stream; `removes` answers the removals."""

    def __init__(self, removes: Callable[[Handler], None] | None = None) -> None:
        self.tokens: dict[int, dict[str, Any]] = {}
        self.made = 0
        self.streaming = threading.Event()
        self._removes = removes

    def __call__(self, request: Handler) -> None:
        if request.path.endswith("/chat/completions"):
            self.streaming.set()
            endless(request)
        if request.command == "DELETE" and self._removes:
            self._removes(request)
            return
        body = json.dumps(self._answer(request)).encode()
        request.reply(200, "application/json", body)

    def _answer(self, request: Handler) -> dict[str, Any]:
        id = int((re.findall(r"/token/(\d+)", request.path) or ["0"])[0])
        if request.command == "DELETE":
            self.tokens.pop(id, None)
        if request.command == "POST":
            self.made += 1
            asked = json.loads(request.body)
            self.tokens[self.made] = {**asked, "id": self.made, "key": f"{self.made:02}" + "k5" * 23, "used_quota": 0}
        if request.path.endswith("/models"):
            return {"object": "list", "data": [{"id": "gpt-5.4"}]}
        if request.path.endswith("/user/self"):
            return {"success": True, "data": {"id": 2}}
        return {"success": True, "data": self.tokens.get(id, {"items": list(self.tokens.values())})}


def started(runs: list[subprocess.Popen[str]], folder: Path, url: str, *args: str) -> subprocess.Popen[str]:
    """A live run whose first step makes tokens and asks for a chat with one; a process group of its own."""
    given = {name: SECRETS[name] for name in ("CRAZYROUTER_API_KEY", "CRAZYROUTER_ACCESS_TOKEN")}
    given |= {"CRAZYROUTER_BASE_URL": f"{url}/v1", "CRAZYROUTER_USER_ID": "2"}
    live = ("--pair=live", "--allow-writes", "--profile=gpt-5.4", f"--report-dir={folder}")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            *live,
            *args,
            "suites/gateway/test_charges.py",
            "suites/gateway/test_streaming.py",
        ],
        cwd=ROOT,
        env=clean_environment(given),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    runs.append(process)
    return process


@pytest.fixture
def runs() -> Iterator[list[subprocess.Popen[str]]]:
    """The runs that a test starts; what is left of them is killed at its end."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(happened: Callable[[], bool]) -> bool:
    """Whether it happened before the test is taken for one that hangs."""
    deadline = time.monotonic() + HANG_GUARD
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()


def terminal_s(process: subprocess.Popen[str]) -> None:
    """Ctrl-C as a terminal sends it: to the run and to its workers."""
    os.killpg(process.pid, signal.SIGINT)


def to_the_run(sign: signal.Signals) -> Callable[[subprocess.Popen[str]], None]:
    return lambda process: process.send_signal(sign)


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(to_the_run(signal.SIGINT), id="SIGINT"),
        pytest.param(to_the_run(signal.SIGTERM), id="SIGTERM"),
        pytest.param(terminal_s, id="Ctrl-C"),
    ],
)
def test_a_run_that_is_stopped_inside_an_endless_stream_reports_and_removes_what_it_made(
    runs: list[subprocess.Popen[str]], tmp_path: Path, workers: str, stop: Callable[[subprocess.Popen[str]], None]
) -> None:
    host = TokenHost()
    with served(host) as url:
        process = started(runs, tmp_path, url, "-n", workers)
        assert host.streaming.wait(HANG_GUARD)
        assert wait_for(lambda: host.made >= 5)
        stop(process)
        output, _ = process.communicate(timeout=HANG_GUARD)
    run = Outcome(process.returncode, output, tmp_path)
    assert "not_run" in run.verdicts.values(), output
    assert run.exit_code == 2, output
    assert (host.tokens, run.report["left_behind"]) == ({}, [])
    assert "ended: stopped" in evidence(tmp_path)


def evidence(folder: Path) -> str:
    """All tapes of the run in that folder."""
    return "\n".join(path.read_text("utf-8") for path in folder.glob("evidence/*/*/*.yaml"))


def test_the_report_is_there_before_the_clean_up_ends_and_lists_what_stays(
    runs: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    removals = threading.Event()

    def never_removed(request: Handler) -> None:
        removals.set()
        endless(request)

    host = TokenHost(never_removed)
    with served(host) as url:
        process = started(runs, tmp_path, url, "-n", "0")
        assert host.streaming.wait(HANG_GUARD)
        assert wait_for(lambda: host.made >= 5)
        process.send_signal(signal.SIGINT)
        assert removals.wait(HANG_GUARD)
        first = json.loads((tmp_path / "conformance.json").read_text("utf-8"))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=HANG_GUARD)
    last = Outcome(process.returncode, output, tmp_path).report
    assert {line.partition(": ")[2] for line in first["left_behind"]} == {"the clean-up has not come to it yet"}
    assert len(first["left_behind"]) == len(last["left_behind"]) == len(host.tokens) >= 5
    assert last["left_behind"][-1].endswith("not reached, for the run was stopped")
    assert f"may be left behind: {last['left_behind'][-1]}" in output


def test_a_run_ends_when_its_total_time_is_up(suite: Suite) -> None:
    with served(endless) as url:
        given = {"CRAZYROUTER_BASE_URL": f"{url}/v1", "CRAZYROUTER_API_KEY": SECRETS["CRAZYROUTER_API_KEY"]}
        live = ("--pair=live", "--profile=gpt-5.4", "--total-timeout=2")
        run = suite(*live, "suites/gateway/test_models.py", "suites/gateway/test_streaming.py", env=given)
    assert run.exit_code == 2, run.output
    assert set(run.verdicts.values()) == {"error"}
    assert run.headline.startswith("LIVE COULD NOT JUDGE: the suite ended its own acting")
    (tape,) = run.folder.glob("evidence/*/*/models_list.yaml")
    (asked,) = yaml.safe_load(tape.read_text("utf-8"))["exchanges"]
    assert asked["response"]["ended"] == "stopped"
