"""How long the recorded runs take (`tox run -e bench`): no test asserts it, for a test must not rest on the machine.

The ratio to a calibration loop on the same machine, timed before and after each run, lets two machines be compared,
and a busy one with itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping

from fixtures.proof.__main__ import kill_matrix, run_pytest

LOOPS = 20_000


class BenchError(Exception):
    """A run that failed: its time says nothing."""


def main() -> int:
    """Print seconds and ratios, one line each; 2 where a run failed."""
    print(f"calibration: {calibration():.2f} s for {LOOPS} JSON round trips")
    for name, run in RUNS.items():
        try:
            seconds, unit = timed(run)
        except (BenchError, RuntimeError, subprocess.SubprocessError) as error:
            print(f"{name}: failed\n{error}", file=sys.stderr)
            return 2
        print(f"{name}: {seconds:.1f} s, {seconds / unit:.1f} times the calibration")
    return 0


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a run, and of the calibration loop around it."""
    before = calibration()
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    return seconds, (before + calibration()) / 2


def calibration() -> float:
    """Seconds of a loop of the kind that the suite spends its time in."""
    data = {"choices": [{"index": number, "delta": {"content": "größe " * number}} for number in range(10)]}
    start = time.perf_counter()
    for _ in range(LOOPS):
        json.loads(json.dumps(data))
    return time.perf_counter() - start


def recorded(*args: str) -> None:
    """Judge the recording. Raises BenchError where that does not hold."""
    with tempfile.TemporaryDirectory() as folder:
        done = run_pytest(*args, "--pair=recorded", f"--report-dir={folder}")
    if done.returncode:
        raise BenchError(done.stdout + done.stderr)


RUNS: Mapping[str, Callable[[], object]] = {
    "recorded smoke": lambda: recorded("-m", "smoke"),
    "recorded nightly on two workers": lambda: recorded("-m", "nightly", "-n", "2"),
    "kill matrix": kill_matrix,
}


if __name__ == "__main__":
    sys.exit(main())
