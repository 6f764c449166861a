"""Options, markers and the plugin list; nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = [
    "fixtures.plugin",
    "fixtures.proof.matrix",
    "fixtures.proof.pairs",
    "reports.allure_adapter",
    "reports.plugin",
]

MARKERS = (
    "smoke: the verification checklist, for a release engineer",
    "nightly: every row of the guide and the vendor audit, on all profiles",
    "audit: what the base URL and a key alone can show of a vendor",
    "selftest: the suite proven; needs no pair",
    "requirement(id): the row of the guide or of the audit's table that a check judges",
    "declares(feature): what is asked of the profiles that declare a feature",
    "live_only(reason): what a recording cannot show",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The suite's own options. pytest's `--strict` makes weaker levels count as failures too."""
    group = parser.getgroup("conformance")
    group.addoption(
        "--pair",
        choices=("recorded", "live", "record"),
        help="what to judge: a recording (default), the live pair, or the live pair while recording it",
    )
    group.addoption(
        "--recording", metavar="NAME|DIR", help="the recording to judge or to make: by its name, or by its path"
    )
    group.addoption(
        "--record",
        metavar="missing|STEP[,STEP]",
        help="with --pair record: act these steps only (or those that the recording lacks) with what they need, "
        "and put them beside the tapes that stay",
    )
    group.addoption("--evidence", type=Path, metavar="DIR", help="judge a finished run's evidence again")
    group.addoption("--provenance", type=Path, metavar="FILE", help="what a new recording is taken from")
    group.addoption("--profile", action="append", metavar="NAME|PATH", help="a profile to judge under; repeatable")
    group.addoption(
        "--vendor",
        metavar="URL",
        help="with --model: judge the vendor at this base URL, live and without a profile",
    )
    group.addoption("--model", metavar="NAME", help="with --vendor: the chat model to ask")
    group.addoption("--key-env", metavar="NAME", help="with --vendor: the variable of its key; default: VENDOR_API_KEY")
    group.addoption(
        "--write-profile", type=Path, metavar="FILE", help="keep what was found of a plain vendor as a profile, in FILE"
    )
    group.addoption(
        "--allow-writes", action="store_true", help="let a live run create objects of its own and remove them"
    )
    group.addoption(
        "--allow-destructive",
        action="store_true",
        help="the Dify workspace is disposable: let ERR-02 take the plugin away and install it again",
    )
    group.addoption(
        "--scope",
        choices=("key",),
        help="live: judge what the profiles' keys alone can show, with no other setting; the rest is not applicable",
    )
    group.addoption(
        "--total-timeout", type=float, metavar="SECONDS", help="let a live run act no longer than this; default: no end"
    )
    group.addoption("--fault", metavar="ID", help="seed a fault of the catalogue and see it caught; `list` lists them")
    group.addoption(
        "--fault-host",
        default="127.0.0.1",
        metavar="HOST",
        help="where --fault listens in a live run: an address that Dify reaches",
    )
    group.addoption(
        "--kill-matrix", type=Path, metavar="FILE", help="judge all checks under all faults of the catalogue, into FILE"
    )
    group.addoption("--pairs", type=Path, metavar="FILE", help="judge a sample of two faults at once, into FILE")
    group.addoption(
        "--kill-matrix-full",
        action="store_true",
        help="with --kill-matrix: judge every check under every fault, also those that it should not touch",
    )
    group.addoption(
        "--report-dir",
        type=Path,
        default=Path("reports/out"),
        metavar="DIR",
        help="where conformance.json, conformance.md and the evidence go",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
