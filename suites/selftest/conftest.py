"""How selftests run the suite as its users do: as a process of its own, with nothing from this environment."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from fixtures.proof.__main__ import clean_environment

ROOT = Path(__file__).parents[2]
HANG = 600
"""Seconds after which a run is taken to hang, on however busy a machine; `tox run -e bench` says how long runs take."""
CANARY = "Canary5Bird7"
SECRETS = {
    "CRAZYROUTER_API_KEY": f"sk-{CANARY}Main0123456789abcdefghijklmnopqrstuvwx",
    "CRAZYROUTER_ACCESS_TOKEN": f"{CANARY}Access0123456789abc",
    "CRAZYROUTER_API_KEY_DEV": f"sk-{CANARY}Dev0123456789abcdefghijklmnop",
    "CRAZYROUTER_API_KEY_STAGING": f"sk-{CANARY}Staging0123456789abcdefghijklm",
    "CRAZYROUTER_API_KEY_PRODUCTION": f"sk-{CANARY}Production0123456789abcdefghij",
    "DIFY_PASSWORD": f"{CANARY}+/pass word%",
    "DIFY_APP_KEY": f"app-{CANARY}App0123456789",
    "DIFY_DATASET_KEY": f"dataset-{CANARY}Set0123456789",
    "DIFY_MEMBER_PASSWORD": f"{CANARY}Member0123",
}


@dataclass(frozen=True)
class Outcome:
    """What a run of the suite left."""

    exit_code: int
    output: str
    folder: Path

    @property
    def report(self) -> Any:
        """conformance.json."""
        return json.loads((self.folder / "conformance.json").read_text("utf-8"))

    @property
    def verdicts(self) -> dict[tuple[str, str, str], str]:
        """Outcome by requirement, check and profile."""
        return {(v["requirement"], v["check"], v["profile"]): v["outcome"] for v in self.report["verdicts"]}

    @property
    def headline(self) -> str:
        """The first line of the summary."""
        lines = self.output.splitlines()
        start = next(number for number, line in enumerate(lines) if line.strip("= ") == "conformance")
        return next(line for line in lines[start + 1 :] if line.strip())


Suite = Callable[..., Outcome]


def run_suite(folder: Path, *args: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Outcome:
    """Run pytest on the suite in a clean environment; the reports go to `folder`."""
    command = [sys.executable, "-m", "pytest", "-q", f"--report-dir={folder}", *args]
    done = subprocess.run(
        command, cwd=cwd, env=clean_environment(env), capture_output=True, text=True, timeout=HANG, check=False
    )
    return Outcome(done.returncode, done.stdout + done.stderr, folder)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Run the suite with arguments; each call has a folder of its own."""
    count = iter(range(100))
    return lambda *args, env=None, cwd=ROOT: run_suite(tmp_path / f"run{next(count)}", *args, env=env, cwd=cwd)


def live_settings(url: str) -> dict[str, str]:
    """Settings of a live pair at `url`, with canaries for secrets."""
    return {
        **SECRETS,
        "CRAZYROUTER_BASE_URL": f"{url}/v1",
        "CRAZYROUTER_USER_ID": "2",
        "DIFY_BASE_URL": url,
        "DIFY_EMAIL": "owner@example.org",
        "DIFY_MEMBER_EMAIL": "member@example.org",
    }


@contextmanager
def started(*arguments: str) -> Iterator[str]:
    """A lab of its own on a free port; gives what it printed until it was ready."""
    command = [sys.executable, "-m", "fixtures.lab", "--port=0", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        try:
            yield "".join(takewhile(str.strip, process.stdout))
        finally:
            process.terminate()


def settings_in(printed: str) -> dict[str, str]:
    """The settings that a lab prints."""
    return dict(re.findall(r"^export (\w+)=(\S+)$", printed, re.MULTILINE))
