"""Hyperband, ASHA and BOHB against random search on learning curves of real models.

    python -m benchmarks.multifidelity.learning_curves [--problem mlp] [--seeds 20]

The resource is epochs. Random search trains `--random-trials` configurations for all of them; the
median over the seeds of its final loss is the target, and its epochs are everybody's budget. Four
trials run at a time, in simulated time in which an epoch takes a second. Engines are compared
seed by seed; intervals are of the bootstrap over seeds.

A trial trains its model from the start, so that a promotion costs all of its epochs again; with
`--resumed` it goes on from the configuration's last rung and costs only the further ones.
"""

from __future__ import annotations

import argparse
import heapq
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.multifidelity.curves import EPOCHS, PROBLEMS, Curves
from suggestion.algorithms.hyperband import Asha, Hyperband
from suggestion.algorithms.random import Random
from suggestion.numerics.randomness import seed_of
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.study import History, Observation, Pending, Study

WORKERS = 4
RESAMPLES = 10_000
#: Epochs spent and least loss so far, after every trial.
Race: TypeAlias = list[tuple[int, float]]

ENGINES: dict[str, Any] = {
    "random": Random(),
    "hyperband": Hyperband(r_l=EPOCHS, resource_name="epochs"),
    "asha": Asha(r_l=EPOCHS, resource_name="epochs"),
    "bohb": Hyperband(r_l=EPOCHS, resource_name="epochs", sampler="tpe"),
}
PAIRS = (("bohb", "hyperband"), ("asha", "hyperband"))


def race(engine: Any, curves: Curves, seed: int, budget: int, *, resumed: bool) -> Race:
    """What `engine` finds until `budget` epochs are spent."""
    observations: list[Observation] = []
    running: list[tuple[float, int, int, dict[str, Any]]] = []
    reached: dict[str, int] = {}
    now, spent, handed, best = 0.0, 0, 0, float("inf")
    found: Race = []
    while spent < budget:
        while len(running) < WORKERS:
            pending = tuple(Pending(str(index), values) for _, index, _, values in running)
            study = Study(
                Problem(
                    "benchmark",
                    curves.space,
                    (Metric("loss"),),
                    parallel_trial_count=WORKERS,
                ),
                seed=seed_of(f"random_state {seed}"),
                first_index=handed,
                trials=History(tuple(observations), pending),
            )
            values = dict(engine.suggest(study, 1)[0])
            if isinstance(engine, Random):
                values["epochs"] = EPOCHS
            cost = values["epochs"]
            if resumed:
                key = repr(sorted((k, v) for k, v in values.items() if k != "epochs"))
                cost -= reached.get(key, 0)
                reached[key] = values["epochs"]
            heapq.heappush(running, (now + cost, handed, cost, values))
            handed += 1
        now, index, cost, values = heapq.heappop(running)
        loss = curves.loss(values, values["epochs"])
        spent += cost
        best = min(best, loss)
        found.append((spent, best))
        observations.append(Observation(str(index), values, {"loss": loss}))
    return found


def best_within(found: Race, budget: float) -> float:
    """Least loss of what was finished within `budget` epochs."""
    return min((best for spent, best in found if spent <= budget), default=float("inf"))


def epochs_to(found: Race, target: float, budget: int) -> int:
    """Epochs until the loss is at most `target`; twice the budget if that is not within it."""
    return next((s for s, best in found if best <= target and s <= budget), 2 * budget)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """95 % of the bootstrap of the mean of paired differences."""
    rng = np.random.default_rng(0)
    sample = np.asarray(differences, dtype=float)
    means = sample[rng.integers(len(sample), size=(RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def print_engines(races: Mapping[str, Sequence[Race]], target: float, budget: int) -> None:
    """One row an engine: epochs to the target, and losses at parts of the budget."""
    print(
        "| engine | epochs to the target, median [quartiles] | share | reached "
        "| loss at 1/9 | at 1/3 | at the end |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, all_found in races.items():
        epochs = [epochs_to(found, target, budget) for found in all_found]
        low, middle, high = quartiles(epochs)
        cells = [
            name,
            f"{middle:.0f} [{low:.0f}-{high:.0f}]",
            f"{middle / budget:.2f}",
            f"{sum(e <= budget for e in epochs)} of {len(epochs)}",
        ]
        for part in (9, 3, 1):
            low, middle, high = quartiles([best_within(f, budget / part) for f in all_found])
            cells.append(f"{middle:.4f} [{low:.4f}-{high:.4f}]")
        print("| " + " | ".join(cells) + " |")


def print_pairs(races: Mapping[str, Sequence[Race]], target: float, budget: int) -> None:
    """One row a pair of engines and a measure: the differences seed by seed."""
    measures: dict[str, Callable[[Race], float]] = {
        "share of the budget to the target": lambda f: epochs_to(f, target, budget) / budget,
        "log10 loss at 1/9": lambda f: math.log10(best_within(f, budget / 9)),
        "log10 loss at 1/3": lambda f: math.log10(best_within(f, budget / 3)),
        "log10 loss at the end": lambda f: math.log10(best_within(f, budget)),
    }
    print("| pair | measure | mean difference [95 %] | less, same, more |")
    print("|---|---|---|---|")
    for one, other in PAIRS:
        for name, measure in measures.items():
            differences = [
                measure(a) - measure(b) for a, b in zip(races[one], races[other], strict=True)
            ]
            low, high = interval(differences)
            signs = [sum(np.sign(d) == sign for d in differences) for sign in (-1, 0, 1)]
            print(
                f"| {one} - {other} | {name} | {statistics.fmean(differences):+.3f} "
                f"[{low:+.3f}, {high:+.3f}] | {', '.join(map(str, signs))} |"
            )


def main() -> None:
    """Runs all engines on one problem and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", choices=sorted(PROBLEMS), default="mlp")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--random-trials", type=int, default=40)
    parser.add_argument("--resumed", action="store_true")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the learning curves")
    arguments = parser.parse_args()
    budget = EPOCHS * arguments.random_trials
    races: dict[str, list[Race]] = {name: [] for name in ENGINES}
    curves = Curves(arguments.problem, arguments.cache)
    began = time.process_time()
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for name, engine in ENGINES.items():
            races[name].append(race(engine, curves, seed, budget, resumed=arguments.resumed))
        curves.forget_models()
        took = time.process_time() - began
        print(f"seed {seed}: {curves.trained} epochs, {took:.0f} s of CPU", file=sys.stderr)
    target = statistics.median(found[-1][1] for found in races["random"])
    print(f"{arguments.problem}: target {target:.4f} = random search after {budget} epochs")
    print_engines(races, target, budget)
    print()
    print_pairs(races, target, budget)


if __name__ == "__main__":
    main()
