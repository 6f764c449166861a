"""Profiles: those of the project load, and a mistake in one is named with file and line."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from fixtures.model.datafile import DataError
from fixtures.model.guide import guide
from fixtures.model.profiles import (
    DEFAULT_KEY_ENV,
    FOLDER,
    Deviation,
    Environment,
    Profile,
    TokenPlan,
    available,
    load_profile,
    vendor_profile,
)
from fixtures.model.terms import Feature

GOOD = (FOLDER / "gpt-5.4.yaml").read_text("utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good profile that a test may spoil."""
    file = tmp_path / "gpt-5.4.yaml"
    file.write_text(GOOD, "utf-8")
    return file


def test_the_projects_profiles_are_listed() -> None:
    assert available() == ["claude-sonnet-4-6", "gemini-fallback", "gpt-5.4"]


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(json.loads((FOLDER / "profile.schema.json").read_text("utf-8")))


@pytest.mark.parametrize("name", available())
def test_a_profile_loads_by_name(name: str) -> None:
    assert load_profile(name).name == name


def test_the_profiles_cover_the_editions_chat_models() -> None:
    edition = guide().edition
    models = {load_profile(name).chat_model for name in available()}
    assert models == {edition.chat, edition.stronger_chat, edition.fallback_chat}


@pytest.mark.parametrize("name", available())
def test_the_planned_token_may_call_every_model_of_the_profile(name: str) -> None:
    profile = load_profile(name)
    assert {profile.chat_model, *profile.embedding_models.values()} <= set(profile.plan.token.models)


@pytest.mark.parametrize("name", available())
def test_the_environments_have_a_key_variable_each(name: str) -> None:
    environments = load_profile(name).plan.environments
    assert list(environments) == ["development", "staging", "production"]
    assert len({each.api_key_env for each in environments.values()}) == 3


def test_a_profile_loads_by_path(file: Path) -> None:
    assert load_profile(str(file)) == load_profile("gpt-5.4")


def test_a_relative_file_name_is_a_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert load_profile(file.name).name == "gpt-5.4"


def test_what_has_a_slash_is_a_path_whatever_its_ending(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text(GOOD.replace("name: gpt-5.4", "name: mine"), "utf-8")
    assert load_profile(str(tmp_path / "mine")).name == "mine"


def test_an_unknown_name_lists_the_profiles() -> None:
    with pytest.raises(DataError, match=r"gpt-5\.yaml:1: .*did you mean gpt-5\.4.*claude-sonnet-4-6, gemini-fallback"):
        load_profile("gpt-5")


def test_what_is_not_given_has_its_default(file: Path) -> None:
    file.write_text(GOOD.replace("deviations: []\n", ""), "utf-8")
    profile = load_profile(str(file))
    assert (profile.base_url, profile.api_key_env, profile.deviations) == (None, DEFAULT_KEY_ENV, ())


def test_a_deviation_ends_on_its_date(file: Path) -> None:
    deviation = "- {check: CHK-05, reason: the log is off, expires: 2026-12-31}"
    file.write_text(GOOD.replace("deviations: []", f"deviations:\n{deviation}"), "utf-8")
    assert load_profile(str(file)).deviations[0].expires == date(2026, 12, 31)


@pytest.mark.parametrize("url", ["https://crazyrouter.com/v1", "http://127.0.0.1:3000/v1", "https://x.example/a/v1"])
def test_a_base_url_with_a_path_is_taken(file: Path, url: str) -> None:
    file.write_text(f"base_url: {url}\n{GOOD}", "utf-8")
    assert load_profile(str(file)).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://crazyrouter.com",
        "https://crazyrouter.com/",
        "https://crazyrouter.com/v1/",
        "https://crazyrouter.com/v1/chat/completions",
        "https://user@crazyrouter.com/v1",
        "crazyrouter.com/v1",
        "ftp://crazyrouter.com/v1",
    ],
)
def test_a_base_url_that_cannot_work_is_refused(file: Path, url: str) -> None:
    file.write_text(f"base_url: {url}\n{GOOD}", "utf-8")
    with pytest.raises(DataError, match=r"gpt-5\.4\.yaml:1: base_url .*such as https://gateway\.example/v1"):
        load_profile(str(file))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("name: gpt-5.4", "name: gpt-5.5", "write gpt-5.4 as the file is called", id="other name"),
        pytest.param("name: gpt-5.4", "name: GPT 5.4", "lower case letters", id="odd name"),
        pytest.param("chat_model:", "chat_modle:", "did you mean chat_model?", id="unknown key"),
        pytest.param("chat_model: gpt-5.4\n", "", "missing the field chat_model", id="missing field"),
        pytest.param(
            "breaking_parameters: {presence_penalty: 1}\n",
            "",
            "has rollout and lacks breaking_parameters",
            id="half a plan",
        ),
        pytest.param("tools", "tool", "features.2. .*did you mean tools?", id="feature"),
        pytest.param("stop: refused", "stop: ignored", "write one of honoured, dropped, refused", id="effect"),
        pytest.param("  seed: accepted", "  sede: accepted", "did you mean seed?", id="parameter"),
        pytest.param("n: honoured", "n: [honoured, honored]", "did you mean honoured?", id="effects"),
        pytest.param("{presence_penalty: 1}", "{presence_penalty: high}", "write a number", id="no number"),
        pytest.param("{presence_penalty: 1}", "{}", "a parameter and its number", id="no values"),
        pytest.param("quota_cap_usd: 1000", "quota_cap_usd: 0", "a sum in USD above 0", id="cap"),
        pytest.param("CRAZYROUTER_API_KEY_DEV", "sk-0123456789abcdef", r"is 'sk-\*\*\*'; .*variable", id="a key"),
        pytest.param("development:", "testing:", "unknown key 'testing'", id="environment"),
        pytest.param("deviations: []", "deviations: [{check: CHK-05}]", "fields reason, expires", id="deviation"),
        pytest.param(
            "deviations: []",
            "deviations: [{check: CHK-05, reason: a, expires: 31.12.2026}]",
            "a date as YYYY-MM-DD",
            id="date",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_line(file: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1), "utf-8")
    line = GOOD.count("\n", 0, GOOD.index(old)) + 1
    with pytest.raises(DataError, match=rf"gpt-5\.4\.yaml:\d+: .*{words}") as caught:
        load_profile(str(file))
    # A missing field is named at the entry that lacks it, one or more lines above.
    named = int(str(caught.value).split(":")[1])
    assert named == line or "missing" in words or "lacks" in words


def test_a_profile_says_what_its_file_says(file: Path) -> None:
    deviation = "- {check: CHK-05, reason: the log is off, expires: 2026-12-31}"
    text = GOOD.replace("deviations: []", f"deviations:\n{deviation}")
    file.write_text(f"api_key_env: OTHER_KEY\n{text}", "utf-8")
    data = yaml.safe_load(file.read_text("utf-8"))
    profile, plan = load_profile(str(file)), data["rollout"]
    assert profile.api_key_env == "OTHER_KEY"
    assert profile.features == {*data["features"], "embeddings", "parameters"}
    assert profile.parameters == {n: (e,) if isinstance(e, str) else tuple(e) for n, e in data["parameters"].items()}
    assert profile.breaking_parameters == data["breaking_parameters"]
    assert profile.plan.token == TokenPlan(tuple(plan["token"]["models"]), plan["token"]["quota_cap_usd"])
    assert profile.plan.environments == {name: Environment(name, **each) for name, each in plan["environments"].items()}
    assert profile.deviations == (Deviation("CHK-05", "the log is off", date(2026, 12, 31)),)


@pytest.mark.parametrize("name", available())
def test_a_profile_is_the_same_after_it_was_evidence(name: str) -> None:
    profile = load_profile(name)
    assert Profile.from_data(profile.to_data()) == profile


VENDOR = """\
name: vendor
base_url: http://127.0.0.1:8080/v1
api_key_env: VENDOR_API_KEY
chat_model: smollm2
"""


def test_four_lines_describe_a_plain_vendor(tmp_path: Path) -> None:
    (tmp_path / "vendor.yaml").write_text(VENDOR, "utf-8")
    profile = load_profile(str(tmp_path / "vendor.yaml"))
    assert (profile.base_url, profile.chat_model) == ("http://127.0.0.1:8080/v1", "smollm2")
    assert profile.rollout is None and not profile.embedding_models
    assert profile.features == {"discovery"}
    assert Profile.from_data(profile.to_data()) == profile


LINES = {"name": "v", "base_url": "https://v.example/v1", "chat_model": "m", "api_key_env": "V_KEY"}


def test_a_plain_vendor_s_evidence_holds_what_was_said_of_it_alone() -> None:
    profile = Profile.from_data(LINES)
    assert profile == Profile("v", "m", {}, "https://v.example/v1", "V_KEY", features=frozenset({Feature.DISCOVERY}))
    assert profile.to_data() == {**LINES, "output_limit": "max_tokens"}


def test_all_that_a_file_may_say_of_a_vendor_is_kept_in_its_evidence() -> None:
    data = {
        **LINES,
        "embedding_models": {"default": "e"},
        "headers": {"X-Title": "suite"},
        "features": ["tools"],
        "dimensions": 256,
        "output_limit": "max_completion_tokens",
        "parameters": {"seed": ["accepted"]},
        "deviations": [{"check": "WIRE-05", "reason": "known", "expires": "2026-12-31"}],
    }
    profile = Profile.from_data(data)
    assert profile.features == {Feature.TOOLS, Feature.EMBEDDINGS, Feature.PARAMETERS}
    assert (profile.headers, profile.dimensions) == ({"X-Title": "suite"}, 256)
    assert profile.output_limit == "max_completion_tokens"
    assert profile.to_data() == data


def test_a_profile_with_a_rollout_plan_is_never_looked_for() -> None:
    data = load_profile("gpt-5.4").to_data()
    del data["features"]
    assert Profile.from_data(data).features == {Feature.EMBEDDINGS, Feature.PARAMETERS}


def test_a_vendor_without_a_file_is_what_its_file_would_say() -> None:
    assert vendor_profile("https://v.example/v1", "m", "V_KEY", "v") == Profile.from_data(LINES)


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("base_url", "https://v.example", "--vendor is 'https://v.example'; write an http(s) address that ends in"),
        ("chat_model", "a model", "--model is 'a model'; write a model name without blanks"),
        ("api_key_env", "v_key", "--key-env is 'v_key'; write the name of an environment variable"),
        ("name", "My vendor", "--write-profile is 'My vendor'; write the file's name without .yaml"),
    ],
)
def test_what_cannot_be_of_a_vendor_is_named_by_its_option(member: str, value: str, words: str) -> None:
    lines = {**LINES, member: value}
    with pytest.raises(DataError) as caught:
        vendor_profile(lines["base_url"], lines["chat_model"], lines["api_key_env"], lines["name"])
    assert str(caught.value).startswith(words)
