"""What scheduling costs, without trials: ``python -m benchmarks.simulation [TRIALS] [CRASHES]``.

Ten thousand trials by a virtual clock, 64 at a time, of random durations; one in ten fails, and a
median rule stops others. Once undisturbed, once with crashes at random moments; both must end in
the same state. CPU is that of this process.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.experiments.simulation import Simulation

LIMIT = 60.0
PARALLEL = 64


def timed(one: Simulation) -> float:
    begun = time.process_time()
    one.run()
    return time.process_time() - begun


def main() -> None:
    """Print both runs; exit status 1 if they differ or take longer than the limit."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    crashes = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    with tempfile.TemporaryDirectory() as text:
        whole = Simulation(Path(text) / "whole", trials, PARALLEL)
        first = timed(whole)
        chance = random.Random(1)
        moments = {chance.randrange(1, whole.points.count) for _ in range(crashes)}
        disturbed = Simulation(
            Path(text) / "disturbed", trials, PARALLEL, crash=lambda n, name: n in moments
        )
        second = timed(disturbed)
        same = whole.outcome() == disturbed.outcome()
        print(dict(Counter(str(trial.condition) for trial in whole.ended())))
        print(f"{trials} trials, {whole.points.count} moments, undisturbed: {first:.1f} s CPU")
        print(f"{disturbed.sessions - 1} crashes: {second:.1f} s CPU")
        print("the same state" if same else "ANOTHER STATE")
    raise SystemExit(not same or first > LIMIT)


if __name__ == "__main__":
    main()
