"""The optimisers compared, behind one small interface.

Each is called the way its own users call it; what had to be decided for it stands at its class.
Nothing is imported before it is used, so each can be run without the others' packages.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from benchmarks.regret.remote import Remote
from suggestion.engine.algorithm import algorithms, build
from suggestion.engine.settings import RawSetting
from suggestion.numerics import randomness, sampling
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation, Study


class Engine(Protocol):
    """One run of one optimiser."""

    def ask(self, count: int) -> Sequence[Assignment]:
        """`count` points to evaluate at the same time."""
        ...

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        """The losses of the points that were asked for last."""
        ...


Factory = Callable[[SearchSpace, int], Engine]


def is_log(parameter: Parameter) -> bool:
    return isinstance(parameter, Double | Int) and parameter.distribution.is_log


# -------------------------------------------------------------------- ours


@dataclass
class Local:
    """An algorithm of this project, called in this process: the fast way to try a variant."""

    space: SearchSpace
    seed: int
    algorithm: Any
    told: list[Observation] = field(default_factory=list)

    def ask(self, count: int) -> Sequence[Assignment]:
        study = Study(
            Problem("benchmark", self.space, (Metric("loss"),)),
            seed=randomness.seed_of(f"random_state {self.seed}"),
            first_index=len(self.told),
            trials=History(observations=tuple(self.told)),
        )
        suggestions = self.algorithm.suggest(study, count)
        return [getattr(suggestion, "assignment", suggestion) for suggestion in suggestions]

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        for point, loss in zip(points, losses, strict=True):
            self.told.append(Observation(f"trial-{len(self.told):05}", point, {"loss": loss}))


def local(name: str, settings: Mapping[str, str]) -> Factory:
    given = [RawSetting(key, value) for key, value in settings.items()]
    algorithm = build(algorithms().load(name), given).algorithm
    return lambda space, seed: Local(space, seed, algorithm)


class RandomSearch:
    """Draws from the prior, on a finite space without repeating any."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space, self._seed, self._next = space, seed, 0

    def ask(self, count: int) -> Sequence[Assignment]:
        self._next += count
        return sampling.independent(self._space, self._seed, self._next - count, count)

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        pass


# ------------------------------------------------------------------ Optuna


class Optuna:
    """A sampler of Optuna, asked and told.

    Numeric lists are given as the index into the sorted list, which serves its samplers better
    than calling them categories.
    """

    def __init__(self, space: SearchSpace, sampler: Any) -> None:
        import optuna  # noqa: PLC0415
        from optuna import distributions as of  # noqa: PLC0415

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._study = optuna.create_study(sampler=sampler)
        self._trials: list[Any] = []
        self._distributions: dict[str, Any] = {}
        for p in space.parameters:
            if isinstance(p, Categorical):
                self._distributions[p.name] = of.CategoricalDistribution(p.values)
            elif isinstance(p, Discrete):
                self._distributions[p.name] = of.IntDistribution(0, p.levels - 1)
            elif isinstance(p, Int):
                step = 1 if is_log(p) else p.step
                self._distributions[p.name] = of.IntDistribution(p.min, p.max, is_log(p), step)
            elif isinstance(p, Double):
                step = None if is_log(p) else p.step
                self._distributions[p.name] = of.FloatDistribution(p.min, p.max, is_log(p), step)

    def ask(self, count: int) -> Sequence[Assignment]:
        self._trials = [self._study.ask(self._distributions) for _ in range(count)]
        return [self._assignment(trial.params) for trial in self._trials]

    def _assignment(self, values: Mapping[str, Any]) -> Assignment:
        return {
            p.name: p.value(values[p.name]) if isinstance(p, Discrete) else values[p.name]
            for p in self._space.parameters
        }

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        for trial, loss in zip(self._trials, losses, strict=True):
            self._study.tell(trial, loss)


def optuna_engine(kind: str) -> Factory:
    def start(space: SearchSpace, seed: int) -> Engine:
        from optuna import samplers  # noqa: PLC0415

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler: Any = {
                "tpe-multivariate": lambda: samplers.TPESampler(
                    seed=seed, multivariate=True, constant_liar=True
                ),
                "tpe-univariate": lambda: samplers.TPESampler(
                    seed=seed, multivariate=False, constant_liar=True
                ),
                "cmaes": lambda: samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
                "gp": lambda: samplers.GPSampler(seed=seed),
            }[kind]()
        return Optuna(space, sampler)

    return start


# ---------------------------------------------------------------- hyperopt


class Hyperopt:
    """An algorithm of hyperopt on a Trials object.

    Within a batch each point is drawn with a seed of its own; with one seed, as its own `fmin`
    does not do either, a batch would be one point repeated.
    """

    def __init__(self, space: SearchSpace, seed: int, kind: str) -> None:
        import hyperopt  # noqa: PLC0415
        from hyperopt import anneal, hp, tpe  # noqa: PLC0415

        self._space = space
        self._rng = np.random.default_rng(seed)
        self._suggest = {"tpe": tpe, "anneal": anneal}[kind].suggest
        expression = {}
        for p in space.parameters:
            if isinstance(p, Categorical):
                expression[p.name] = hp.choice(p.name, p.values)
            elif isinstance(p, Discrete):
                expression[p.name] = hp.quniform(p.name, -0.5, p.levels - 0.5, 1)
            elif isinstance(p, Int) or (isinstance(p, Double) and p.step is not None):
                half, one = p.step / 2, p.step
                low, high = p.min - half, p.max + half
                expression[p.name] = (
                    hp.qloguniform(p.name, np.log(low), np.log(high), one)
                    if is_log(p)
                    else hp.quniform(p.name, low, high, one)
                )
            elif isinstance(p, Double):
                expression[p.name] = (
                    hp.loguniform(p.name, np.log(p.min), np.log(p.max))
                    if is_log(p)
                    else hp.uniform(p.name, p.min, p.max)
                )
        self._domain = hyperopt.base.Domain(lambda _: 0.0, expression)
        self._trials = hyperopt.Trials()
        self._asked: list[Any] = []

    def ask(self, count: int) -> Sequence[Assignment]:
        self._asked = []
        for identifier in self._trials.new_trial_ids(count):
            seed = int(self._rng.integers(2**31 - 1))
            self._asked += self._suggest([identifier], self._domain, self._trials, seed)
        return [self._assignment(document["misc"]["vals"]) for document in self._asked]

    def _assignment(self, values: Mapping[str, Sequence[Any]]) -> Assignment:
        found: dict[str, Any] = {}
        for p in self._space.parameters:
            (value,) = values[p.name]
            if isinstance(p, Categorical | Discrete):
                found[p.name] = p.value(min(max(int(value), 0), len(p.values) - 1))
            elif isinstance(p, Int):
                found[p.name] = p.value(p.level(min(max(round(value), p.min), p.max)))
            elif isinstance(p, Double):
                (found[p.name],) = p.decode(p.encode([min(max(float(value), p.min), p.max)]))
        return found

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        import hyperopt  # noqa: PLC0415

        for document, loss in zip(self._asked, losses, strict=True):
            document["state"] = hyperopt.JOB_STATE_DONE
            document["result"] = {"status": hyperopt.STATUS_OK, "loss": loss}
        self._trials.insert_trial_docs(copy.deepcopy(self._asked))
        self._trials.refresh()


# --------------------------------------------------------- scikit-optimize


class Skopt:
    """`skopt.Optimizer` with its defaults: a Gaussian process and gp_hedge."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        import skopt  # noqa: PLC0415
        from skopt import space as of  # noqa: PLC0415

        self._space = space
        dimensions: list[Any] = []
        for p in space.parameters:
            prior = "log-uniform" if is_log(p) else "uniform"
            if isinstance(p, Categorical):
                dimensions.append(of.Categorical(p.values))
            elif p.levels is not None and (isinstance(p, Discrete) or not is_log(p)):
                dimensions.append(of.Integer(0, p.levels - 1))
            elif isinstance(p, Int):
                dimensions.append(of.Integer(p.min, p.max, prior=prior))
            elif isinstance(p, Double):
                dimensions.append(of.Real(p.min, p.max, prior=prior))
        self._optimizer = skopt.Optimizer(dimensions, random_state=seed)
        self._asked: list[Any] = []

    def ask(self, count: int) -> Sequence[Assignment]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._asked = [self._optimizer.ask()] if count == 1 else self._optimizer.ask(count)
        return [self._assignment(x) for x in self._asked]

    def _assignment(self, x: Sequence[Any]) -> Assignment:
        found: dict[str, Any] = {}
        for p, value in zip(self._space.parameters, x, strict=True):
            if isinstance(p, Categorical):
                found[p.name] = str(value)
            elif p.levels is not None and (isinstance(p, Discrete) or not is_log(p)):
                found[p.name] = p.value(int(value))
            elif isinstance(p, Int):
                found[p.name] = p.value(p.level(int(value)))
            elif isinstance(p, Double):
                found[p.name] = min(max(float(value), p.min), p.max)
        return found

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._optimizer.tell(self._asked, list(losses))


# ------------------------------------------------------------------- cmaes


class CatCma:
    """`cmaes.CatCMAwM` on the unit cube, with its own defaults.

    Ordered values are its integers, categories its categories. A batch that ends in the middle of
    a generation is completed by the next one; what a batch has beyond a generation opens the next.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        import cmaes  # noqa: PLC0415

        self._space = space
        self._x = [p for p in space.parameters if p.levels is None]
        self._z = [p for p in space.parameters if p.levels is not None and p.ordered]
        self._c = [p for p in space.parameters if not p.ordered]
        middles = [np.add(*p.cells(np.arange(p.levels or 0))) / 2 for p in self._z]
        self._optimizer = cmaes.CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._x) or None,
            z_space=middles or None,
            c_space=[p.levels or 0 for p in self._c] or None,
            seed=seed,
        )
        self._asked: list[Any] = []
        self._done: list[tuple[Any, float]] = []

    def ask(self, count: int) -> Sequence[Assignment]:
        self._asked = [self._optimizer.ask() for _ in range(count)]
        return [self._assignment(solution) for solution in self._asked]

    def _assignment(self, solution: Any) -> Assignment:
        found: dict[str, Any] = {}
        for parameters, values in ((self._x, solution.x), (self._z, solution.z)):
            for p, value in zip(parameters, () if values is None else values, strict=True):
                (found[p.name],) = p.decode(np.array([value]))
        for p, row in zip(self._c, () if solution.c is None else solution.c, strict=True):
            found[p.name] = p.value(int(np.argmax(row)))
        return {p.name: found[p.name] for p in self._space.parameters}

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        self._done += zip(self._asked, losses, strict=True)
        size = self._optimizer.population_size
        while len(self._done) >= size:
            self._optimizer.tell(self._done[:size])
            self._done = self._done[size:]


def find(name: str) -> Factory:
    """The engine called `name`.

    ``ours:tpe,gamma=0.1`` and ``local:tpe,gamma=0.1`` are algorithms of this project with
    settings; the others are listed in `OTHERS`.
    """
    if name in OTHERS:
        return OTHERS[name]
    kind, _, rest = name.partition(":")
    algorithm, *settings = rest.split(",")
    given = dict(item.split("=", 1) for item in settings)
    if kind == "local":
        return local(algorithm, given)
    if kind == "ours":
        return lambda space, seed: Remote(space, seed, algorithm, given)
    known = ", ".join(OTHERS)
    raise LookupError(f"there is no engine {name!r}; there is {known}, ours:NAME, local:NAME")


OTHERS: dict[str, Factory] = {
    "random": RandomSearch,
    "random2x": RandomSearch,  # given twice the trials by the runner
    "optuna:tpe-multivariate": optuna_engine("tpe-multivariate"),
    "optuna:tpe-univariate": optuna_engine("tpe-univariate"),
    "optuna:cmaes": optuna_engine("cmaes"),
    "optuna:gp": optuna_engine("gp"),
    "hyperopt:tpe": lambda space, seed: Hyperopt(space, seed, "tpe"),
    "hyperopt:anneal": lambda space, seed: Hyperopt(space, seed, "anneal"),
    "skopt:gp": Skopt,
    "cmaes:catcma": CatCma,
}
