"""Puts verdicts into Allure's results: labels, steps in plain English, exchanges with a curl line.

Everything here comes from redacted evidence, so what Allure keeps in clear holds no secret.
"""

from __future__ import annotations

import json
import re
import shlex

import allure
import pytest
from allure_commons.types import AttachmentType

from fixtures.acting.registry import STEPS
from fixtures.judging.judge import USED, judge_of
from fixtures.model.exchange import Exchange, Request
from fixtures.model.requirement import Requirement, requirements
from fixtures.model.verdict import Verdict
from fixtures.verdicts import VERDICTS
from fixtures.wire.settings import PLAIN, SECRETS

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
        "profile": verdict.profile or "once",
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
        words = "Cause" if verdict.cause_seen else "Likely cause"
        lines.append(f"{words}{f' ({verdict.guide_row})' if verdict.guide_row else ''}: {verdict.cause}")
    if verdict.fix:
        lines.append(f"Fix: {verdict.fix}")
    kind = "a live pair" if verdict.evidence.kind == "live" else f"a {verdict.evidence.kind} pair"
    lines.append(f"Rests on {verdict.requests} exchange(s) of {kind}, taken {verdict.evidence.taken_at}.")
    return "\n\n".join(lines)


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
