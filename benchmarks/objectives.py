"""Several objectives, and constraints on metrics: ours against Optuna's samplers, in tables.

``python -m benchmarks.objectives [--trials N] [--seeds N] [--only WORD]``. Several objectives are
measured by the hypervolume as a share of that of the exact front, constraints by the best feasible
loss. Everything runs in this process, one trial at a time.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
import numpy as np

from suggestion.engine.algorithm import algorithms
from suggestion.engine.engine import AlgorithmChoice, Engine
from suggestion.engine.settings import RawSetting
from suggestion.problem.lists import Categorical
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array
from suggestion.problem.priors import Distribution
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation
from suggestion.problem.tradeoffs import best_first, feasible
from suggestion.problem.volumes import hypervolume

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Task:
    """A problem whose best result is known.

    Attributes:
        function: Returns the metrics of an assignment.
        best: The exact hypervolume, or the lowest feasible loss.
        reference: Of the hypervolume; None with one objective.
    """

    problem: Problem
    function: Callable[[Assignment], dict[str, float]]
    best: float
    reference: Array | None = None

    def score(self, metrics: Sequence[Values]) -> float:
        """Return the share of the hypervolume, or the best feasible loss (inf without one)."""
        losses = self.problem.losses(metrics)
        if self.reference is not None:
            return hypervolume(losses, self.reference) / self.best
        violations = self.problem.violations(metrics)
        first = best_first(losses, violations)[0]
        return float(losses[first, 0]) if feasible(violations)[first] else math.inf


# -------------------------------------------------------------------- objectives


def _cube(dimension: int) -> SearchSpace:
    return SearchSpace(tuple(Double(f"x{k}", 0, 1) for k in range(dimension)))


def _numbers(assignment: Assignment) -> Array:
    return np.array([float(value) for value in assignment.values()])


def _zdt(name: str, shape: Callable[[Array, Array], Array]) -> Task:
    """Return a problem of Zitzler, Deb and Thiele (2000) in five dimensions."""

    def function(assignment: Assignment) -> dict[str, float]:
        x = _numbers(assignment)
        slope = 1 + 9 * x[1:].mean()
        return {"f": float(x[0]), "g": float(slope * shape(x[0], slope))}

    reference = np.array([1.1, 3.0])
    x = np.linspace(0, 1, 4001)
    exact = hypervolume(np.column_stack([x, shape(x, np.ones(len(x)))]), reference)
    problem = Problem(name, _cube(5), (Metric("f"), Metric("g")))
    return Task(problem, function, exact, reference)


def _dtlz2(dimension: int = 5) -> Task:
    """Return DTLZ2 (Deb et al. 2005) with three objectives, whose front is part of a sphere."""

    def function(assignment: Assignment) -> dict[str, float]:
        x = _numbers(assignment)
        radius = 1 + float(((x[2:] - 0.5) ** 2).sum())
        first, second = x[:2] * math.pi / 2
        return {
            "f": radius * math.cos(first) * math.cos(second),
            "g": radius * math.cos(first) * math.sin(second),
            "h": radius * math.sin(first),
        }

    metrics = (Metric("f"), Metric("g"), Metric("h"))
    reference = np.full(3, 1.1)
    return Task(
        Problem("dtlz2", _cube(dimension), metrics), function, 1.1**3 - math.pi / 6, reference
    )


def _network() -> Task:
    """Return the error of an imagined network against its size, over mixed parameters."""
    space = SearchSpace(
        (
            Double("rate", 1e-5, 1, distribution=Distribution.LOG_UNIFORM),
            Int("layers", 1, 8),
            Int("width", 16, 512, 16),
            Categorical("kind", ("a", "b", "c")),
        )
    )
    kinds = {"a": (0.0, 1.0), "b": (0.08, 0.5), "c": (0.2, 0.4)}

    def function(assignment: Assignment) -> dict[str, float]:
        worse, cost = kinds[str(assignment["kind"])]
        layers, width = float(assignment["layers"]), float(assignment["width"])
        capacity = math.log2(width * math.sqrt(layers))
        off = math.log10(float(assignment["rate"])) + 2.5 + 0.15 * layers
        error = 0.1 + worse + 0.08 * (10.5 - capacity) + 0.15 * math.log1p(off * off)
        return {"error": error, "size": cost * layers * width / 512}

    best = [
        function({"rate": 10 ** -(2.5 + 0.15 * n), "layers": n, "width": w, "kind": kind})
        for n in range(1, 9)
        for w in range(16, 513, 16)
        for kind in kinds
    ]
    reference = np.array([1.0, 4.0])
    problem = Problem("network", space, (Metric("error"), Metric("size")))
    return Task(problem, function, hypervolume(problem.losses(best), reference), reference)


# ------------------------------------------------------------------- constraints


def _bounded(
    name: str,
    ranges: Sequence[tuple[float, float]],
    function: Callable[[Array], Sequence[float]],
    best: float,
    whole: Sequence[float] = (),
) -> Task:
    """Return a problem whose `function` gives the loss, then what must be at most 0.

    Args:
        whole: Factors of parameters, the first ones, that are whole numbers.
    """
    parameters = [
        Int(f"x{k}", int(low), int(high)) if k < len(whole) else Double(f"x{k}", low, high)
        for k, (low, high) in enumerate(ranges)
    ]
    factors = np.array([*whole, *[1.0] * (len(ranges) - len(whole))])

    def metrics(assignment: Assignment) -> dict[str, float]:
        loss, *bounds = function(_numbers(assignment) * factors)
        return {"f": float(loss), **{f"c{k}": float(bound) for k, bound in enumerate(bounds)}}

    number = len(function(np.array([low + 0.4 * (high - low) for low, high in ranges]))) - 1
    bounds = [Metric(f"c{k}", Goal.MINIMIZE, Role.CONSTRAINT, 0.0) for k in range(number)]
    problem = Problem(name, SearchSpace(tuple(parameters)), (Metric("f"), *bounds))
    return Task(problem, metrics, best)


def _gardner1(x: Array) -> list[float]:
    return [
        math.cos(2 * x[0]) * math.cos(x[1]) + math.sin(x[0]),
        math.cos(x[0]) * math.cos(x[1]) - math.sin(x[0]) * math.sin(x[1]) + 0.5,
    ]


def _gardner2(x: Array) -> list[float]:
    return [math.sin(x[0]) + x[1], math.sin(x[0]) * math.sin(x[1]) + 0.95]


def _welded_beam(x: Array) -> list[float]:
    h, length, t, b = x
    load, arm = 6000.0, 14.0
    direct = load / (math.sqrt(2) * h * length)
    moment = load * (arm + length / 2)
    radius = math.sqrt(length**2 / 4 + ((h + t) / 2) ** 2)
    polar = 2 * math.sqrt(2) * h * length * (length**2 / 12 + ((h + t) / 2) ** 2)
    bent = moment * radius / polar
    shear = math.sqrt(direct**2 + direct * bent * length / radius + bent**2)
    stress = 6 * load * arm / (b * t**2)
    deflection = 4 * load * arm**3 / (30e6 * t**3 * b)
    buckling = 4.013 * 30e6 * math.sqrt(t**2 * b**6 / 36) / arm**2
    buckling *= 1 - t / (2 * arm) * math.sqrt(30e6 / (4 * 12e6))
    cost = 1.10471 * h**2 * length + 0.04811 * t * b * (14 + length)
    small = 0.10471 * h**2 + 0.04811 * t * b * (14 + length) - 5
    return [cost, shear - 13600, stress - 30000, h - b, small, deflection - 0.25, load - buckling]


def _pressure_vessel(x: Array) -> list[float]:
    shell, head, r, length = x
    cost = 0.6224 * shell * r * length + 1.7781 * head * r**2
    cost += 3.1661 * shell**2 * length + 19.84 * shell**2 * r
    volume = math.pi * r**2 * length + 4 / 3 * math.pi * r**3
    return [cost, 0.0193 * r - shell, 0.00954 * r - head, 1_296_000 - volume, length - 240]


def _spring(x: Array) -> list[float]:
    d, coil, turns = x
    bend = (4 * coil**2 - d * coil) / (12566 * (coil * d**3 - d**4))
    return [
        (turns + 2) * coil * d**2,
        1 - coil**3 * turns / (71785 * d**4),
        bend + 1 / (5108 * d**2) - 1,
        1 - 140.45 * d / (coil**2 * turns),
        (d + coil) / 1.5 - 1,
    ]


def _speed_reducer(x: Array) -> list[float]:
    teeth, width, module, a, b, c, d = x  # a and b are lengths, c and d diameters of the shafts
    weight = 0.7854 * width * module**2 * (3.3333 * teeth**2 + 14.9334 * teeth - 43.0934)
    weight += 7.4777 * (c**3 + d**3) + 0.7854 * (a * c**2 + b * d**2)
    weight -= 1.508 * width * (c**2 + d**2)
    return [
        weight,
        27 / (width * module**2 * teeth) - 1,
        397.5 / (width * module**2 * teeth**2) - 1,
        1.93 * a**3 / (module * teeth * c**4) - 1,
        1.93 * b**3 / (module * teeth * d**4) - 1,
        math.hypot(745 * a / (module * teeth), math.sqrt(16.9e6)) / (110 * c**3) - 1,
        math.hypot(745 * b / (module * teeth), math.sqrt(157.5e6)) / (85 * d**3) - 1,
        module * teeth / 40 - 1,
        5 * module / width - 1,
        width / (12 * module) - 1,
        (1.5 * c + 1.9) / a - 1,
        (1.1 * d + 1.9) / b - 1,
    ]


def tasks() -> list[Task]:
    """Return all problems."""
    plane = [(0.0, 6.0)] * 2
    beam = [(0.1, 2.0), (0.1, 10.0), (0.1, 10.0), (0.1, 2.0)]
    vessel = [(1.0, 99.0), (1.0, 99.0), (10.0, 200.0), (10.0, 240.0)]
    spring = [(0.05, 2.0), (0.25, 1.3), (2.0, 15.0)]
    reducer = [(17.0, 28.0), (2.6, 3.6), (0.7, 0.8), *[(7.3, 8.3)] * 2, (2.9, 3.9), (5.0, 5.5)]
    wave = 10 * math.pi
    return [
        _zdt("zdt1", lambda x, s: 1 - np.sqrt(x / s)),
        _zdt("zdt2", lambda x, s: 1 - (x / s) ** 2),
        _zdt("zdt3", lambda x, s: 1 - np.sqrt(x / s) - x / s * np.sin(wave * x)),
        _dtlz2(),
        _network(),
        _bounded("gardner1", plane, _gardner1, -1.994),
        _bounded("gardner2", plane, _gardner2, 0.2532),
        _bounded("welded beam", beam, _welded_beam, 1.7249),
        _bounded("pressure vessel", vessel, _pressure_vessel, 5850.4, whole=(0.0625, 0.0625)),
        _bounded("spring", spring, _spring, 0.012665),
        _bounded("speed reducer", reducer, _speed_reducer, 2994.47, whole=(1.0,)),
    ]


# ----------------------------------------------------------------------- engines


def ours(name: str, task: Task, trials: int, seed: int) -> list[Values]:
    """Return the metrics of trials that an algorithm of ours suggests."""
    choice = AlgorithmChoice(name, (RawSetting("random_state", str(seed)),))
    prepared = Engine(algorithms()).prepare(task.problem, choice)
    made: list[Observation] = []
    for index in range(trials):
        (suggestion,) = prepared.suggest(1, first_index=index, trials=History(tuple(made)))
        metrics = task.function(suggestion.assignment)
        made.append(Observation(f"t{index:04}", suggestion.assignment, metrics))
    return [trial.metrics for trial in made]


def optunas(name: str, task: Task, trials: int, seed: int) -> list[Values]:
    """Return the metrics of trials that a sampler of Optuna suggests."""
    import optuna  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found: list[Values] = []
    bounds = task.problem.constraints

    def violations(trial: Any) -> list[float]:
        metrics = found[trial.number]
        return [metrics[bound.name] - (bound.bound or 0.0) for bound in bounds]

    samplers: dict[str, Any] = {
        "gp": optuna.samplers.GPSampler,
        "tpe": optuna.samplers.TPESampler,
        "nsga2": optuna.samplers.NSGAIISampler,
    }
    options: dict[str, Any] = {"constraints_func": violations} if bounds else {}
    if name == "nsga2":
        options["population_size"] = 20
    sampler = samplers[name](seed=seed, **options)
    names = [metric.name for metric in task.problem.objectives]

    def objective(trial: Any) -> list[float]:
        assignment = {p.name: _drawn(trial, p) for p in task.problem.space.parameters}
        found.append(task.function(assignment))
        return [found[-1][each] for each in names]

    study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(names))
    study.optimize(objective, n_trials=trials)
    return found


def _drawn(trial: Any, parameter: Any) -> Any:
    if isinstance(parameter, Categorical):
        return trial.suggest_categorical(parameter.name, parameter.values)
    low, high = parameter.min, parameter.max
    if isinstance(parameter, Int):
        return trial.suggest_int(parameter.name, low, high, step=parameter.step or 1)
    log = parameter.distribution.is_log
    return trial.suggest_float(parameter.name, low, high, log=log)


#: How each engine runs; random search gets twice the trials.
ENGINES: Final[dict[str, Callable[[Task, int, int], list[Values]]]] = {
    "bayesianoptimization": lambda *a: ours("bayesianoptimization", *a),
    "multivariate-tpe": lambda *a: ours("multivariate-tpe", *a),
    "nsga2": lambda *a: ours("nsga2", *a),
    "random x2": lambda task, trials, seed: ours("random", task, 2 * trials, seed),
    "Optuna GP": lambda *a: optunas("gp", *a),
    "Optuna TPE": lambda *a: optunas("tpe", *a),
    "Optuna NSGA-II": lambda *a: optunas("nsga2", *a),
}


def table(
    chosen: Sequence[Task], engines: Sequence[str], trials: int, seeds: int
) -> Iterator[tuple[str, list[list[float]]]]:
    """Yield for each engine its name and the scores of its runs on each problem."""
    for name in engines:
        yield (
            name,
            [
                [task.score(ENGINES[name](task, trials, seed)) for seed in range(seeds)]
                for task in chosen
            ],
        )


@click.command()
@click.option("--trials", default=50, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--only", default="", help="Problems whose name contains this.")
@click.option("--constraints", is_flag=True, help="Problems with constraints on metrics alone.")
@click.option("--engine", "engines", multiple=True, help="Engines; all by default.")
def main(trials: int, seeds: int, only: str, constraints: bool, engines: Sequence[str]) -> None:
    """Print the median score of each engine on each problem, and how many runs were feasible."""
    warnings.simplefilter("ignore")
    chosen = [task for task in tasks() if only in task.problem.name]
    if constraints:
        chosen = [task for task in chosen if task.problem.constraints]
    click.echo("| engine | " + " | ".join(task.problem.name for task in chosen) + " | CPU |")
    click.echo("|" + "---|" * (len(chosen) + 2))
    known = [f"{task.best:.4g}" if task.reference is None else "1" for task in chosen]
    click.echo("| best known | " + " | ".join(known) + " | |")
    begun = time.process_time()
    for name, scores in table(chosen, engines or list(ENGINES), trials, seeds):
        cells = []
        for runs in scores:
            met = sum(map(math.isfinite, runs))
            cells.append(f"{float(np.median(runs)):.4g}" + (f" ({met})" if met < len(runs) else ""))
        spent, begun = time.process_time() - begun, time.process_time()
        click.echo(f"| {name} | " + " | ".join(cells) + f" | {spent:.0f} s |")


if __name__ == "__main__":
    main()
