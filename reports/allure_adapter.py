"""Puts verdicts into Allure's results: labels, steps in plain English, exchanges with a curl line.

Everything here comes from redacted evidence, so what Allure keeps in clear holds no secret.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import allure
import pytest
from allure_commons.types import AttachmentType

from fixtures.acting.registry import STEPS
from fixtures.judging.judge import USED, judge_of
from fixtures.model.exchange import Exchange, Request
from fixtures.model.requirement import Requirement, requirements
from fixtures.model.terms import Certainty
from fixtures.model.verdict import Verdict
from fixtures.verdicts import VERDICTS
from fixtures.wire.settings import PLAIN, SECRETS
from fixtures.wire.tape import write_atomically

_MARKER = re.compile(r"\{\{([^{}|]+)(?:\|[a-z0-9]+)?\}\}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Describe the verdict while Allure's result of this test is still open."""
    verdicts = item.stash.get(VERDICTS, [])
    if not verdicts or not item.config.getoption("--alluredir", None):
        return
    verdict = verdicts[0]
    row = requirements()[verdict.requirement]
    under = f" [{verdict.profile}]" if verdict.profile else ""
    allure.dynamic.title(f"{verdict.requirement} {row.gist}{under}: {verdict.check}")
    allure.dynamic.description(description(verdict, row))
    labels = {
        "layer": verdict.layer,
        "guide_row": verdict.guide_row or (row.id if row.of_guide else ""),
        "requirement": verdict.requirement,
        "level": verdict.level,
        "profile": verdict.profile or ONCE,
        "check": verdict.check,
        "evidence": f"{verdict.evidence.kind} {verdict.evidence.taken_at}",
        "outcome": verdict.outcome,
    }
    for name, value in labels.items():
        if value:
            allure.dynamic.label(name, value)
    judge = judge_of(item.config)
    for key in item.stash.get(USED, {}):
        with allure.step((STEPS[key.step].acts.__doc__ or key.step).split("\n")[0]):
            for exchange in judge.exchanges(key):
                with allure.step(f"{exchange.why}: {_came(exchange)}"):
                    allure.attach(rendered(exchange), exchange.id, AttachmentType.TEXT)


ONCE = "once"
"""The profile's label of a row that no model changes."""


def retell(folder: Path, verdicts: Iterable[Verdict]) -> None:
    """Put what the run's story says of verdicts into Allure's results, which were written before it was known."""
    known = {(each.requirement, each.check, each.profile or ONCE): each for each in verdicts}
    for path in folder.glob("*-result.json"):
        data = json.loads(path.read_text("utf-8"))
        labels = {label["name"]: label["value"] for label in data.get("labels", ())}
        key = tuple(labels.get(name, "") for name in ("requirement", "check", "profile"))
        if (verdict := known.get(key)) is None:
            continue
        told = {"layer": verdict.layer, "guide_row": verdict.guide_row}
        kept = [label for label in data["labels"] if label["name"] not in told]
        data["labels"] = kept + [{"name": name, "value": value} for name, value in told.items() if value]
        data["description"] = description(verdict, requirements()[verdict.requirement])
        write_atomically(path, json.dumps(data, ensure_ascii=False).encode())


def _came(exchange: Exchange) -> str:
    if exchange.response is None:
        return "no answer"
    return str(exchange.status) + ("" if exchange.response.is_complete else f", {exchange.response.ended}")


def description(verdict: Verdict, row: Requirement) -> str:
    """The verdict in Markdown."""
    lines = [f"**{verdict.outcome}** ({verdict.level}): {row.gist}"]
    if row.reading:
        lines.append(f"How this row is read: {row.reading}")
    if verdict.reason:
        lines.append(f"Why: {verdict.reason}")
    if verdict.cause:
        words = {Certainty.SEEN: "Cause", Certainty.LIKELY: "Likely cause"}.get(
            Certainty(verdict.certainty), "Unexplained"
        )
        lines.append(f"{words}{f' ({verdict.guide_row})' if verdict.guide_row else ''}: {verdict.cause}")
    if verdict.fix:
        lines.append(f"Fix: {verdict.fix}")
    kind = "a live pair" if verdict.evidence.kind == "live" else f"a {verdict.evidence.kind} pair"
    lines.append(f"Rests on {verdict.requests} exchange(s) of {kind}, taken {verdict.evidence.taken_at}.")
    return "\n\n".join(lines)


_WORDS: dict[str, str] = {
    Certainty.SEEN: "Cause",
    Certainty.LIKELY: "Likely cause",
    Certainty.UNEXPLAINED: "Unexplained",
}


def rendered(exchange: Exchange) -> str:
    """An exchange for a reader: how to repeat it, and what came back."""
    lines = [f"# {exchange.why}", curl(exchange.request), ""]
    if exchange.response is None:
        kind = exchange.breakdown.kind if exchange.breakdown else "nothing"
        return "\n".join([*lines, f"no answer after {exchange.elapsed} s: {kind}: {exchange.text}"])
    lines.append(f"HTTP {exchange.status} after {exchange.elapsed} s in {len(exchange.response.chunks)} piece(s)")
    if not exchange.response.is_complete:
        lines.append(exchange.response.ending)
    lines += [f"{name}: {value}" for name, value in exchange.response.headers]
    body = exchange.json()
    text = exchange.text if body is None else json.dumps(body, ensure_ascii=False, indent=1)
    return "\n".join([*lines, "", text])


def curl(request: Request) -> str:
    """A curl line that repeats the request, with secrets as shell variables."""
    words = ["curl", "-sS", "-X", request.method, request.url]
    for name, value in request.headers:
        words += ["-H", f"{name}: {value}"]
    if request.body is not None:
        words += ["--data-raw", request.body]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    """A shell word in which each marker is a variable that the shell fills in."""
    parts = _MARKER.split(word)
    if len(parts) == 1:
        return shlex.quote(word)
    known = {*SECRETS, *PLAIN}
    out = []
    for number, part in enumerate(parts):
        if number % 2 == 0:
            out.append(shlex.quote(part) if part else "")
        else:
            name = part if part in known else re.sub(r"\W+", "_", part).upper()
            out.append(f'"${name}"')
    return "".join(out)
