"""NSGA-II [Deb2002]_ in a form without state: each suggestion is a child of the best trials so far.

.. [Deb2002] K. Deb, A. Pratap, S. Agarwal, T. Meyarivan. A fast and elitist multiobjective genetic
   algorithm: NSGA-II. IEEE Transactions on Evolutionary Computation 6(2), 2002.
.. [Nebro2009] A. J. Nebro, J. J. Durillo. On the effect of the steady-state selection scheme in
   multi-objective genetic algorithms. EMO 2009.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from suggestion.algorithms.nsga2.variation import Gene, Variation
from suggestion.engine.algorithm import WITHOUT_PRIOR_STUDIES, Ability, register
from suggestion.engine.settings import setting
from suggestion.numerics import streams
from suggestion.numerics.untried import Untried
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study
from suggestion.problem.tradeoffs import crowding, ranks

#: Children that are made until one is new and feasible.
_ATTEMPTS: Final = 64


@dataclass(frozen=True, slots=True)
class _Population:
    """The parents, n of them.

    Attributes:
        points: In the unit cube, shape (n, dimension); NaN where a parameter is inactive.
        standings: Rank by constrained domination, and the crowding distance, negated: the less the
            better; shape (n, 2).
    """

    points: Array
    standings: Array

    @classmethod
    def of(cls, study: Study, size: int) -> _Population | None:
        """Return the best trials; None if there is none.

        Whole fronts are taken, and of the last one the trials with the most room around them:
        section III-C of [Deb2002]_.
        """
        finished = study.evaluated
        if not finished:
            return None
        losses = study.losses_of(finished)
        level = ranks(losses, study.violations_of(finished), most=size)
        crowded = np.empty(len(finished))
        for rank in np.unique(level).tolist():
            front = level == rank
            crowded[front] = crowding(losses[front])
        best = np.lexsort([-crowded, level])[:size]
        points = study.space.encode([finished[k].assignment for k in best.tolist()])
        return cls(points, np.column_stack([level[best], -crowded[best]]))

    def parent(self, rng: np.random.Generator) -> Array:
        """Return the better of two random trials, by the crowded comparison of [Deb2002]_."""
        one, other = rng.integers(len(self.points), size=2).tolist()
        better = tuple(self.standings[one]) <= tuple(self.standings[other])
        chosen: Array = self.points[one if better else other]
        return chosen


@register("nsga2")
@dataclass(frozen=True, kw_only=True)
class Nsga2:
    """Cross and mutate the trials that no other dominates, and those with the most room [Deb2002]_.

    A trial is better than another one by constrained domination: feasible before infeasible, less
    violated before more, and of feasible ones that which dominates. Unlike the paper, there are no
    generations: the parents are the best `population_size` of all finished trials whenever a
    suggestion is asked for, as in the steady-state form of [Nebro2009]_. So no trial waits for
    others, and a suggestion is a function of the request.
    """

    abilities: ClassVar[frozenset[Ability]] = WITHOUT_PRIOR_STUDIES

    population_size: int = setting(
        20,
        at_least=2,
        at_most=10_000,
        help="Number of parents, and of quasi-random suggestions at the beginning.",
    )
    crossover_probability: float = setting(
        0.9, at_least=0, at_most=1, help="Probability that two parents are crossed."
    )
    mutation_probability: float | None = setting(
        None,
        above=0,
        at_most=1,
        help="Probability that a parameter is mutated; None: 1 / number of parameters.",
    )
    eta_c: float = setting(
        20.0,
        above=0,
        at_most=1000,
        help="Distribution index of the crossover: the larger, the nearer to the parents.",
    )
    eta_m: float = setting(
        20.0,
        above=0,
        at_most=1000,
        help="Distribution index of the mutation: the larger, the smaller its steps.",
    )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        """See `suggestion.engine.algorithm.Algorithm`."""
        untried = Untried(study.space, streams.visited(study), streams.centres(study))
        population: _Population | None = None
        variation = self._variation(study)
        suggestions: list[Assignment] = []
        for index in range(study.first_index, study.first_index + count):
            study.deadline.check()
            if index >= self.population_size and population is None:
                population = _Population.of(study, self.population_size)
            if index < self.population_size or population is None:
                proposals: Iterator[Assignment] = iter([streams.start(study, index)])
            else:
                proposals = self._children(study, population, variation, index)
            suggestions.append(untried.pick(proposals, study.seed, index))
        return suggestions

    def _variation(self, study: Study) -> Variation:
        free = sum(parameter.levels != 1 for parameter in study.space.parameters)
        return Variation(
            [Gene.of(parameter) for parameter in study.space.parameters],
            self.crossover_probability,
            self.mutation_probability or 1 / max(free, 1),
            self.eta_c,
            self.eta_m,
        )

    @staticmethod
    def _children(
        study: Study, population: _Population, variation: Variation, index: int
    ) -> Iterator[Assignment]:
        """Yield children of random parents for suggestion `index`."""
        rng = streams.rng(study, index)
        for _ in range(_ATTEMPTS):
            child = variation.child(rng, population.parent(rng), population.parent(rng))
            yield study.space.decode(child[None])[0]
