"""Tokens on gateways of both kinds: those that list keys whole, and those that mask them and tell few in an hour."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from fixtures.acting.actor import Actor
from fixtures.acting.registry import STEPS
from fixtures.clients.gateway import read_usage
from fixtures.model.exchange import Chunk, Exchange, Request, Response
from fixtures.model.guide import guide
from fixtures.model.key import Key
from fixtures.model.profiles import load_profile
from fixtures.proof.null_hosts import Handler, served
from fixtures.wire.redaction import Redactor
from fixtures.wire.settings import Settings
from fixtures.wire.tape import read
from suites.selftest.conftest import CANARY, ROOT, SECRETS, Suite, live_settings

pytestmark = pytest.mark.selftest

PROFILE = load_profile("gpt-5.4")
USER = 2


class NewApi:
    """A small New API: its tokens, and how it tells their keys (`whole`, `batch`, `single` or `never`)."""

    def __init__(self, tells: str = "batch", calls: int = 20, user: int = USER) -> None:
        self.tells, self.calls, self.user = tells, calls, user
        self.limited = 0
        self.tokens: list[dict[str, Any]] = []
        self.seen: list[tuple[str, str, str]] = []
        self.add("dify-staging", SECRETS["CRAZYROUTER_API_KEY"].removeprefix("sk-"))

    def add(self, name: str, key: str) -> None:
        """A token with a whitelist of two and a tenth of a dollar left."""
        models = "gpt-5.4,text-embedding-3-large"
        rules = {"status": 1, "expired_time": -1, "unlimited_quota": False, "model_limits_enabled": True}
        spent = {"remain_quota": 50_000, "used_quota": 7}
        self.tokens.insert(
            0, {"id": len(self.tokens) + 1, "name": name, "key": key, "model_limits": models} | rules | spent
        )

    def __call__(self, request: Handler) -> None:
        path = request.path.partition("?")[0]
        self.seen.append((request.command, path, request.headers.get("Authorization", "")))
        body = json.loads(request.body or b"{}")
        if request.headers.get("Authorization") != f"Bearer {SECRETS['CRAZYROUTER_ACCESS_TOKEN']}":
            refusal = {"success": False, "code": "AUTH_UNAUTHORIZED", "message": "no"}
            return request.reply(401, "application/json", json.dumps(refusal).encode())
        if path.endswith(("/batch/keys", "/key")):
            self.limited += 1
            if self.limited > self.calls:
                return request.reply(429, "text/plain", b"", {"Retry-After": "1200"})
        status, data = self.answer(request.command, path, body)
        text = json.dumps({"success": status == 200, "message": "", "data": data})
        return request.reply(status, "application/json", text.encode())

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and `data`."""
        by_id = {token["id"]: token for token in self.tokens}
        single = re.fullmatch(r"/api/token/(\d+)(/key)?", path)
        if path == "/api/user/self":
            return 200, {"id": self.user}
        if path == "/api/token/batch/keys" and self.tells in ("batch", "never"):
            told = {str(id): by_id[id]["key"] for id in body["ids"]}
            return 200, {"keys": told if self.tells == "batch" else {}}
        if path == "/api/token/" and method == "POST":
            self.add(body["name"], f"{CANARY}New{len(self.tokens):033d}")
            return 200, None
        if path == "/api/token/":
            return 200, {"items": [self.shown(token) for token in self.tokens]}
        if single and single[2] and self.tells == "single":
            return 200, {"key": by_id[int(single[1])]["key"]}
        if single and not single[2]:
            return 200, self.shown(by_id[int(single[1])])
        return 404, None

    def shown(self, token: dict[str, Any]) -> dict[str, Any]:
        """A token as lists show it."""
        key = token["key"]
        return token if self.tells == "whole" else {**token, "key": f"{key[:4]}**********{key[-4:]}"}


Act = Callable[..., str]


@pytest.fixture
def act(tmp_path: Path) -> Act:
    """Act a step on a gateway, with settings `given`; gives the tape's text. No tape of it holds a secret."""

    def acted(gateway: NewApi, step: str, **given: str) -> str:
        with served(gateway) as url:
            settings = Settings(MappingProxyType({**live_settings(url), **given}), allow_writes=True)
            redactor = Redactor()
            for name, value in SECRETS.items():
                redactor.learn(name, value)
            actor = Actor(settings, guide().edition, "run", tmp_path, redactor)
            actor.provide(step, PROFILE)
            tape = (tmp_path / Key(PROFILE.name, step).file).read_text("utf-8")
            actor.stop()
        assert CANARY not in "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.yaml"))
        return tape

    return acted


@pytest.mark.parametrize(("tells", "limited"), [("whole", 0), ("batch", 1), ("single", 1 + 7)])
def test_the_run_s_tokens_cost_few_limited_calls(act: Act, tells: str, limited: int) -> None:
    gateway = NewApi(tells)
    tape = act(gateway, "own_tokens")
    assert gateway.limited == limited
    assert "{{gpt-5.4/own_tokens.old}}" in tape or "|bare}}" in tape, "the key is known by the label that asks for it"


def test_what_was_made_is_removed_by_its_id(act: Act) -> None:
    gateway = NewApi()
    act(gateway, "own_tokens")
    removed = [path for method, path, _ in gateway.seen if method == "DELETE"]
    assert sorted(removed) == sorted(f"/api/token/{id}" for id in range(2, 9))


def test_a_key_that_is_only_shown_masked_is_never_sent(act: Act) -> None:
    gateway = NewApi("never")
    act(gateway, "own_tokens")
    assert not [sent for _, _, sent in gateway.seen if "*" in sent]


def test_usage_is_read_from_the_token_s_record(act: Act) -> None:
    gateway = NewApi()
    tape = act(gateway, "token_usage")
    assert [path for _, path, _ in gateway.seen] == ["/api/user/self", "/api/token/", "/api/token/1"]
    assert "{{CRAZYROUTER_API_KEY|masked}}" in tape


def test_a_key_of_another_account_is_asked_itself(act: Act) -> None:
    gateway = NewApi()
    act(gateway, "token_usage", CRAZYROUTER_API_KEY="sk-" + "Other" * 9)
    assert [path for _, path, _ in gateway.seen][-1] == "/api/usage/token/"


def test_no_mask_shows_characters_of_an_unknown_key(act: Act, tmp_path: Path) -> None:
    gateway = NewApi()
    gateway.add("foreign", "wXyZ" + "q" * 40 + "vUtS")
    tape = act(gateway, "token_usage")
    assert "wXyZ" not in tape
    assert "vUtS" not in tape


def test_a_batch_s_keys_are_redacted_where_the_step_fails_before_it_knows_them() -> None:
    body = json.dumps({"data": {"keys": {"3": CANARY + "k" * 36}, "items": 1}}).encode()
    request = Request("POST", "https://gw.example/api/token/batch/keys", (), '{"ids":[3]}')
    answer = Exchange("Ask", "gateway", request, 1.0, 0.1, Response(200, (), (Chunk(0.1, body),)))
    (shown,) = Redactor().tape([answer])
    assert CANARY not in shown.text


# --- what a run says of it ------------------------------------------------------------------------------


LIVE = ("--pair=live", "--allow-writes", "--profile=gpt-5.4", "suites/errors", "-k", "expired_token")


def first_line(suite: Suite, gateway: NewApi, **given: str) -> str:
    """The first line of a run that needs tokens of its own, on this gateway."""
    with served(gateway) as url:
        run = suite(*LIVE, env={**live_settings(url), **given})
    assert run.exit_code == 2, run.output
    return run.headline


def test_a_wrong_access_token_is_named(suite: Suite) -> None:
    line = first_line(suite, NewApi(), CRAZYROUTER_ACCESS_TOKEN="wrong" * 5)
    assert line.startswith("LIVE COULD NOT JUDGE: the management API refused the access token")


def test_a_wrong_user_id_is_named_where_the_gateway_no_longer_minds(suite: Suite) -> None:
    line = first_line(suite, NewApi(), CRAZYROUTER_USER_ID="7")
    assert line.startswith("LIVE COULD NOT JUDGE: CRAZYROUTER_USER_ID is 7")
    assert "set CRAZYROUTER_USER_ID=2" in line


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [
        ({"gpt-5.4": True, "gpt-4o": False}, {"gpt-5.4"}),
        ({"gpt-5.4": True, "gpt-4o": "yes", "gpt-4": 1, "gpt-3.5": None}, {"gpt-5.4"}),
        ({"gpt-4o": False}, set()),
        ({}, set()),
        ("gpt-5.4,gpt-4o", {"gpt-5.4", "gpt-4o"}),
        ("", set()),
        (None, set()),
    ],
)
def test_a_model_is_allowed_where_its_limit_is_true_and_nowhere_else(limits: object, allowed: set[str]) -> None:
    record = {"success": True, "data": {"name": "dify", "model_limits_enabled": True, "model_limits": limits}}
    answer = Response(200, (), (Chunk(0.1, json.dumps(record).encode()),))
    asked = Request("GET", "https://gateway.example/api/token/1")
    assert read_usage(Exchange("Read it", "gateway", asked, 1.0, 0.1, answer)).models == frozenset(allowed)


def test_a_masked_key_is_a_usage_error(suite: Suite) -> None:
    run = suite(*LIVE, env={**live_settings("http://127.0.0.1:9"), "CRAZYROUTER_API_KEY": "sk-nsHc**********uyK4"})
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "CRAZYROUTER_API_KEY is a masked key" in run.output


def test_keys_that_are_never_told_are_the_cause(suite: Suite) -> None:
    line = first_line(suite, NewApi("never"))
    assert line.startswith("LIVE COULD NOT JUDGE: the gateway masks the keys of tokens and does not tell them")


def test_a_used_up_limit_says_so_and_is_not_waited_for(suite: Suite) -> None:
    gateway = NewApi(calls=0)
    line = first_line(suite, gateway)
    assert gateway.limited == 1, "a wait of 20 minutes is not waited for in seconds"
    assert re.search(r"is used up \(\d+ of \d+ such calls of this run\)", line)
    assert re.search(r"opens again at \d\d:\d\d UTC", line)


def test_a_run_that_is_not_conformant_shows_versions_beside_the_recorded_ones(suite: Suite) -> None:
    run = suite("-m", "smoke", "--fault=log-row-missing")
    assert "versions: New API v1.0.0-rc.24, Dify 1.16.1; the suite was recorded on New API" in run.output


def test_tapes_of_both_recordings_hold_the_steps_of_today() -> None:
    folders = sorted((ROOT / "fixtures" / "recordings").iterdir())
    names = {folder.name: {path.stem for path in folder.glob("*/*.yaml")} for folder in folders}
    assert len(names) == 2
    owed = {step.name for step in STEPS.values() if not step.missing_feature(load_profile("gpt-5.4"))}
    assert all(found == owed for found in names.values()), {name: owed ^ found for name, found in names.items()}
    assert read(folders[0] / "gpt-5.4" / "own_tokens.yaml", Key("gpt-5.4", "own_tokens"))
