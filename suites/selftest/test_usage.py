"""What the command line makes of files and options: one line for what is wrong, and the profiles that are meant."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fixtures.pair import SMOKE_PROFILE, only_smoke
from fixtures.proof.__main__ import clean_environment
from fixtures.verdicts import READABLE
from suites.selftest.conftest import ROOT, Outcome, Suite, run_suite

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("usage")]

BREAKING = """
import pytest

@pytest.fixture(autouse=True)
def unclean():
    yield
    raise OSError("the disk is full")
"""


# --- files ----------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, without its recordings, that a test may spoil."""
    left_out = shutil.ignore_patterns("recordings", "selftest", "out", "allure", "__pycache__")
    for name in ("fixtures", "suites", "reports", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "option"),
    [
        ("suites/guide/faq.yaml", "-m=smoke"),
        ("suites/guide/edition.yaml", "-m=smoke"),
        ("suites/gateway/wire.yaml", "-m=smoke"),
        ("suites/gateway/wire.yaml", "-n=2"),
        ("fixtures/faults/lists.yaml", "--fault=list"),
        ("fixtures/faults/lists.yaml", "--fault=models-doubled"),
        ("fixtures/faults/lists.yaml", "--kill-matrix=matrix.json"),
    ],
)
def test_a_wrong_line_is_named_in_one_line(project: Path, file: str, option: str) -> None:
    lines = (project / file).read_text("utf-8").splitlines()
    (project / file).write_text("\n".join([*lines, "colour: red", ""]), "utf-8")
    command = [sys.executable, "-m", "pytest", option]
    done = subprocess.run(command, cwd=project, env=clean_environment(), capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line]
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert [line.split("; ")[0] for line in said] == [f"ERROR: {file}:{len(lines) + 1}: unknown key 'colour'"]


# --- the profiles of a marker expression ----------------------------------------------------------------


@pytest.mark.parametrize("markers", ["smoke", "(smoke)", "smoke and not audit", "nightly and (smoke)", "not not smoke"])
def test_an_expression_that_implies_smoke_is_known(markers: str) -> None:
    assert only_smoke(markers)


@pytest.mark.parametrize("markers", ["", "nightly", "not smoke", "not audit", "smoke or audit", "smoke and"])
def test_an_expression_that_does_not_imply_smoke_is_known(markers: str) -> None:
    assert not only_smoke(markers)


def test_what_is_all_smoke_is_judged_under_one_profile(suite: Suite) -> None:
    run = suite("-m", "(smoke) and not audit", "-k", "dify_keeps_the_base_url")
    assert run.exit_code == 0, run.output
    assert run.report["profiles"] == [SMOKE_PROFILE]


# --- a check whose teardown raises ----------------------------------------------------------------------


@pytest.fixture(scope="module", params=["0", "2"])
def unclean(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run of one check after which a fixture raises, in this process and on workers."""
    folder = tmp_path_factory.mktemp("unclean")
    (folder / "breaking.py").write_text(BREAKING, "utf-8")
    given = ("-p", "breaking", "-n", request.param, "-m", "smoke", "-k", "dify_keeps_the_base_url")
    return run_suite(folder, *given, f"--junitxml={folder / 'junit.xml'}", env={"PYTHONPATH": os.fspath(folder)})


def test_a_teardown_that_raises_is_an_error_that_the_summary_names(unclean: Outcome) -> None:
    assert unclean.exit_code == 2, unclean.output
    assert unclean.verdicts == {("CHK-02", "dify_keeps_the_base_url", "gpt-5.4"): "error"}
    assert unclean.headline == "RECORDED COULD NOT JUDGE: its teardown broke: OSError: the disk is full"
    assert "error: CHK-02 dify_keeps_the_base_url" in unclean.output


# --- JUnit ----------------------------------------------------------------------------------------------


def properties(file: Path, name: str) -> list[tuple[str | None, str | None]]:
    """The properties of the JUnit cases whose name begins so."""
    cases = ElementTree.parse(file).iter("testcase")  # noqa: S314 - pytest wrote it
    found = [case for case in cases if case.attrib["name"].startswith(name)]
    return [(each.get("name"), each.get("value")) for case in found for each in case.iter("property")]


def test_a_junit_case_tells_its_verdict_in_readable_properties(suite: Suite, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    run = suite("-m", "smoke", "-n", "2", "--fault=log-row-missing", f"--junitxml={file}")
    (red,) = [each for each in run.report["verdicts"] if each["requirement"] == "CHK-05" and each["outcome"] == "fail"]
    assert properties(file, f"test_{red['check']}") == [(name, red[name]) for name in READABLE]
    assert "{" not in "".join(str(value) for _, value in properties(file, "test_"))


def test_a_junit_case_tells_of_a_teardown_that_raises(unclean: Outcome) -> None:
    told = dict(properties(unclean.folder / "junit.xml", "test_"))
    assert (told["requirement"], told["outcome"]) == ("CHK-02", "error")
