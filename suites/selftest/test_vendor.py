"""A plain vendor: a base URL, a key and a model are enough, and nothing of the guide is said of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from fixtures.clients.chat import read_chat
from fixtures.model.profiles import load_profile
from fixtures.steps.gateway.discovery import limit_of
from reports.conformance import SCHEMA
from suites.selftest.conftest import Outcome, Suite, run_suite, settings_in, started
from suites.selftest.stories import asked as exchange_of

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("lab")]

AUDIT = ("--pair=live", "suites/gateway")
CROSSED = re.compile("crazyrouter|ERR-[0-9]|guide", re.IGNORECASE)
"""Words that are of no vendor but the guide's."""


@pytest.fixture(scope="module")
def lab() -> Iterator[dict[str, str]]:
    """The settings of a lab of this module's own."""
    with started() as printed:
        yield settings_in(printed)


def vendor(folder: Path, lab: dict[str, str], *more: str) -> Path:
    """A profile of four lines, and what more is given."""
    path = folder / "vendor.yaml"
    lines = ["name: vendor", f"base_url: {lab['CRAZYROUTER_BASE_URL']}", "api_key_env: VENDOR_API_KEY"]
    path.write_text("\n".join([*lines, "chat_model: claude-sonnet-4-6", *more, ""]), "utf-8")
    return path


@pytest.fixture(scope="module")
def plain(lab: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The lab audited under a profile of four lines, which is gone afterwards."""
    folder = tmp_path_factory.mktemp("vendor")
    path = vendor(folder, lab)
    key = {"VENDOR_API_KEY": lab["CRAZYROUTER_API_KEY"]}
    done = run_suite(folder / "out", *AUDIT, f"--profile={path}", env=key)
    path.unlink()
    return done


def test_a_profile_of_four_lines_is_enough(plain: Outcome) -> None:
    assert (plain.headline, plain.exit_code) == ("LIVE CONFORMANT", 0), plain.output


def asked(run: Outcome) -> set[str]:
    """The rows that a run asked of the vendor."""
    return {row for (row, _, _), outcome in run.verdicts.items() if outcome not in ("not_applicable", "excluded")}


def test_what_the_vendor_has_is_found_and_asked(plain: Outcome) -> None:
    assert {"WIRE-18", "WIRE-20"} <= asked(plain), "tools and embeddings"
    assert not {"WIRE-33", "WIRE-35", "WIRE-41"} & asked(plain), "a log, parameters, charges"


def test_what_the_profile_says_is_not_there_is_not_asked(lab: dict[str, str], tmp_path: Path, suite: Suite) -> None:
    path = vendor(tmp_path, lab, "features: []")
    done = suite(*AUDIT, f"--profile={path}", env={"VENDOR_API_KEY": lab["CRAZYROUTER_API_KEY"]})
    assert not {"WIRE-18", "WIRE-20"} & asked(done)
    assert done.report["totals"]["requests"]["gateway"] <= 20


def test_the_report_names_the_vendor(plain: Outcome, lab: dict[str, str]) -> None:
    jsonschema.validate(plain.report, json.loads(SCHEMA.read_text("utf-8")))
    (target,) = plain.report["targets"]
    assert (target["profile"], target["base_url"]) == ("vendor", lab["CRAZYROUTER_BASE_URL"])
    assert target["server"]


def test_a_run_is_judged_again_without_its_profile_s_file(plain: Outcome, suite: Suite) -> None:
    (evidence,) = (plain.folder / "evidence").iterdir()
    again = suite(f"--evidence={evidence}")
    assert again.headline == plain.headline
    assert again.verdicts == plain.verdicts


def test_nothing_of_the_guide_is_said_of_a_vendor(lab: dict[str, str], tmp_path: Path, suite: Suite) -> None:
    path = vendor(tmp_path, lab, "parameters: {n: refused}", "headers: {x-provider: a}")
    done = suite(*AUDIT, f"--profile={path}", env={"VENDOR_API_KEY": "sk-no-such-key-0123456789abcdef"})
    said = done.output.partition("= conformance =")[2].replace(str(done.folder), "")
    assert done.exit_code == 1
    assert not CROSSED.findall(said), said


def test_the_guide_s_rows_are_not_asked_of_a_vendor(lab: dict[str, str], tmp_path: Path, suite: Suite) -> None:
    done = suite("--pair=live", "-m", "nightly", f"--profile={vendor(tmp_path, lab)}", env={"VENDOR_API_KEY": "x" * 20})
    assert all(row.startswith("WIRE") for row in asked(done)), sorted(asked(done))


def test_a_key_s_scope_is_judged_by_the_key_alone(lab: dict[str, str], suite: Suite) -> None:
    more = {**lab, "CRAZYROUTER_ACCESS_TOKEN": "a-token-that-is-not-used", "CRAZYROUTER_USER_ID": "1"}
    done = suite(*AUDIT, "--scope=key", "--profile=gpt-5.4", env=more)
    assert (done.headline, done.exit_code) == ("LIVE CONFORMANT (scope: key)", 0), done.output
    reasons = {v["requirement"]: v["reason"] for v in done.report["verdicts"] if v["outcome"] == "not_applicable"}
    assert reasons["WIRE-41"].startswith("a key alone cannot show this: ")


def test_a_key_s_scope_without_the_key_names_it(lab: dict[str, str], suite: Suite) -> None:
    done = suite(*AUDIT, "--scope=key", env={"CRAZYROUTER_BASE_URL": lab["CRAZYROUTER_BASE_URL"]})
    assert done.exit_code == 2
    assert "set CRAZYROUTER_API_KEY" in done.headline


@pytest.fixture(scope="module")
def found(lab: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The lab audited without any file, and what was found of it kept."""
    folder = tmp_path_factory.mktemp("found")
    options = [f"--vendor={lab['CRAZYROUTER_BASE_URL']}", "--model=gpt-5.4", f"--write-profile={folder / 'kept.yaml'}"]
    return run_suite(folder, "suites/gateway", *options, env={"VENDOR_API_KEY": lab["CRAZYROUTER_API_KEY"]})


def test_a_vendor_needs_no_file(found: Outcome) -> None:
    assert (found.headline, found.exit_code) == ("LIVE CONFORMANT", 0), found.output


def test_what_was_found_is_kept_as_a_profile(found: Outcome, lab: dict[str, str]) -> None:
    kept = load_profile(str(found.folder / "kept.yaml"))
    assert (kept.name, kept.base_url) == ("kept", lab["CRAZYROUTER_BASE_URL"])
    assert kept.features == {"tools", "embeddings"}


def test_what_is_not_there_is_not_found(lab: dict[str, str], suite: Suite) -> None:
    options = [f"--vendor={lab['CRAZYROUTER_BASE_URL']}", "--model=gpt-5.4"]
    done = suite("suites/gateway", *options, env={"VENDOR_API_KEY": "sk-no-such-key-0123456789abcdef"})
    assert done.exit_code == 1
    assert not {"WIRE-18", "WIRE-20"} & asked(done)


@pytest.mark.parametrize(
    ("status", "answer", "limit"),
    [
        (
            400,
            {"error": {"message": "use 'max_completion_tokens' instead", "param": "max_tokens"}},
            "max_completion_tokens",
        ),
        (400, {"error": {"message": "no such model"}}, "max_tokens"),
        (200, {"choices": [{"message": {"content": "max_completion_tokens"}}]}, "max_tokens"),
    ],
)
def test_a_refusal_names_the_parameter_that_caps_an_answer(status: int, answer: object, limit: str) -> None:
    assert limit_of(read_chat(exchange_of("/v1/chat/completions", status, answer, body={}))) == limit


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--vendor=https://vendor.example/v1"], "--vendor=URL and --model=NAME go together"),
        (["--model=m"], "--vendor=URL and --model=NAME go together"),
        (["--vendor=https://vendor.example", "--model=m"], "--vendor is 'https://vendor.example'; write an http"),
        (["--vendor=https://v.example/v1", "--model=m", "--key-env=sk-1"], "--key-env is 'sk-1'; write the name of"),
        (["--vendor=https://v.example/v1", "--model=m", "--profile=gpt-5.4"], "stands in place of --profile"),
        (["--vendor=https://v.example/v1", "--model=m", "--pair=recorded"], "--vendor judges a live vendor"),
        (
            ["--vendor=https://v.example/v1", "--model=m", "--write-profile=pyproject.toml"],
            "one plain vendor's profile",
        ),
    ],
)
def test_a_vendor_that_cannot_be_is_one_clear_line(suite: Suite, options: list[str], words: str) -> None:
    done = suite("suites/gateway", *options)
    assert done.exit_code == 4
    assert words in done.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pair=live", "--allow-writes"], "--scope=key changes nothing: leave --allow-writes"),
        (["--pair=recorded"], "--scope narrows a live run"),
    ],
)
def test_a_scope_that_cannot_be_is_one_clear_line(suite: Suite, options: list[str], words: str) -> None:
    done = suite("--scope=key", *options, env={"CRAZYROUTER_API_KEY": "sk-0123456789abcdefgh"})
    assert done.exit_code == 4
    assert words in done.output


def test_what_does_not_hold_is_counted_by_what_it_breaks(suite: Suite) -> None:
    done = suite(
        "suites/gateway/test_streaming.py",
        "-k",
        "lines_end_in_lf",
        "--fault=stream-lines-end-in-crlf",
        "--profile=gpt-5.4",
    )
    assert "of 1 that do not hold, 1 break Dify" in done.output
    assert [verdict["basis"] for verdict in done.report["verdicts"]] == [["dify"]]
