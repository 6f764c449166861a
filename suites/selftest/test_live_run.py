"""Live runs against hosts that are no pair: no pass, no secret, no hang, and the report says what is wrong."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import jsonschema
import pytest

from fixtures.proof.__main__ import clean_environment
from fixtures.proof.null_hosts import CLOSED, Handler, empty_object, served, web_page
from reports.conformance import SCHEMA
from suites.selftest.conftest import CANARY, HANG, ROOT, SECRETS, Outcome, Suite, live_settings, run_suite

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("live")]

LIVE = ("--pair=live", "--allow-writes", "-m", "nightly", "--profile=gpt-5.4")


@pytest.fixture(scope="module")
def empty_host() -> Iterator[str]:
    """A host that answers 200 {}."""
    with served(empty_object) as url:
        yield url


@pytest.fixture(scope="module")
def page_host() -> Iterator[str]:
    """A host that answers with a web page."""
    with served(web_page) as url:
        yield url


@pytest.fixture(scope="module", params=["closed port", "empty object", "web page"])
def null_run(
    request: pytest.FixtureRequest, empty_host: str, page_host: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Outcome]:
    """A live run against each host that is nothing, by its name."""
    url = {"closed port": CLOSED, "empty object": empty_host, "web page": page_host}[request.param]
    folder = tmp_path_factory.mktemp("null")
    return request.param, run_suite(folder, *LIVE, "-n", "2", env=live_settings(url))


def test_nothing_passes_on_a_host_that_is_nothing(null_run: tuple[str, Outcome]) -> None:
    name, run = null_run
    passed = [key for key, outcome in run.verdicts.items() if outcome == "pass"]
    assert passed == [], name
    assert run.exit_code in (1, 2)


def test_the_first_line_says_what_is_wrong(null_run: tuple[str, Outcome]) -> None:
    name, run = null_run
    expected = {
        "closed port": "LIVE COULD NOT JUDGE: nothing answers at 127.0.0.1:9",
        "empty object": "LIVE NOT CONFORMANT: the gateway answers 200 without an API's content",
        "web page": "LIVE NOT CONFORMANT: the base URL http://127.0.0.1:",
    }[name]
    assert run.headline.startswith(expected)


def test_each_step_is_acted_once(null_run: tuple[str, Outcome]) -> None:
    _, run = null_run
    acted = re.findall(r"acted (\S+): ", run.output)
    assert len(acted) > 10
    assert len(acted) == len(set(acted))


def test_a_null_run_ends_and_leaves_a_whole_report(null_run: tuple[str, Outcome]) -> None:
    _, run = null_run
    jsonschema.validate(run.report, json.loads(SCHEMA.read_text("utf-8")))
    assert (run.folder / "conformance.md").read_text("utf-8").startswith("# LIVE:")
    assert "Traceback" not in run.output


# --- secrets ------------------------------------------------------------------------------------------


def spellings(secret: str) -> Iterator[bytes]:
    """A secret in each way in which an output could hold it."""
    raw = secret.encode()
    yield raw
    yield raw.removeprefix(b"sk-")
    yield quote(secret, safe="").encode()
    yield quote_plus(secret).encode()
    yield json.dumps(secret)[1:-1].encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            start, end = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
            yield encode(b"\0" * offset + raw)[start:end]


def altered(secret: str) -> list[str]:
    """Other shapes of a key that an output could hold."""
    part = re.sub("^(sk|app|dataset)-", "", secret)
    return [part.upper(), part.lower(), part[::-1], part[:20]]


ALTERED = [shape for name, secret in SECRETS.items() if name != "DIFY_PASSWORD" for shape in altered(secret)]


def echo_everything(request: Handler) -> None:
    """An answer that repeats what it was sent: plain, encoded, in headers, and over the chunks of a stream."""
    sent = " ".join([request.path, str(request.headers), request.body.decode("utf-8", "replace")])
    known = " ".join(SECRETS.values())
    coded = [base64.b64encode(b"x" * offset + known.encode()).decode() for offset in range(3)]
    text = " ".join([sent, known, quote(known, safe=""), quote_plus(known), *coded, *ALTERED])
    headers = {"X-Echo": quote(sent)[:4000], "X-Known": known, "Set-Cookie": f"access_token={SECRETS['DIFY_APP_KEY']}"}
    if b'"stream":true' not in request.body:
        body = json.dumps({"error": {"message": text}, "message": text, "data": [{"key": CANARY + "k" * 36}]})
        request.reply(200, "application/json", body.encode(), headers)
        return
    deltas = [text[start : start + 5] for start in range(0, len(text), 5)]
    events = [f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': d}}]})}\n\n" for d in deltas]
    request.reply(200, "text/event-stream", "".join([*events, f": {known}\n\ndata: [DONE]\n\n"]).encode(), headers)


def echo_compressed(request: Handler) -> None:
    """The same, compressed although nobody asked for that, as some CDNs do."""
    reply = request.reply

    def compressed(status: int, media_type: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        reply(status, media_type, gzip.compress(body), {**(headers or {}), "Content-Encoding": "gzip"})

    request.reply = compressed  # type: ignore[method-assign]
    echo_everything(request)
    request.reply = reply  # type: ignore[method-assign]


@pytest.fixture(scope="module", params=[echo_everything, echo_compressed])
def echo_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """A live run against a host that echoes every secret, with Allure results."""
    with served(request.param) as url:
        folder = tmp_path_factory.mktemp("echo")
        yield run_suite(folder, *LIVE, "-n", "2", f"--alluredir={folder / 'allure'}", env=live_settings(url))


def test_no_secret_reaches_any_output(echo_run: Outcome) -> None:
    files = {str(path): path.read_bytes() for path in echo_run.folder.rglob("*") if path.is_file()}
    files["terminal"] = echo_run.output.encode()
    found = [
        (name, file)
        for name, secret in SECRETS.items()
        for spelling in spellings(secret)
        for file, data in files.items()
        if spelling in data
    ]
    assert len(files) > 100
    assert found == []


def test_no_key_reaches_any_output_in_another_shape(echo_run: Outcome) -> None:
    outputs = [path.read_text("utf-8", "replace") for path in echo_run.folder.rglob("*") if path.is_file()]
    assert [shape for shape in ALTERED if any(shape in text for text in [*outputs, echo_run.output])] == []


def test_an_echoed_key_is_still_seen(echo_run: Outcome) -> None:
    tapes = [path.read_text("utf-8") for path in (echo_run.folder / "evidence").rglob("*.yaml")]
    assert any("{{CRAZYROUTER_API_KEY}}" in tape.split("response:", 1)[-1] for tape in tapes)


# --- choosing a pair ----------------------------------------------------------------------------------


def test_live_settings_without_a_choice_stop_the_run(suite: Suite) -> None:
    run = suite("-m", "smoke", env={"CRAZYROUTER_API_KEY": SECRETS["CRAZYROUTER_API_KEY"]})
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "no pair was chosen" in run.output
    assert CANARY not in run.output


def test_the_choice_can_come_from_the_environment(suite: Suite) -> None:
    given = {"CRAZYROUTER_API_KEY": SECRETS["CRAZYROUTER_API_KEY"], "CONFORMANCE_PAIR": "recorded"}
    run = suite("suites/gateway/test_models.py", "--profile=gpt-5.4", env=given)
    assert run.exit_code == 0, run.output
    assert run.headline.startswith("RECORDED")


def test_a_missing_variable_is_named(suite: Suite) -> None:
    run = suite("--pair=live", "-m", "smoke", env={"CRAZYROUTER_BASE_URL": f"{CLOSED}/v1"})
    unverified = {row for (row, _, _), outcome in run.verdicts.items() if outcome == "unverified"}
    assert run.exit_code == 2
    assert unverified == {f"CHK-0{number}" for number in range(1, 9)}
    assert "set CRAZYROUTER_API_KEY" in run.output


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"CRAZYROUTER_BASE_URL": "crazyrouter.com"}, "CRAZYROUTER_BASE_URL must be a plain http(s) URL"),
        ({"CRAZYROUTER_API_KEY": "short"}, "CRAZYROUTER_API_KEY has fewer than"),
        ({"CONFORMANCE_PAIR": "dead"}, "CONFORMANCE_PAIR is 'dead'"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(suite: Suite, given: dict[str, str], words: str) -> None:
    run = suite("-m", "smoke", env={"CONFORMANCE_PAIR": "live", **given})
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert words in run.output
    assert "Traceback" not in run.output


def test_a_wrong_profile_names_file_and_line(suite: Suite, tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text("name: mine\nchat_modle: x\n", "utf-8")
    run = suite("-m", "smoke", f"--profile={profile}")
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "mine.yaml:2: " in run.output
    assert "did you mean chat_model?" in run.output


def test_a_lost_configuration_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "pytest", "-m", "smoke", "--report-dir", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR


def test_record_publishes_nothing_that_failed(suite: Suite, empty_host: str, tmp_path: Path) -> None:
    provenance = tmp_path / "provenance.yaml"
    provenance.write_text("statement: nothing\nsoftware: [{name: nothing}]\n", "utf-8")
    target = tmp_path / "recording"
    given = ("--pair=record", f"--provenance={provenance}", f"--recording={target}")
    run = suite(*given, "suites/gateway", "--profile=gpt-5.4", env=live_settings(empty_host))
    assert run.exit_code == 1
    assert "not published" in run.output
    assert not target.exists()


# --- Ctrl-C -------------------------------------------------------------------------------------------


def answer_slowly(request: Handler) -> None:
    """An answer that takes a while."""
    time.sleep(0.7)
    request.reply(200, "application/json", b"{}")


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_a_whole_report(tmp_path: Path, workers: str, sign: signal.Signals) -> None:
    with served(answer_slowly) as url:
        command = [sys.executable, "-m", "pytest", *LIVE, "-n", workers, f"--report-dir={tmp_path}", "suites/gateway"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=clean_environment(live_settings(url)), stdout=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + HANG
        while not list(tmp_path.glob("evidence/*/gpt-5.4/*.yaml")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, sign)
        output, _ = process.communicate(timeout=HANG)
        run = Outcome(process.returncode, output, tmp_path)
        assert run.exit_code in (1, 2), output
        assert "not_run" in run.verdicts.values()
        (plan,) = tmp_path.glob("evidence/*/plan.json")
        assert len(run.report["verdicts"]) == len(json.loads(plan.read_text("utf-8"))) > 40
