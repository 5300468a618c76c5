"""What earlier studies gain, and what misleading ones cost: real trainings on other data sets.

``python -m benchmarks.earlier run [--half d]`` fills the stored results, ``report`` prints the
tables. The data are those of `benchmarks.regret.trainings` (see benchmarks/regret/README.md).

A problem is a data set of HPOBench or of HPO-B. Its earlier studies are the other data sets with
the same model, each with 50 trials that `multivariate-tpe` suggested there. Compared are runs of 25
trials, one at a time,

- ``none``: without earlier studies;
- ``family``: with them;
- ``shuffled``: with their losses shuffled among the trials of each study;
- ``reversed``: with the sign of their losses changed.

The sample was fixed before any result: all problems of half ``d`` (nothing was chosen on them),
seeds 0 to 2, seed by seed. Half ``c`` is for choosing. Regret is that of benchmarks/regret:
0 is the best known loss, 1 the median of random draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from benchmarks import stored
from benchmarks.regret import problem as regret
from benchmarks.regret import trainings
from benchmarks.stored import Key
from suggestion.engine.algorithm import algorithms
from suggestion.engine.engine import AlgorithmChoice, Engine
from suggestion.engine.settings import RawSetting
from suggestion.problem.earlier import EarlierStudy, EarlierTrial
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import Assignment
from suggestion.problem.study import History, Observation

#: Trials of an earlier study, and of a run.
EARLIER: Final = 50
TRIALS: Final = 25
SEEDS: Final = 3
#: Trials after which the regret is stored.
AFTER: Final = (3, 5, 10, 25)
KINDS: Final = ("none", "family", "shuffled", "reversed")
ENGINES: Final = ("bayesianoptimization", "multivariate-tpe", "tpe")


def targets(half: str) -> list[str]:
    """Return the problems of a half, one of each collection in turn."""
    names = [n for n in trainings.names() if n[0] == half]
    lists = [[n for n in names if n.split("-")[1] == family] for family in ("hpobench", "hpob")]
    length = max(map(len, lists))
    return [each[k] for k in range(length) for each in lists if k < len(each)]


def others(target: str) -> list[tuple[str, str]]:
    """Return family and data set of the earlier studies of a problem."""
    family, data_set = trainings.names()[target]
    if family == "hpobench":
        every = [which for which in trainings.names().values() if which[0] == family]
        return sorted(which for which in every if which[1] != data_set)
    path = trainings._folder("bocode") / "opt_problems/hpo/data/hpob_data.npz"
    kind = data_set.split("_")[0]
    files = [name for name in np.load(path).files if name.split("_")[0] == kind]
    return [(family, name) for name in files if name != data_set]


def run(
    problem: regret.Problem,
    engine: str,
    seed: int,
    trials: int,
    earlier: Sequence[EarlierStudy] = (),
) -> list[tuple[Assignment, float]]:
    """Return the trials of a run, one at a time, and their losses."""
    choice = AlgorithmChoice(engine, (RawSetting("random_state", str(seed)),))
    study = Problem("benchmark", problem.space, (Metric("loss"),))
    prepared = Engine(algorithms()).prepare(study, choice, earlier=earlier)
    made: list[Observation] = []
    for index in range(trials):
        (suggestion,) = prepared.suggest(1, first_index=index, trials=History(tuple(made)))
        loss = problem.loss(suggestion.assignment)
        made.append(Observation(f"t{index:04}", suggestion.assignment, {"loss": loss}))
    return [(trial.assignment, trial.metrics["loss"]) for trial in made]


@lru_cache(maxsize=64)
def earlier_trials(
    family: str, data_set: str, seed: int
) -> tuple[tuple[Mapping[str, str], float], ...]:
    """Return the trials of an earlier study, as texts and losses."""
    problem = trainings.load(data_set, family, data_set)
    found = run(problem, "multivariate-tpe", seed, EARLIER)
    return tuple((problem.space.format(assignment), loss) for assignment, loss in found)


def studies(target: str, kind: str, seed: int) -> list[EarlierStudy]:
    """Return the earlier studies of a problem."""
    made = []
    for family, data_set in [] if kind == "none" else others(target):
        trials = earlier_trials(family, data_set, seed)
        losses = np.array([loss for _, loss in trials])
        if kind == "shuffled":
            losses = np.random.default_rng(seed).permutation(losses)
        elif kind == "reversed":
            losses = -losses
        rows = zip(trials, losses.tolist(), strict=True)
        made.append(EarlierStudy(data_set, [EarlierTrial(t, loss) for (t, _), loss in rows]))
    return made


@lru_cache(maxsize=2)
def load(target: str) -> regret.Problem:
    """Return a problem."""
    return trainings.load(target, *trainings.names()[target])


def regrets(key: Key) -> list[float]:
    """Return the regret of a run after `AFTER` trials."""
    target, seed, engine, kind = str(key[0]), int(key[1]), str(key[2]), str(key[3])
    problem = load(target)
    losses = [loss for _, loss in run(problem, engine, seed, TRIALS, studies(target, kind, seed))]
    best = np.minimum.accumulate(losses)
    return [round(problem.regret(float(best[count - 1])), 5) for count in AFTER]


def sample(half: str, engines: Sequence[str], seeds: int) -> Iterator[Key]:
    """Yield the runs in their order: any beginning of it is a valid sample."""
    for seed in range(seeds):
        for target in targets(half):
            for engine in engines:
                for kind in KINDS:
                    yield target, seed, engine, kind


@click.group()
def main() -> None:
    """Measure what earlier studies gain."""


_path = click.option("--results", type=Path, default=stored.FOLDER / "earlier.jsonl")
_half = click.option("--half", default="d", type=click.Choice(["c", "d"]), show_default=True)
_engines = click.option("--engine", "engines", multiple=True, default=ENGINES)


@main.command("run")
@_path
@_half
@_engines
@click.option("--seeds", default=SEEDS, show_default=True)
@click.option("--minutes", default=60.0, show_default=True)
def run_all(results: Path, half: str, engines: Sequence[str], seeds: int, minutes: float) -> None:
    """Run what is not stored yet."""
    stored.fill(results, sample(half, engines, seeds), regrets, minutes)


@main.command()
@_path
@_half
@_engines
def report(results: Path, half: str, engines: Sequence[str]) -> None:
    """Print mean regrets, and differences to runs without earlier studies."""
    found = stored.read(results)
    for engine in engines:
        for family in ("hpobench", "hpob", ""):
            _table(found, half, engine, family)


def _table(found: Mapping[Key, Any], half: str, engine: str, family: str) -> None:
    """Print the table of an engine and a family, of the pairs that all kinds have."""
    pairs = [
        (target, seed)
        for target in targets(half)
        for seed in range(SEEDS)
        if family in target.split("-")[1][: len(family) or None]
        and all((target, seed, engine, kind) in found for kind in KINDS)
    ]
    if family == "hpob":
        pairs = [pair for pair in pairs if pair[0].split("-")[1] == "hpob"]
    chosen = list(dict.fromkeys(target for target, _ in pairs))
    if not chosen:
        return
    click.echo(f"\n{engine}, {family or 'all'}: {len(chosen)} problems, {len(pairs)} runs of each")
    click.echo("| earlier studies | " + " | ".join(f"{n} trials" for n in AFTER) + " |")
    click.echo("|---|" + "---|" * len(AFTER))
    for kind in KINDS:
        cells = []
        for column in range(len(AFTER)):

            def value(target: str, seed: int, kind: str, column: int = column) -> float:
                return float(found[target, seed, engine, kind][column])

            own = [[value(t, s, kind) for t, s in pairs if t == name] for name in chosen]
            mean = stored.interval(own)[0]
            if kind == "none":
                cells.append(f"{mean:.3f}")
                continue
            gains = [
                [value(t, s, kind) - value(t, s, "none") for t, s in pairs if t == name]
                for name in chosen
            ]
            _, low, high = stored.interval(gains)
            cells.append(f"{mean:.3f} [{low:+.3f}, {high:+.3f}]")
        click.echo(f"| {kind} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
