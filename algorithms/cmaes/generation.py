"""The samples of one generation of CMA-ES, a fixed sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from suggestion.algorithms.cmaes.coding import Coding
from suggestion.numerics import randomness
from suggestion.numerics.region import region_of
from suggestion.problem.parameters import Value
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

Key: TypeAlias = tuple[Value | None, ...]

#: Infeasible samples of a generation that are drawn again, in populations.
_MOST_REJECTED: Final = 32


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample and its point; `key` is equal for equal points."""

    solution: Any
    assignment: Assignment
    key: Key


class Generation:
    """The samples of one distribution: a fixed, infinite sequence."""

    def __init__(self, optimizer: Any, coding: Coding, study: Study, number: int) -> None:
        self.optimizer = optimizer
        self.number = number
        self._coding, self._study = coding, study
        self._samples: list[Sample] = []
        self._rejected = 0
        rng = randomness.generator(study.seed, "generation", number)
        optimizer.reseed_rng(int(rng.integers(2**32)))

    @property
    def population(self) -> int:
        return int(self.optimizer.population_size)

    @property
    def nominal(self) -> set[Key]:
        """The points of the first `population` samples."""
        return {self[index].key for index in range(self.population)}

    def __getitem__(self, index: int) -> Sample:
        while len(self._samples) <= index:
            solutions = [self.optimizer.ask() for _ in range(self.population)]
            for solution, point in zip(solutions, self._coding.decode(solutions), strict=True):
                if feasible := self._feasible(point):
                    key = self._study.space.key(feasible)
                    self._samples.append(Sample(solution, feasible, key))
        return self._samples[index]

    def _feasible(self, point: Assignment) -> Assignment | None:
        """Return `point` if it is feasible, else None, as samples are drawn again.

        Where nearly all samples are infeasible, they are moved into the region instead.
        """
        space = self._study.space
        if space.feasible(point):
            return point
        self._rejected += 1
        if self._rejected <= _MOST_REJECTED * self.population:
            return None
        (moved,) = space.decode(
            region_of(space, self._study.deadline.check).repaired(space.encode([point]))
        )
        return moved
