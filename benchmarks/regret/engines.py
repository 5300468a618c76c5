"""The optimisers compared, behind one small interface.

The algorithms of this project are here and in `remote`; those of others are in `rivals`, each in an
environment of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

from benchmarks.regret import recommending
from benchmarks.regret.remote import Remote
from benchmarks.regret.rivals import process
from benchmarks.regret.rivals.environments import ENGINES
from suggestion.engine.algorithm import algorithms, build
from suggestion.engine.settings import RawSetting
from suggestion.numerics import randomness, sampling
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


class Recommends(Engine, Protocol):
    """An engine that says which trial to use, where losses are noisy.

    Attributes:
        recommends: True.
    """

    recommends: bool

    def recommended(self) -> int | None:
        """Return the place of a trial among those that it was told; None for the lowest loss."""
        ...


def recommends(engine: Engine) -> TypeGuard[Recommends]:
    """Return whether `engine` recommends."""
    return bool(getattr(engine, "recommends", False))


#: Starts an engine on a space, with a seed, for so many trials.
Factory = Callable[[SearchSpace, int, int], Engine]


@dataclass
class Local:
    """An algorithm of this project, called in this process: the fast way to try a variant."""

    space: SearchSpace
    seed: int
    algorithm: Any
    told: list[Observation] = field(default_factory=list)
    recommends: bool = True

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

    def recommended(self) -> int | None:
        return recommending.recommended(self.algorithm, self.space, self.told)


def local(name: str, settings: Mapping[str, str]) -> Factory:
    given = [RawSetting(key, value) for key, value in settings.items()]
    algorithm = build(algorithms().load(name), given).algorithm
    return lambda space, seed, trials: Local(space, seed, algorithm)


class RandomSearch:
    """Draws from the prior, on a finite space without repeating any."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space, self._seed, self._next = space, seed, 0

    def ask(self, count: int) -> Sequence[Assignment]:
        self._next += count
        return sampling.independent(self._space, self._seed, self._next - count, count)

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        pass


def may_recommend(name: str) -> bool:
    """Return whether the engine called `name` recommends: ours do, and Ax by its model."""
    return name.startswith(("local:", "ours:", "ax:"))


def find(name: str) -> Factory:
    """The engine called `name`.

    ``ours:tpe,gamma=0.1`` and ``local:tpe,gamma=0.1`` are algorithms of this project with
    settings; ``random`` and ``random2x`` are random search, the latter given twice the trials by
    the runner; the others run in their own environments.
    """
    if name in ("random", "random2x"):
        return lambda space, seed, trials: RandomSearch(space, seed)
    if name in ENGINES:
        return lambda space, seed, trials: process.Remote(space, seed, name, trials)
    kind, _, rest = name.partition(":")
    algorithm, *settings = rest.split(",")
    given = dict(item.split("=", 1) for item in settings)
    if kind == "local":
        return local(algorithm, given)
    if kind == "ours":
        return lambda space, seed, trials: Remote(space, seed, algorithm, given)
    known = ", ".join(ENGINES)
    raise LookupError(f"there is no engine {name!r}; there is {known}, ours:NAME, local:NAME")
