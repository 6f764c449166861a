"""Hostile and broken servers: a run against one ends soon, takes little memory, keeps its key, and names the cause."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from fixtures.proof.__main__ import clean_environment
from suites.selftest.conftest import HANG, ROOT, SECRETS, Outcome

pytestmark = [pytest.mark.selftest, pytest.mark.xdist_group("hostile")]

MEGABYTE = 1_000_000
MEASURING = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
sys.exit(code)
"""
"""Runs a command and prints its peak memory in KB. A small process does: what it holds at the fork counts as well."""
KEY = SECRETS["CRAZYROUTER_API_KEY"]


class Hostile(BaseHTTPRequestHandler):
    """Answers everything in one way; `heard` is what it was asked, with the key."""

    protocol_version = "HTTP/1.1"
    heard: list[str]
    way: Callable[[Hostile], None]

    def handle(self) -> None:
        """Answer; a client that hangs up is right to."""
        with suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        """Answer anything."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.heard.append(f"{self.command} {self.path} {self.headers.get('authorization', '')}")
        type(self).way(self)

    do_POST = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""

    def begin(self, status: int, size: int, **headers: str) -> None:
        """Status and headers, for a body of that size."""
        self.send_response(status)
        for name, value in {"content_type": "application/json", "content_length": str(size), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def says(self, status: int, message: str, **headers: str) -> None:
        """An error object."""
        body = json.dumps({"error": {"message": message, "type": "an_error", "code": None}}).encode()
        self.begin(status, len(body), **headers)
        self.wfile.write(body)


def endless(server: Hostile) -> None:
    """500 MB of white space."""
    server.begin(200, 500 * MEGABYTE)
    for _ in range(500):
        server.wfile.write(b" " * MEGABYTE)


def bomb(server: Hostile) -> None:
    """500 MB of zeros, packed into a few."""
    server.begin(200, len(packed()), content_encoding="gzip")
    server.wfile.write(packed())


@functools.cache
def packed() -> bytes:
    """500 MB of zeros, packed."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(b"0" * MEGABYTE) for _ in range(500)), packer.flush()])


def nested(server: Hostile) -> None:
    """JSON that no parser follows to its end."""
    server.begin(200, 400_000)
    server.wfile.write(b"[" * 200_000 + b"]" * 200_000)


@dataclass(frozen=True)
class Ended:
    """A run that ended: its outcome, seconds, and the most memory that it held, in MB."""

    outcome: Outcome
    seconds: float
    peak: float


@contextmanager
def serving(way: Callable[[Hostile], None]) -> Iterator[tuple[str, list[str]]]:
    """A server that answers in one way: its URL, and what it heard."""
    heard: list[str] = []
    handler = type("Handler", (Hostile,), {"way": way, "heard": heard})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()


def audited(url: str, folder: Path) -> Ended:
    """The vendor audit of a server, measured."""
    command = [sys.executable, "-m", "pytest", "-q", f"--report-dir={folder / 'out'}", "--pair=live"]
    command += [f"--vendor={url}/v1", "--model=m", "suites/gateway"]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURING, *command],
        cwd=ROOT,
        env=clean_environment({"VENDOR_API_KEY": KEY}),
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    output, _, peak = done.stdout.rstrip().rpartition("\n")
    return Ended(Outcome(done.returncode, output, folder / "out"), time.monotonic() - began, int(peak) / 1024)


WAYS = [
    pytest.param(endless, 2, "sends more than the 10 MB that any answer holds", id="500 MB"),
    pytest.param(bomb, 2, "sends more than the 10 MB that any answer holds", id="gzip bomb"),
    pytest.param(
        lambda server: server.says(200, "big", x_big="a" * MEGABYTE), 1, "sends larger headers", id="1 MB header"
    ),
    pytest.param(
        lambda server: server.says(429, "Slow down", retry_after="3600"), 1, "429: too many requests", id="429"
    ),
    pytest.param(
        lambda server: server.says(307, "moved", location="http://localhost:9/"),
        1,
        "is redirected (307)",
        id="redirect",
    ),
    pytest.param(nested, 1, "a 200 without choices", id="nested JSON"),
    pytest.param(lambda server: server.says(999, "odd"), 1, "999", id="status 999"),
    pytest.param(lambda server: server.says(401, "no such key"), 1, "refuses VENDOR_API_KEY with 401", id="dead key"),
]


@pytest.mark.parametrize(("way", "code", "words"), WAYS)
def test_a_hostile_server_is_named_soon_and_cheaply(
    way: Callable[[Hostile], None], code: int, words: str, tmp_path: Path
) -> None:
    with serving(way) as (url, heard):
        ended = audited(url, tmp_path)
    assert words in ended.outcome.headline, f"expected {words!r}, got {ended.outcome.headline}"
    assert ended.outcome.exit_code == code, ended.outcome.output
    assert ended.seconds < 60, f"expected an end within a minute, took {ended.seconds:.0f} s"
    assert ended.peak < 100, f"expected less than 100 MB, held {ended.peak:.0f} MB"
    assert len(heard) < 30, f"expected few requests, it heard {len(heard)}"


def test_no_key_follows_a_redirect(tmp_path: Path) -> None:
    with serving(lambda server: server.says(200, "caught")) as (elsewhere, caught):
        with serving(lambda server: server.says(307, "moved", location=f"{elsewhere}/v1")) as (url, heard):
            audited(url, tmp_path)
        assert any(KEY in each for each in heard), "expected the key where it belongs"
    assert not caught, f"expected nothing to follow the redirect, it heard {len(caught)} requests"
