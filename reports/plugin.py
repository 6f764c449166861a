"""Collects verdicts in the controller, writes the reports, decides the exit code, ends the terminal."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from _pytest.junitxml import xml_key

from fixtures.judging.outcome import spent
from fixtures.judging.story import TROUBLE, observed, retold, tell
from fixtures.model.profiles import Profile
from fixtures.model.proven import check_key
from fixtures.model.requirement import requirements
from fixtures.model.verdict import CONFORMANT, Evidence, Verdict, exit_code, stale_deviations
from fixtures.pair import SESSION, Run, suite_commit
from fixtures.record import publish_if_green
from fixtures.verdicts import READABLE
from reports.allure_adapter import retell
from reports.conformance import Report, Spending, Target, terminal, uncovered, write

SPENDING = tuple(each.name for each in fields(Spending))


class Collector:
    """What the controller hears of the run, in order."""

    def __init__(self) -> None:
        self.verdicts: dict[str, list[Verdict]] = {}
        self.spent: dict[str, Mapping[str, Any]] = {}
        self.crashed: dict[str, str] = {}
        self.other_failures = 0
        self.report: Report | None = None

    def hear(self, report: pytest.TestReport) -> None:
        """Keep a test's verdicts; a crash wins over what the same test says in another worker."""
        found = [Verdict.from_data(data) for data in getattr(report, "verdicts", ())]
        self.spent |= {spent["step"]: spent for spent in getattr(report, "spent", ())}
        if found:
            self.verdicts[report.nodeid] = found
        elif report.failed and report.when not in ("setup", "call", "teardown"):
            self.crashed[report.nodeid] = report.longreprtext
        elif report.failed and report.nodeid not in self.verdicts:
            self.other_failures += 1


COLLECTOR: pytest.StashKey[Collector] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Listen in the controller."""
    if SESSION in config.stash and not hasattr(config, "workerinput"):
        config.stash[COLLECTOR] = collector = Collector()
        config.pluginmanager.register(Listener(collector), "conformance-listener")


class Listener:
    """Hears each report once, in the controller."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for every phase of every test."""
        self._collector.hear(report)


_STATUS = {
    "fail": ("not conformant", "F", ("FAIL", {"red": True})),
    "warn": ("warned", "W", ("WARN", {"yellow": True})),
    "known_deviation": ("known to deviate", "K", ("KNOWN DEVIATION", {"yellow": True})),
    "error": ("in error", "E", ("ERROR", {"red": True})),
    "blocked": ("blocked", "b", ("BLOCKED", {"yellow": True})),
    "unverified": ("unverified", "u", ("UNVERIFIED", {"yellow": True})),
    "not_applicable": ("not applicable", "-", ("NOT APPLICABLE", {})),
}


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Show an outcome by its own name; what one cause explains is listed once, in the summary."""
    for verdict in getattr(report, "verdicts", ()):  # the report of a collection has none
        outcome = verdict["outcome"]
        if outcome in _STATUS and report.when != "teardown":
            return _STATUS[outcome]
    return None


@pytest.hookimpl(tryfirst=True)  # before xdist waits for its workers to end
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports and set the exit code: 1 not conformant, 2 could not judge."""
    config = session.config
    collector = config.stash.get(COLLECTOR, None)
    if collector is None or config.option.collectonly or config.option.kill_matrix or config.option.pairs:
        return
    run = config.stash[SESSION]
    verdicts = _all_verdicts(collector, run)
    if not verdicts:
        return
    vendors = [profile.name for profile in run.profiles if profile.rollout is None]
    story = tell(verdicts, observed(run.evidence), vendors) if any(each.outcome in TROUBLE for each in verdicts) else []
    verdicts = retold(verdicts, story)
    _retell(config, [verdict for verdict in verdicts if verdict.outcome in TROUBLE])
    complete = _is_complete(config)
    if config.option.evidence:  # a stored run owes no more than it planned
        complete = complete and not uncovered(verdicts)
    code = exit_code(verdicts, strict=bool(config.getini("strict")), complete=complete)
    if complete and uncovered(verdicts):
        code = code or 2
    collector.spent |= {str(key): spent(key, exchanges) for key, exchanges in run.discovered.items()}
    steps = collector.spent.values()
    collector.report = Report(
        pair="LIVE" if run.manifest.pair == "live" else "RECORDED",
        run_id=run.manifest.run_id,
        judged_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        taken_at=run.manifest.recorded_at,
        suite_commit=suite_commit(),
        command="pytest " + shlex.join(_without_folder(str(arg)) for arg in config.invocation_params.args),
        edition=run.manifest.edition if len(vendors) < len(run.profiles) else "",
        targets=[_target(profile, run, collector.spent) for profile in run.profiles],
        exit_code=code,
        complete=complete,
        spending=Spending(*(sum(step[what] for step in steps) for what in SPENDING)),
        verdicts=_with_unjudged_rows(verdicts, run) if complete else verdicts,
        story=story,
        provenance=run.manifest.provenance,
        software={name: version for step in steps for name, version in step["software"].items()},
        left_behind=run.left_behind,
        fault=run.manifest.fault,
        scope=run.manifest.scope,
    )
    write(collector.report, Path(config.option.report_dir))  # before the clean-up, which may take its time
    run.close()
    collector.report = replace(collector.report, left_behind=run.left_behind)
    write(collector.report, Path(config.option.report_dir))
    green = exitstatus in (0, 1) and code == CONFORMANT and not collector.other_failures
    publish_if_green(config, green=green)
    broken = 1 if collector.other_failures else 0  # a selftest says nothing of the pair, and yet the run is red
    session.exitstatus = max(code, exitstatus) if exitstatus > 1 else code or broken


def _target(profile: Profile, run: Run, spent: Mapping[str, Mapping[str, Any]]) -> Target:
    """What a profile judged, as far as its own steps tell."""
    base_url = profile.base_url or run.manifest.settings.get("CRAZYROUTER_BASE_URL", "")
    servers = (step["server"] for name, step in spent.items() if name.startswith(f"{profile.name}/"))
    return Target(profile.name, profile.chat_model, base_url, next(filter(None, servers), ""))


def _retell(config: pytest.Config, troubled: Sequence[Verdict]) -> None:
    """Put the story into what Allure and JUnit hold of tests that ended before it was known."""
    if (allure := config.getoption("--alluredir", None)) and troubled:
        retell(Path(allure), troubled)
    junit = config.stash.get(xml_key, None)  # pytest has no public name for it
    told = {(each.requirement, each.check, each.profile): each for each in troubled}
    for case in (reporter.to_xml() for reporter in junit.node_reporters_ordered) if junit else ():
        properties = list(case.iter("property"))
        for start in range(0, len(properties) - len(READABLE) + 1, len(READABLE)):
            part = {each.get("name"): each for each in properties[start : start + len(READABLE)]}
            if part.keys() != set(READABLE):
                continue
            row, check, profile = (part[name].get("value", "") for name in ("requirement", "check", "profile"))
            verdict = told.get((row, check, profile))
            for name in ("layer", "cause", "fix") if verdict else ():
                part[name].set("value", str(getattr(verdict, name)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """End with the conclusion."""
    collector = config.stash.get(COLLECTOR, None)
    if collector is None or collector.report is None:
        return
    run = config.stash[SESSION]
    terminalreporter.section("conformance", "=")
    markup = {"green": True} if collector.report.exit_code == CONFORMANT else {"red": True}
    first, *rest = terminal(collector.report)
    terminalreporter.write_line(first, bold=True, **markup)
    for line in rest:
        terminalreporter.write_line(line)
    if run.publication:
        terminalreporter.write_line(f"  recording: {run.publication}")
    terminalreporter.write_line(
        f"  report: {Path(config.option.report_dir) / 'conformance.md'}; evidence: {_shown(run)}"
    )


def _shown(run: Run) -> str:
    return run.evidence.as_posix()


def _all_verdicts(collector: Collector, run: Run) -> list[Verdict]:
    """What was judged, what crashed, and what was planned and never came."""
    try:
        plan = json.loads((run.evidence / "plan.json").read_text("utf-8"))
    except (OSError, ValueError):
        plan = []
    verdicts: list[Verdict] = []
    for planned in plan:
        node = planned.pop("nodeid")
        empty = Verdict.from_data(planned)
        if node in collector.crashed:
            why = " ".join(collector.crashed[node].split())[:300]
            verdicts.append(replace(empty, outcome="error", reason=f"the worker crashed: {why}"))
            continue
        judged = collector.verdicts.get(node, [empty])
        verdicts += [verdict for verdict in judged if verdict.requirement == empty.requirement]
    known: dict[tuple[str, str], tuple[str, str]] = {
        (check_key(deviation.check), profile.name): (deviation.reason, deviation.expires.isoformat())
        for profile in run.profiles
        for deviation in profile.deviations
    }
    # rows that no model changes were judged under the lead profile
    known |= {(check, ""): reason for (check, profile), reason in known.items() if profile == run.lead.name}
    return stale_deviations(verdicts, known, datetime.now(UTC).date().isoformat())


def _with_unjudged_rows(verdicts: list[Verdict], run: Run) -> list[Verdict]:
    """The verdicts, and one for each row of the guide that has none: excluded, or not run."""
    judged = {verdict.requirement for verdict in verdicts}
    evidence = Evidence(run.evidence_kind, run.manifest.recorded_at)
    rest = [
        Verdict(
            row.id,
            "",
            "",
            "excluded" if row.excluded else "not_run",
            row.level,
            row.layer,
            evidence,
            reason=row.excluded or "no check of this row ran",
        )
        for row in requirements().values()
        if row.id not in judged
    ]
    return verdicts + rest


def _is_complete(config: pytest.Config) -> bool:
    """Whether the whole suite was asked for, so that every row owes a verdict."""
    everything = config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.record
    return everything and config.option.markexpr in ("", "nightly") and not config.option.keyword


def _without_folder(argument: str) -> str:
    """An argument without the folder of an absolute path, which says something of this machine only."""
    name, equals, value = argument.rpartition("=")
    return name + equals + (Path(value).name if Path(value).is_absolute() else value)
