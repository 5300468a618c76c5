"""Hyperband, ASHA and BOHB against random search on learning curves of real models.

    python -m benchmarks.multifidelity.learning_curves [--problem mlp] [--seeds 5]

The resource is epochs. Every trial trains its model from the start, so a promotion costs all of
its epochs again. Each algorithm has as many epochs as random search needs for `--random-trials`
full trainings; four trials run at a time, in simulated time in which an epoch takes a second.
"""

from __future__ import annotations

import argparse
import heapq
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from algorithms.hyperband import Asha, Hyperband
from algorithms.random import Random
from suggestion.sampling import seed_of
from suggestion.space import Categorical, Distribution, Double, Int, SearchSpace
from suggestion.study import History, Observation, Pending, Study

EPOCHS = 81
WORKERS = 4
WORST = 20.0  # a loss that has diverged


def data() -> tuple[np.ndarray, ...]:
    """Digits: 1,257 rows to train on and 540 to validate with, 64 features in [0, 1]."""
    features, labels = load_digits(return_X_y=True)
    parts: list[np.ndarray] = train_test_split(
        features / 16, labels, test_size=0.3, random_state=0, stratify=labels
    )
    return tuple(parts)


def mlp(values: Mapping[str, Any]) -> Any:
    """A network with one hidden layer, trained by Adam."""
    return MLPClassifier(
        hidden_layer_sizes=(values["units"],),
        learning_rate_init=values["lr"],
        alpha=values["alpha"],
        batch_size=values["batch"],
        beta_1=1 - values["1-beta1"],
        activation=values["activation"],
        solver="adam",
        random_state=0,
    )


def sgd(values: Mapping[str, Any]) -> Any:
    """Logistic regression, one class against the rest, by stochastic gradient descent."""
    return SGDClassifier(
        loss="log_loss",
        penalty=values["penalty"],
        alpha=values["alpha"],
        learning_rate="invscaling",
        eta0=values["eta0"],
        power_t=values["power_t"],
        random_state=0,
    )


LOG = Distribution.LOG_UNIFORM
EPOCH = Int("epochs", 1, EPOCHS)
PROBLEMS: dict[str, tuple[Callable[[Mapping[str, Any]], Any], SearchSpace]] = {
    "mlp": (
        mlp,
        SearchSpace(
            (
                Double("lr", "1e-5", "1", distribution=LOG),
                Double("alpha", "1e-7", "1", distribution=LOG),
                Double("1-beta1", "0.01", "1", distribution=LOG),
                Int("units", 4, 48, distribution=LOG),
                Int("batch", 32, 256, distribution=LOG),
                Categorical("activation", ("relu", "tanh", "logistic")),
                EPOCH,
            )
        ),
    ),
    "sgd": (
        sgd,
        SearchSpace(
            (
                Double("eta0", "1e-5", "10", distribution=LOG),
                Double("alpha", "1e-8", "1", distribution=LOG),
                Double("power_t", "0", "1"),
                Categorical("penalty", ("l2", "l1", "elasticnet")),
                EPOCH,
            )
        ),
    ),
}


class Curves:
    """Validation losses by epoch; a configuration is trained as far as anybody asks."""

    def __init__(self, make: Callable[[Mapping[str, Any]], Any]) -> None:
        self._make = make
        self._train, self._test, self._labels, self._test_labels = data()
        self._classes = np.unique(self._labels)
        self._models: dict[str, tuple[Any, list[float]]] = {}

    def loss(self, values: Mapping[str, Any], epochs: int) -> float:
        key = repr(sorted((k, v) for k, v in values.items() if k != "epochs"))
        if key not in self._models:
            self._models[key] = (self._make(values), [])
        model, losses = self._models[key]
        while len(losses) < epochs:
            losses.append(self._epoch(model, len(losses)))
        return losses[epochs - 1]

    def _epoch(self, model: Any, number: int) -> float:
        order = np.random.default_rng(number).permutation(len(self._train))
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", (ConvergenceWarning, RuntimeWarning))
                model.partial_fit(self._train[order], self._labels[order], classes=self._classes)
                probabilities = model.predict_proba(self._test)
        except ValueError:  # its weights have overflowed
            return WORST
        if not np.isfinite(probabilities).all():
            return WORST
        return min(float(log_loss(self._test_labels, probabilities)), WORST)


ENGINES: dict[str, Any] = {
    "random": Random(),
    "hyperband": Hyperband(r_l=EPOCHS, resource_name="epochs"),
    "asha": Asha(r_l=EPOCHS, resource_name="epochs"),
    "bohb": Hyperband(r_l=EPOCHS, resource_name="epochs", sampler="tpe"),
}


def run(
    engine: Any, full: bool, space: SearchSpace, curves: Curves, seed: int, budget: int
) -> list[tuple[int, float]]:
    """Epochs spent and least loss so far, after every trial, until `budget` epochs are spent."""
    observations: list[Observation] = []
    running: list[tuple[float, int, dict[str, Any]]] = []
    now, spent, handed, best = 0.0, 0, 0, float("inf")
    history: list[tuple[int, float]] = []
    while spent < budget:
        while len(running) < WORKERS:
            pending = tuple(Pending(str(index), values) for _, index, values in running)
            study = Study(
                name="benchmark",
                space=space,
                seed=seed_of(f"random_state {seed}"),
                first_index=handed,
                trials=History(tuple(observations), pending),
                parallel_trial_count=WORKERS,
            )
            values = dict(engine.suggest(study, 1)[0])
            if full:
                values["epochs"] = EPOCHS
            heapq.heappush(running, (now + values["epochs"], handed, values))
            handed += 1
        now, index, values = heapq.heappop(running)
        loss = curves.loss(values, values["epochs"])
        spent += values["epochs"]
        best = min(best, loss)
        history.append((spent, best))
        observations.append(Observation(str(index), values, loss))
    return history


def main() -> None:
    """Runs all engines on one problem and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", choices=sorted(PROBLEMS), default="mlp")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--random-trials", type=int, default=40)
    arguments = parser.parse_args()
    make, space = PROBLEMS[arguments.problem]
    budget = EPOCHS * arguments.random_trials
    results: dict[str, list[list[tuple[int, float]]]] = {name: [] for name in ENGINES}
    began = time.process_time()
    for seed in range(arguments.seeds):
        curves = Curves(make)
        for name, engine in ENGINES.items():
            results[name].append(run(engine, name == "random", space, curves, seed, budget))
        print(f"seed {seed}: {time.process_time() - began:.0f} s of CPU", file=sys.stderr)
    target = statistics.median(history[-1][1] for history in results["random"])
    print(f"{arguments.problem}: target {target:.4f} = random search after {budget} epochs")
    print("| engine | epochs to the target, median [quartiles] | share | reached | final loss |")
    print("|---|---|---|---|---|")
    for name, histories in results.items():
        reached = [next((s for s, b in h if b <= target), 2 * budget) for h in histories]
        low, middle, high = statistics.quantiles(reached, n=4, method="inclusive")
        final = statistics.median(min(b for s, b in h if s <= budget) for h in histories)
        count = sum(1 for epochs in reached if epochs <= budget)
        print(
            f"| {name} | {middle:.0f} [{low:.0f}-{high:.0f}] | {middle / budget:.2f} | "
            f"{count} of {len(reached)} | {final:.4f} |"
        )


if __name__ == "__main__":
    main()
