"""Whole learning curves of random configurations, trained once and stored.

    python -m benchmarks.multifidelity.whole_curves [--configurations 80]

The file has a line for each configuration: the problem and its validation losses after each epoch,
with five digits.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.multifidelity.curves import EPOCHS, PROBLEMS, Curves
from suggestion.algorithms.random import Random
from suggestion.numerics.randomness import seed_of
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.study import Study

FILE: Final = Path(__file__).parent / "results" / "whole_curves.jsonl.gz"
SEED: Final = "random_state 20"


def train(problem: str, configurations: int) -> Iterator[list[float]]:
    """Yield the losses of random configurations after each epoch."""
    epochs = range(1, EPOCHS + 1)
    curves = Curves(problem, checked=epochs)
    declared = Problem(problem, curves.space, (Metric("loss"),))
    study = Study(declared, seed=seed_of(SEED), first_index=0)
    for values in Random().suggest(study, configurations):
        yield [float(f"{curves.loss(dict(values), epoch):.5g}") for epoch in epochs]
        curves.forget_models()


def read() -> dict[str, list[list[float]]]:
    """Return the stored curves by problem."""
    found: dict[str, list[list[float]]] = {}
    with gzip.open(FILE, "rt", encoding="utf-8") as file:
        for line in file:
            problem, losses = json.loads(line)
            found.setdefault(problem, []).append(losses)
    return found


def main() -> None:
    """Train all configurations and store their curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configurations", type=int, default=80)
    arguments = parser.parse_args()
    lines = []
    for problem in PROBLEMS:
        began = time.process_time()
        for number, losses in enumerate(train(problem, arguments.configurations), 1):
            lines.append(f"{json.dumps([problem, losses])}\n")
            took = time.process_time() - began
            print(f"{problem}: {number} configurations, {took:.0f} s of CPU", file=sys.stderr)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


if __name__ == "__main__":
    main()
