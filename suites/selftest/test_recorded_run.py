"""The recorded run as a user sees it: complete, offline, the same in any order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from fixtures.acting.recording import DEFAULT_RECORDING, RECORDINGS, read_manifest, recordings, write_manifest
from fixtures.model.guide import guide
from fixtures.model.profiles import FOLDER as PROFILES
from reports.conformance import SCHEMA
from suites.selftest.conftest import Outcome, Suite, run_suite

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("recorded")]

SUITES = ("suites/checklist", "suites/errors", "suites/rollout", "suites/gateway", "suites/dify")


@pytest.fixture(scope="module")
def nightly(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Everything on the recorded pair, on two workers."""
    folder = tmp_path_factory.mktemp("nightly")
    return run_suite(folder, "-m", "nightly", "-n", "2", f"--alluredir={folder / 'allure'}")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The checklist on the recorded pair."""
    return run_suite(tmp_path_factory.mktemp("smoke"), "-m", "smoke")


def test_the_smoke_holds_within_its_budget(smoke: Outcome) -> None:
    totals = smoke.report["totals"]["requests"]
    assert smoke.exit_code == 0, smoke.output
    assert {row for row, _, _ in smoke.verdicts} == {f"CHK-0{number}" for number in range(1, 9)}
    assert totals["gateway"] <= 12


def test_the_summary_begins_with_the_pair(smoke: Outcome) -> None:
    assert smoke.headline.startswith("RECORDED")
    assert "CONFORMANT" not in smoke.headline, "a recording proves nothing about the reader's pair"


def test_every_row_has_a_verdict_or_an_exclusion(nightly: Outcome) -> None:
    judged = {row: outcome for (row, _, _), outcome in nightly.verdicts.items()}
    assert nightly.exit_code == 0, nightly.output
    assert judged.keys() >= guide().rows.keys()
    assert [row for row in guide().rows if judged[row] == "excluded"] == ["FAQ-04", "FAQ-05"]


def test_only_these_checks_are_not_applicable_to_a_recording(nightly: Outcome) -> None:
    features = {("WIRE-51", "claude-sonnet-4-6"), ("WIRE-52", "claude-sonnet-4-6")}  # no structured_output declared
    asked_not = [each for each, outcome in nightly.verdicts.items() if outcome == "not_applicable"]
    assert features <= {(row, profile) for row, _, profile in asked_not}
    assert {(row, check) for row, check, profile in asked_not if (row, profile) not in features} == {
        ("TOK-01", "nothing_but_dify_is_seen_on_the_token"),
        ("WIRE-16", "a_stream_comes_in_pieces_over_time"),
    }


def test_checklist_and_errors_pass_on_all_profiles(nightly: Outcome) -> None:
    wanted = {
        (row, profile)
        for row in guide().rows
        if row.startswith(("CHK", "ERR"))
        for profile in ("gpt-5.4", "claude-sonnet-4-6", "gemini-fallback")
    }
    passed = {(row, profile) for (row, _, profile), outcome in nightly.verdicts.items() if outcome == "pass"}
    failed = {(row, profile) for (row, _, profile), outcome in nightly.verdicts.items() if outcome == "fail"}
    assert len(wanted) == 54
    assert wanted <= passed - failed


def test_every_row_holds_on_the_older_recordings_too(suite: Suite, nightly: Outcome) -> None:
    for name in sorted(set(recordings()) - {DEFAULT_RECORDING}):
        run = suite("-m", "nightly", "-n", "2", f"--recording={name}")
        assert run.exit_code == 0, run.output
        assert run.verdicts == nightly.verdicts


def test_an_unknown_recording_names_the_nearest(suite: Suite) -> None:
    run = suite("-m", "smoke", "--recording=dify-1.16.1_new-api-1.0.0-rc.42")
    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert f"did you mean {DEFAULT_RECORDING}?" in run.output


def test_the_report_fits_its_schema(nightly: Outcome, smoke: Outcome) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    for outcome in (nightly, smoke):
        jsonschema.validate(outcome.report, schema)


def test_every_verdict_names_evidence_that_exists(nightly: Outcome) -> None:
    silent = [v for v in nightly.report["verdicts"] if v["outcome"] == "pass" and not v["evidence"]["exchanges"]]
    assert silent == []


def test_the_order_and_the_workers_change_nothing(nightly: Outcome, suite: Suite) -> None:
    backwards = suite(*reversed(SUITES))
    excluded = {key: outcome for key, outcome in nightly.verdicts.items() if outcome == "excluded"}
    assert {**backwards.verdicts, **excluded} == nightly.verdicts


def test_stored_evidence_is_judged_the_same_again(smoke: Outcome, suite: Suite) -> None:
    (evidence,) = (smoke.folder / "evidence").iterdir()
    again = suite(f"--evidence={evidence}")
    assert again.exit_code == 0, again.output
    assert again.report["verdicts"] == smoke.report["verdicts"]


def test_a_single_profile_is_judged_alone(suite: Suite) -> None:
    run = suite("--profile", "claude-sonnet-4-6", "suites/checklist")
    assert run.exit_code == 0, run.output
    assert {profile for _, _, profile in run.verdicts} == {"claude-sonnet-4-6"}


def test_allure_results_name_row_layer_and_evidence(nightly: Outcome) -> None:
    results = [json.loads(path.read_text("utf-8")) for path in (nightly.folder / "allure").glob("*-result.json")]
    labels = [{label["name"]: label["value"] for label in result["labels"]} for result in results]
    wanted = {"layer", "requirement", "level", "profile", "evidence", "outcome"}
    assert len(results) == sum(1 for v in nightly.verdicts.values() if v != "excluded")
    assert all(wanted <= each.keys() for each in labels)


def test_allure_attachments_have_a_curl_line_with_a_variable(nightly: Outcome) -> None:
    texts = [path.read_text("utf-8") for path in (nightly.folder / "allure").glob("*-attachment.txt")]
    assert all("\ncurl " in text for text in texts)
    assert any('"$CRAZYROUTER_API_KEY"' in text for text in texts)


# --- a recording that no longer fits --------------------------------------------------------------------


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A copy of the project's recording that a test may spoil."""
    return Path(shutil.copytree(RECORDINGS / DEFAULT_RECORDING, tmp_path / "recording"))


def respell(recording: Path, tape: str, old: str, new: str) -> None:
    """Change a tape and its digest, as an edit that hides itself would."""
    path = recording / tape
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    write_manifest(recording, read_manifest(recording))


def judged(suite: Suite, recording: Path) -> Outcome:
    """The smoke on a spoilt recording."""
    return suite("-m", "smoke", f"--recording={recording}")


def test_a_changed_request_asks_to_record_again(suite: Suite, recording: Path) -> None:
    respell(recording, "gpt-5.4/first_app_reply.yaml", "Reply only OK", "Reply only NO")
    run = judged(suite, recording)
    assert run.exit_code == 2, run.output
    assert "record again" in run.output
    assert '"query": "Reply only NO"' in run.output, "the difference is shown"


def test_an_edited_tape_is_noticed(suite: Suite, recording: Path) -> None:
    path = recording / "gpt-5.4" / "first_app_reply.yaml"
    path.write_text(path.read_text("utf-8").replace('"answer": "OK"', '"answer": "KO"'), "utf-8")
    run = judged(suite, recording)
    assert run.exit_code == 2, run.output
    assert "another digest" in run.output


def test_a_missing_tape_is_an_error(suite: Suite, recording: Path) -> None:
    (recording / "gpt-5.4" / "first_app_reply.yaml").unlink()
    run = judged(suite, recording)
    assert run.exit_code == 2, run.output
    assert "no recording of gpt-5.4/first_app_reply" in run.output


def test_a_row_that_never_comes_is_a_verdict(suite: Suite, recording: Path) -> None:
    respell(recording, "gpt-5.4/gateway_log.yaml", '"model_name":"gpt-5.4"', '"model_name":"gpt-4"')
    run = judged(suite, recording)
    assert run.exit_code == 1, run.output
    assert run.verdicts["CHK-05", "the_request_is_in_the_gateway_log_once", "gpt-5.4"] == "fail"


# --- what a run as a whole concludes --------------------------------------------------------------------


def test_a_row_without_a_verdict_fails_a_whole_run(suite: Suite) -> None:
    run = suite("-m", "nightly", "-n", "2", "--ignore=suites/errors")
    missing = {row for (row, _, _), outcome in run.verdicts.items() if outcome == "not_run"}
    assert run.exit_code == 2, run.output
    assert missing == {row for row in guide().rows if row.startswith("ERR")}


def test_strict_makes_a_warning_a_failure(suite: Suite) -> None:
    weak = ("suites/rollout", "-k", "default_model", "--fault=default-model-is-another")
    assert suite(*weak).exit_code == 0
    assert suite(*weak, "--strict").exit_code == 1


def test_a_known_deviation_that_passes_again_is_red(suite: Suite, tmp_path: Path) -> None:
    known = "deviations: [{check: dify_keeps_the_base_url, reason: a test, expires: 2099-01-01}]"
    profile = tmp_path / "gpt-5.4.yaml"
    profile.write_text((PROFILES / "gpt-5.4.yaml").read_text("utf-8").replace("deviations: []", known), "utf-8")
    run = suite("-m", "smoke", f"--profile={profile}")
    assert run.exit_code == 1, run.output
    assert "remove that entry" in run.output
