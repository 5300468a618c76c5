"""Population based training against random search, on a small network with real checkpoints.

    python -m benchmarks.multifidelity.checkpoints [--seeds 10]

A trial of PBT goes on from the weights in its folder for a few epochs, and saves them again.
Random search has the same number of epochs, as few long trainings or as more shorter ones.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from suggestion.algorithms.pbt import Pbt
from suggestion.algorithms.random import Random
from suggestion.numerics.randomness import seed_of
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import History, Observation, Pending, Study

Array = NDArray[np.float64]
MEMBERS, GENERATIONS, EPOCHS = 8, 20, 2
WORKERS = 1
HIDDEN = 32
WORST = 20.0  # a loss that has diverged

LOG = Distribution.LOG_UNIFORM
SPACE = SearchSpace(
    (
        Double("lr", "1e-4", "3", distribution=LOG),
        Double("momentum", "0", "0.99"),
        Double("decay", "1e-7", "1e-2", distribution=LOG),
        Double("dropout", "0", "0.6"),
        Int("batch", 8, 256, distribution=LOG),
    )
)


class Network:
    """One hidden layer, softmax, stochastic gradient descent with momentum."""

    def __init__(self, seed: int) -> None:
        features, labels = load_digits(return_X_y=True)
        self._train, self._test, self._labels, self._test_labels = train_test_split(
            features / 16, labels, test_size=0.3, random_state=0, stratify=labels
        )
        rng = np.random.default_rng(seed)
        self._shapes = [(64, HIDDEN), (HIDDEN,), (HIDDEN, 10), (10,)]
        self.weights = [
            rng.normal(size=shape) / np.sqrt(shape[0]) if len(shape) == 2 else np.zeros(shape)
            for shape in self._shapes
        ]
        self.speeds = [np.zeros(shape) for shape in self._shapes]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "weights.npz", *self.weights, *self.speeds)

    def load(self, folder: Path) -> bool:
        """Whether there was a checkpoint."""
        if not (folder / "weights.npz").exists():
            return False
        with np.load(folder / "weights.npz") as saved:
            arrays = [saved[key] for key in saved.files]
        self.weights, self.speeds = arrays[:4], arrays[4:]
        return True

    def train(self, values: Mapping[str, Any], epochs: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            for _ in range(epochs):
                order = rng.permutation(len(self._train))
                for begin in range(0, len(order), values["batch"]):
                    self._step(order[begin : begin + values["batch"]], values, rng)

    def _step(self, rows: Any, values: Mapping[str, Any], rng: np.random.Generator) -> None:
        inputs, labels = self._train[rows], self._labels[rows]
        first, first_bias, second, second_bias = self.weights
        kept = (rng.random((len(rows), HIDDEN)) >= values["dropout"]) / (1 - values["dropout"])
        hidden = np.maximum(inputs @ first + first_bias, 0) * kept
        slope = softmax(hidden @ second + second_bias)
        slope[np.arange(len(rows)), labels] -= 1
        slope /= len(rows)
        back = (slope @ second.T) * kept * (hidden > 0)
        slopes = [inputs.T @ back, back.sum(0), hidden.T @ slope, slope.sum(0)]
        for index, weight in enumerate(self.weights):
            self.speeds[index] *= values["momentum"]
            self.speeds[index] -= values["lr"] * (slopes[index] + values["decay"] * weight)
            self.weights[index] = weight + self.speeds[index]

    def loss(self) -> float:
        """Mean log loss on the validation rows."""
        first, first_bias, second, second_bias = self.weights
        with np.errstate(all="ignore"):
            hidden = np.maximum(self._test @ first + first_bias, 0)
            right = softmax(hidden @ second + second_bias)[
                np.arange(len(self._test)), self._test_labels
            ]
            loss = float(-np.log(np.maximum(right, 1e-300)).mean())
        return min(loss, WORST) if np.isfinite(loss) else WORST


def softmax(scores: Array) -> Array:
    """Rows of probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def pbt(seed: int, data: Path) -> tuple[float, float]:
    """Least loss of `GENERATIONS` generations, and of the last one."""
    engine = Pbt(suggestion_trial_dir=str(data), n_population=MEMBERS, truncation_threshold=0.25)
    observations: list[Observation] = []
    running: list[tuple[str, Mapping[str, Any]]] = []
    handed = 0
    last: list[float] = []
    # Members that stand by while a generation is incomplete cost epochs as well.
    while handed < MEMBERS * GENERATIONS or running:
        while len(running) < WORKERS and handed < MEMBERS * GENERATIONS:
            study = Study(
                Problem("digits", SPACE, (Metric("loss"),)),
                seed=seed_of(f"random_state {seed}"),
                first_index=handed,
                trials=History(tuple(observations), tuple(Pending(*trial) for trial in running)),
            )
            (suggestion,) = engine.suggest(study, 1)
            running.append((suggestion.trial, suggestion.assignment))
            handed += 1
        trial, values = running.pop(0)
        network = Network(seed * 1000 + len(observations))
        folder = data / "digits" / trial
        network.load(folder)
        network.train(values, EPOCHS, seed * 1000 + len(observations))
        network.save(folder)
        loss = network.loss()
        if len(observations) >= MEMBERS * (GENERATIONS - 1):
            last.append(loss)
        observations.append(Observation(trial, values, {"loss": loss}))
    return min(o.metrics["loss"] for o in observations), min(last)


def random_search(seed: int, trainings: int) -> float:
    """Least loss of `trainings` that share the epochs of `pbt`, at any multiple of `EPOCHS`."""
    losses = []
    problem = Problem("digits", SPACE, (Metric("loss"),))
    for index in range(trainings):
        study = Study(problem, seed_of(f"random_state {seed}"), index)
        (values,) = Random().suggest(study, 1)
        network = Network(seed * 1000 + index)
        for turn in range(MEMBERS * GENERATIONS // trainings):
            network.train(values, EPOCHS, seed * 1000 + 100 * turn + index)
            losses.append(network.loss())
    return min(losses)


def main() -> None:
    """Prints the median and quartiles of the least loss of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    began = time.process_time()
    results: dict[str, list[float]] = {}
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            best, last = pbt(seed, Path(folder))
        results.setdefault("pbt", []).append(best)
        results.setdefault("pbt, last generation", []).append(last)
        for trainings in (MEMBERS, 2 * MEMBERS, 4 * MEMBERS):
            name = f"random, {trainings} x {EPOCHS * MEMBERS * GENERATIONS // trainings} epochs"
            results.setdefault(name, []).append(random_search(seed, trainings))
        print(f"seed {seed}: {time.process_time() - began:.0f} s of CPU", file=sys.stderr)
    print(f"{EPOCHS * MEMBERS * GENERATIONS} epochs each, {arguments.seeds} seeds")
    print("| engine | least validation loss, median [quartiles] | pbt is better |")
    print("|---|---|---|")
    for name, losses in results.items():
        low, middle, high = statistics.quantiles(losses, n=4, method="inclusive")
        won = sum(a < b for a, b in zip(results["pbt"], losses, strict=True))
        print(f"| {name} | {middle:.4f} [{low:.4f}-{high:.4f}] | {won} of {len(losses)} |")


if __name__ == "__main__":
    main()
