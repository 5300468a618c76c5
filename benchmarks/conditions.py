"""Conditions between parameters: ours, with and without them, against Optuna's TPE and SMAC3.

``python -m benchmarks.conditions run`` fills the stored results, ``report`` prints the tables. The
problems are those of `benchmarks.hierarchies`. SMAC3 is not among what the project installs:
``pip install smac``.

The sample was fixed before any result: four problems, seeds 0 to 4, 48 trials, one at a time and in
batches of 8, seed by seed. Nothing was chosen on these problems. Regret is 0 for the best loss of
the tables, and 1 for the median of random draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import click
import numpy as np

from benchmarks import stored
from benchmarks.hierarchies import HIERARCHIES, Hierarchy
from benchmarks.stored import Key
from suggestion.engine.algorithm import algorithms
from suggestion.engine.engine import AlgorithmChoice, Engine, Prepared
from suggestion.engine.settings import RawSetting
from suggestion.problem.lists import Categorical
from suggestion.problem.numeric import Int
from suggestion.problem.parameters import Parameter
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import Assignment
from suggestion.problem.study import History, Observation

TRIALS: Final = 48
SEEDS: Final = 5
BATCHES: Final = (1, 8)
#: Trials after which the regret is stored.
AFTER: Final = (24, 48)


class Optimiser(Protocol):
    """One run of an engine."""

    def ask(self, count: int) -> Sequence[Assignment]:
        """Return points to evaluate at the same time."""
        ...

    def tell(self, losses: Sequence[float]) -> None:
        """Take the losses of the points that were asked for last."""
        ...


class Ours:
    """An algorithm of ours, on the space with its conditions or on the flat one."""

    def __init__(self, problem: Hierarchy, seed: int, algorithm: str, flat: bool = False) -> None:
        space = problem.flat if flat else problem.space
        choice = AlgorithmChoice(algorithm, (RawSetting("random_state", str(seed)),))
        study = Problem("benchmark", space, (Metric("loss"),))
        self._prepared: Prepared = Engine(algorithms()).prepare(study, choice)
        self._told: list[Observation] = []
        self._asked: Sequence[Assignment] = ()

    def ask(self, count: int) -> Sequence[Assignment]:
        history = History(tuple(self._told))
        found = self._prepared.suggest(count, first_index=len(self._told), trials=history)
        self._asked = [each.assignment for each in found]
        return self._asked

    def tell(self, losses: Sequence[float]) -> None:
        for point, loss in zip(self._asked, losses, strict=True):
            self._told.append(Observation(f"t{len(self._told):04}", point, {"loss": loss}))


class Optunas:
    """Optuna's TPE, which is asked for the active parameters alone (define-by-run)."""

    def __init__(self, problem: Hierarchy, seed: int) -> None:
        import optuna  # noqa: PLC0415

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True
        )
        self._problem, self._study = problem, optuna.create_study(sampler=sampler)
        self._trials: list[Any] = []

    def ask(self, count: int) -> Sequence[Assignment]:
        self._trials = [self._study.ask() for _ in range(count)]
        return [self._drawn(trial) for trial in self._trials]

    def _drawn(self, trial: Any) -> Assignment:
        found: dict[str, Any] = {}
        for parameter in self._problem.flat.parameters:
            need = self._problem.needs.get(parameter.name)
            if need is None or found.get(need[0]) in need[1]:
                found[parameter.name] = _suggested(trial, parameter)
        return found

    def tell(self, losses: Sequence[float]) -> None:
        for trial, loss in zip(self._trials, losses, strict=True):
            self._study.tell(trial, loss)


def _suggested(trial: Any, parameter: Parameter) -> Any:
    if isinstance(parameter, Categorical):
        return trial.suggest_categorical(parameter.name, parameter.values)
    low, high = parameter.min, parameter.max  # type: ignore[attr-defined]
    log = parameter.distribution.is_log  # type: ignore[attr-defined]
    if isinstance(parameter, Int):
        return trial.suggest_int(parameter.name, low, high, log=log)
    return trial.suggest_float(parameter.name, low, high, log=log)


class Smac:
    """SMAC3's facade for hyperparameters, with the conditions of its configuration space."""

    def __init__(self, problem: Hierarchy, seed: int) -> None:
        import tempfile  # noqa: PLC0415

        import ConfigSpace  # noqa: PLC0415
        from smac import HyperparameterOptimizationFacade, Scenario  # noqa: PLC0415

        space = ConfigSpace.ConfigurationSpace(seed=seed)
        made: dict[str, Any] = {}
        for parameter in problem.flat.parameters:
            name = parameter.name
            if isinstance(parameter, Categorical):
                made[name] = ConfigSpace.Categorical(name, list(parameter.values))
                continue
            kind = ConfigSpace.Integer if isinstance(parameter, Int) else ConfigSpace.Float
            low, high = parameter.min, parameter.max  # type: ignore[attr-defined]
            log = parameter.distribution.is_log  # type: ignore[attr-defined]
            made[name] = kind(name, (low, high), log=log)
        space.add([*made.values()])
        space.add(
            [
                ConfigSpace.InCondition(made[child], made[parent], list(values))
                for child, (parent, values) in problem.needs.items()
            ]
        )
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        scenario = Scenario(
            space,
            deterministic=True,
            n_trials=TRIALS,
            seed=seed,
            output_directory=Path(self._folder.name),
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False
        )
        self._asked: list[Any] = []

    def ask(self, count: int) -> Sequence[Assignment]:
        self._asked = [self._smac.ask() for _ in range(count)]
        return [dict(info.config) for info in self._asked]

    def tell(self, losses: Sequence[float]) -> None:
        from smac.runhistory.dataclasses import TrialValue  # noqa: PLC0415

        for info, loss in zip(self._asked, losses, strict=True):
            self._smac.tell(info, TrialValue(cost=loss, time=0.0), save=False)


#: How each engine is started; random search gets twice the trials.
ENGINES: Final[Mapping[str, Callable[[Hierarchy, int], Optimiser]]] = {
    "bayesianoptimization": lambda p, s: Ours(p, s, "bayesianoptimization"),
    "bayesianoptimization, flat": lambda p, s: Ours(p, s, "bayesianoptimization", flat=True),
    "multivariate-tpe": lambda p, s: Ours(p, s, "multivariate-tpe"),
    "multivariate-tpe, flat": lambda p, s: Ours(p, s, "multivariate-tpe", flat=True),
    "tpe": lambda p, s: Ours(p, s, "tpe"),
    "Optuna TPE, group": Optunas,
    "SMAC3": Smac,
    "random x2": lambda p, s: Ours(p, s, "random"),
}


def regrets(key: Key) -> list[float]:
    """Return the regret of a run after `AFTER` trials."""
    name, seed, engine, batch = str(key[0]), int(key[1]), str(key[2]), int(key[3])
    (problem,) = (each for each in HIERARCHIES if each.name == name)
    times = 2 if engine == "random x2" else 1
    optimiser = ENGINES[engine](problem, seed)
    losses: list[float] = []
    while len(losses) < TRIALS * times:
        found = [problem.loss(point) for point in optimiser.ask(batch * times)]
        optimiser.tell(found)
        losses += found
    best = np.minimum.accumulate(losses)[times - 1 :: times]
    width = problem.median - problem.best
    return [round(float((best[count - 1] - problem.best) / width), 5) for count in AFTER]


def sample() -> Iterator[Key]:
    """Yield the runs in their order: any beginning of it is a valid sample."""
    for seed in range(SEEDS):
        for batch in BATCHES:
            for problem in HIERARCHIES:
                for engine in ENGINES:
                    yield problem.name, seed, engine, batch


def _report(found: Mapping[Key, Any]) -> None:
    for batch in BATCHES:
        _table(found, batch)


def _table(found: Mapping[Key, Any], batch: int) -> None:
    """Print the table of the runs in batches of `batch` that all engines have."""
    names = [problem.name for problem in HIERARCHIES]
    pairs = [
        (name, seed)
        for name in names
        for seed in range(SEEDS)
        if all((name, seed, engine, batch) in found for engine in ENGINES)
    ]
    if not pairs:
        return
    values = np.array([[found[n, s, e, batch][-1] for n, s in pairs] for e in ENGINES])
    early = np.array([[found[n, s, e, batch][0] for n, s in pairs] for e in ENGINES])
    ranks = stored.ranks(values)
    click.echo(f"\nbatches of {batch}, {len(pairs)} runs of each, {AFTER[-1]} trials")
    head = ["engine", "mean rank", *names, "mean", f"mean at {AFTER[0]}"]
    click.echo("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row, engine in enumerate(ENGINES):
        cells = [engine, f"{ranks[row].mean():.2f}"]
        for name in names:
            own = [values[row, k] for k, (each, _) in enumerate(pairs) if each == name]
            cells.append(f"{np.mean(own):.3f}" if own else "")
        cells += [f"{values[row].mean():.3f}", f"{early[row].mean():.3f}"]
        click.echo("| " + " | ".join(cells) + " |")


main = stored.commands(
    stored.FOLDER / "conditions.jsonl",
    sample,
    regrets,
    _report,
    "Compare engines on problems with conditions.",
)

if __name__ == "__main__":
    main()
