"""The conformance report: every verdict with its evidence, as JSON for machines and Markdown for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fixtures.acting.recording import recorded_on
from fixtures.judging.story import Told
from fixtures.model.exchange import SOFTWARE, shortened
from fixtures.model.guide import guide
from fixtures.model.proven import PROVEN
from fixtures.model.requirement import requirements
from fixtures.model.terms import Basis
from fixtures.model.verdict import CONFORMANT, NOT_CONFORMANT, Verdict, counts
from fixtures.wire.tape import write_atomically

SCHEMA = Path(__file__).parent / "conformance.schema.json"


@dataclass(frozen=True)
class Spending:
    """Requests and tokens of a run, each acting step counted once.

    `again` counts requests that needed another attempt, `lost` those whose answer was lost once they were sent,
    `limited` the answers 429.
    """

    gateway: int = 0
    dify: int = 0
    tokens: int = 0
    again: int = 0
    lost: int = 0
    limited: int = 0

    @property
    def attempts(self) -> str:
        """In words; what did not happen is left out, but for the first."""
        more = [(self.lost, "lost once sent"), (self.limited, "answered 429")]
        return "".join([f"{self.again} needed another attempt", *(f", {n} {what}" for n, what in more if n)])


@dataclass(frozen=True)
class Target:
    """What a profile judged: a model below a base URL, and what its answers call their server."""

    profile: str
    model: str
    base_url: str
    server: str = ""

    def __str__(self) -> str:
        server = f", server {self.server}" if self.server else ""
        return f"{self.profile}: {self.model} at {self.base_url}{server}"


@dataclass(frozen=True)
class Report:
    """A run's conclusion. `pair` is LIVE or RECORDED; `edition` is empty where no profile follows the guide; `scope`
    is `key` where a key's alone was judged; `software` names both sides; `left_behind` lists what the run created and
    could not remove."""

    pair: str
    run_id: str
    judged_at: str
    taken_at: str
    suite_commit: str
    command: str
    edition: str
    targets: Sequence[Target]
    exit_code: int
    complete: bool
    spending: Spending
    verdicts: Sequence[Verdict]
    story: Sequence[Told] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    left_behind: Sequence[str] = ()
    fault: str = ""
    scope: str = ""

    @property
    def conclusion(self) -> str:
        """The conclusion in words; only a live pair without a seeded fault can be called conformant."""
        if self.fault:
            seen = "NOT SEEN" if self.exit_code == CONFORMANT else "SEEN"
            return f"{seen}: seeded {self.fault}"
        if self.exit_code == CONFORMANT:
            scope = f" (scope: {self.scope})" if self.scope else ""
            return f"CONFORMANT{scope}" if self.pair == "LIVE" else "HOLDS (on this recording)"
        return "NOT CONFORMANT" if self.exit_code == NOT_CONFORMANT else "COULD NOT JUDGE"

    @property
    def proven(self) -> Mapping[str, int]:
        """How many seeded faults kill each check (`python -m fixtures.proof.__main__`)."""
        found: dict[str, int] = json.loads(PROVEN.read_text("utf-8"))
        return found

    def to_data(self) -> dict[str, Any]:
        """Plain data, as `conformance.schema.json` describes it."""
        return {
            "schema": "conformance/1",
            "pair": self.pair,
            "conclusion": self.conclusion,
            "exit_code": self.exit_code,
            "run_id": self.run_id,
            "judged_at": self.judged_at,
            "evidence_taken_at": self.taken_at,
            "suite_commit": self.suite_commit,
            "command": self.command,
            "edition": self.edition,
            "profiles": [each.profile for each in self.targets],
            "targets": [asdict(each) for each in self.targets],
            "scope": self.scope,
            "software": dict(self.software),
            "provenance": dict(self.provenance),
            "fault": self.fault,
            "complete": self.complete,
            "totals": {
                "requests": {"gateway": self.spending.gateway, "dify": self.spending.dify},
                "attempts": {
                    "again": self.spending.again,
                    "lost": self.spending.lost,
                    "limited": self.spending.limited,
                },
                "tokens": self.spending.tokens,
                "verdicts": counts(self.verdicts),
            },
            "causes": [told.to_data() for told in self.story],
            "left_behind": list(self.left_behind),
            "verdicts": [
                verdict.to_data()
                | {"proven_by_faults": self.proven.get(verdict.key, 0)}
                | {"basis": list(requirements()[verdict.requirement].basis)}
                for verdict in self.verdicts
            ],
        }


def write(report: Report, folder: Path) -> None:
    """Write `conformance.json` and `conformance.md`, each in one move."""
    data = json.dumps(report.to_data(), ensure_ascii=False, indent=1)
    write_atomically(folder / "conformance.json", data.encode())
    write_atomically(folder / "conformance.md", markdown(report).encode())


def markdown(report: Report) -> str:
    """The report for people."""
    totals = ", ".join(f"{number} {outcome}" for outcome, number in counts(report.verdicts).items())
    lines = [
        f"# {report.pair}: {report.conclusion}",
        "",
        f"- evidence taken {report.taken_at}, judged {report.judged_at}, run `{report.run_id}`",
        *([f"- guide edition {report.edition}"] if report.edition else []),
        *(f"- profile {target}" for target in report.targets),
        f"- suite commit `{report.suite_commit}`, command `{report.command}`",
        f"- {totals or 'no verdict'}" + ("" if report.complete else " (a part of the suite was selected)"),
        f"- requests: {report.spending.gateway} to the gateway, {report.spending.dify} to Dify"
        f" ({report.spending.attempts}); {report.spending.tokens} tokens",
    ]
    lines += [f"- {words}"] if (words := by_basis(report)) else []
    lines += [f"- {name}: {version}" for name, version in report.software.items()]
    if statement := report.provenance.get("statement"):
        lines += ["", f"> {' '.join(str(statement).split())}"]
    found = report.story
    if found:
        lines += ["", "## What is not well"]
    for number, cause in enumerate(found, 1):
        lines += ["", f"### {number}. {cause.layer}{f' ({cause.guide_row})' if cause.guide_row else ''}", ""]
        lines += [f"- {cause.certainty}: {_cell(cause.cause)}"]
        lines += [f"- likely cause: {_cell(cause.likely)}"] if cause.likely else []
        lines += [f"- fix: {_cell(cause.fix)}"] if cause.fix else []
        lines += [f"- {each.outcome} {_name(each)}: {_cell(each.reason)}" for each in cause.verdicts]
    if report.left_behind:
        lines += ["", "## May be left behind: remove by hand", "", *(f"- {_cell(line)}" for line in report.left_behind)]
    rows = requirements()
    readings = [row for row in rows.values() if row.reading and any(v.requirement == row.id for v in report.verdicts)]
    if readings:
        lines += ["", "## How rows are read", ""]
        lines += [f"- {row.id}: {_cell(row.gist)} Read as: {_cell(row.reading or '')}" for row in readings]
    proven = report.proven
    head = ("row", "requirement", "profile", "outcome", "level", "layer", "evidence", "check", "proven by faults")
    lines += ["", "## Verdicts", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for verdict in sorted(report.verdicts, key=lambda each: (list(rows).index(each.requirement), each.profile)):
        row = rows[verdict.requirement]
        evidence = f"{verdict.evidence.kind} {verdict.evidence.taken_at}, exchanges: {verdict.requests}"
        cells = [
            row.id,
            row.gist,
            verdict.profile or "-",
            verdict.outcome,
            row.level,
            verdict.layer,
            evidence,
            verdict.check,
            str(proven.get(verdict.key, "-")),
        ]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join([*lines, ""])


def terminal(report: Report) -> list[str]:
    """The summary that a release engineer reads in ten seconds; its first line says what is wrong."""
    found = report.story
    warnings = sum(verdict.outcome == "warn" for verdict in report.verdicts)
    head = f"{report.pair} {report.conclusion}"
    if report.exit_code == CONFORMANT and warnings:
        head += f", with {warnings} warning(s)"
    if report.exit_code != CONFORMANT and found:
        top = found[0]
        head += f": {top.headline}" + (f" ({top.guide_row})" if top.guide_row else "")
    totals = ", ".join(f"{number} {outcome}" for outcome, number in counts(report.verdicts).items())
    lines = [
        head,
        f"  evidence of {report.taken_at}; profiles {', '.join(each.profile for each in report.targets)}"
        + (f"; guide edition {report.edition}" if report.edition else ""),
        *(f"  {target}" for target in report.targets if report.pair == "LIVE"),
        f"  {totals or 'no verdict'}; requests {report.spending.gateway} gateway, {report.spending.dify} Dify"
        f" ({report.spending.attempts}); {report.spending.tokens} tokens",
    ]
    lines += [f"  {words}"] if (words := by_basis(report)) else []
    for number, cause in enumerate(found, 1):
        row = f" {cause.guide_row}" if cause.guide_row else ""
        lines.append(f"  {number}. {cause.layer}{row}: {cause.headline}")
        lines += [f"     fix: {cause.fix}"] if cause.fix else []
        by_outcome: dict[str, list[Verdict]] = {}
        for verdict in cause.verdicts:
            by_outcome.setdefault(verdict.outcome, []).append(verdict)
        for outcome, verdicts in by_outcome.items():
            lines.append(f"     {outcome}: {_few([_name(verdict) for verdict in verdicts])}")
            if outcome in ("fail", "error", "warn") and verdicts[0].reason != cause.cause:
                lines.append(f"       {verdicts[0].reason[:300]}")
    lines += _known_deviations(report)
    if report.exit_code != CONFORMANT and report.edition:
        lines += [f"  versions: {_versions(report)}"]
    lines += [f"  may be left behind: {line}" for line in report.left_behind]
    return lines


def _known_deviations(report: Report) -> list[str]:
    """A line for each check that fails as it is known to, with the profiles under which it does."""
    by_check: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        if verdict.outcome == "known_deviation":
            by_check.setdefault(verdict.key, []).append(verdict)
    return [
        f"  known deviation {key}: {shortened(group[0].reason, 160)}"
        f" [{', '.join(each.profile for each in group if each.profile)}]"
        for key, group in by_check.items()
    ]


_BROKEN = {
    Basis.GUIDE: "break what the guide promises",
    Basis.DIFY: "break Dify",
    Basis.OPENAI_REFERENCE: "deviate from OpenAI's reference",
    Basis.SSE_STANDARD: "deviate from the SSE standard",
    Basis.FIELD: "are known to break clients",
}


def by_basis(report: Report) -> str:
    """What the verdicts that do not hold break or deviate from, in words; empty where all hold. One may count twice."""
    failed = [verdict for verdict in report.verdicts if verdict.outcome in ("fail", "warn", "known_deviation")]
    found = Counter(basis for verdict in failed for basis in requirements()[verdict.requirement].basis)
    if not report.edition:  # no profile follows the guide
        del found[Basis.GUIDE]
    told = ", ".join(f"{found[basis]} {words}" for basis, words in _BROKEN.items() if found[basis])
    return f"of {len(failed)} that do not hold, {told}" if told else ""


def _versions(report: Report) -> str:
    """What was judged beside what the suite was recorded on: on other versions a red result may be the suite's."""
    asked = ", ".join(f"{side} {report.software.get(side, 'of no told version')}" for side in SOFTWARE.values())
    return f"{asked}; the suite was recorded on {'; '.join(recorded_on())}"


def _few(names: Sequence[str], most: int = 4) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _name(verdict: Verdict) -> str:
    return f"{verdict.requirement} {verdict.check}" + (f" [{verdict.profile}]" if verdict.profile else "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def uncovered(verdicts: Sequence[Verdict]) -> list[str]:
    """Guide rows that have no verdict and are not excluded."""
    judged = {verdict.requirement for verdict in verdicts}
    return [row.id for row in guide().rows.values() if row.id not in judged and not row.excluded]
