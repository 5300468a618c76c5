"""Search for requests, and outputs of trials, that break something: ``scripts/fuzz.py SECONDS``.

Runs `MODULES` again and again, with other examples each time, until the time is over or
one of them fails. What fails is printed, and kept in ``.hypothesis``: it is tried first next
time. The seed that is printed with each round repeats the round.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: Tests of properties, with the profile ``search``.
MODULES: Final = (
    "tests/test_fuzz.py",
    "tests/test_expressions.py",
    "tests/experiments/test_poison.py",
)
#: A round is ended when the time is over; this is how long it takes to end its servers.
_LAST_SECONDS: Final = 15.0


def _order(seed: int) -> list[str]:
    """The tests, shuffled: a round that is cut short has begun elsewhere than the last."""
    listing = [sys.executable, "-m", "pytest", *MODULES, "--collect-only", "-q"]
    found = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tests = [line for line in found.splitlines() if "::" in line]
    random.Random(seed).shuffle(tests)
    return tests


def main(seconds: float) -> int:
    """Return the exit status of the first round that fails; 0 if none does."""
    until = time.monotonic() + seconds
    rounds = 0
    while (left := until - time.monotonic()) > 0:
        seed = random.randrange(2**32)
        print(f"fuzz: round {rounds + 1}, seed {seed}, {left:.0f} s left", flush=True)
        arguments = [*_order(seed), "--hypothesis-profile=search", "-q", "-x"]
        arguments.append(f"--hypothesis-seed={seed}")
        command = [sys.executable, "-m", "pytest", *arguments]
        with subprocess.Popen(command, cwd=ROOT) as process:
            try:
                status = process.wait(timeout=left)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=_LAST_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                if process.returncode == 1:  # a test had failed; pytest is interrupted with 2
                    return 1
                break
        if status:
            return status
        rounds += 1
    print(f"fuzz: nothing found in {seconds:g} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
