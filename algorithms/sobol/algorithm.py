"""Quasi-random search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from suggestion.engine.algorithm import WITHOUT_PRIOR_STUDIES, Ability, register
from suggestion.numerics import sampling, streams
from suggestion.numerics.sobol import SOBOL_DIMENSIONS, sobol
from suggestion.problem.errors import Violation
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study


@register("sobol")
@dataclass(frozen=True, kw_only=True)
class Sobol:
    """Cover the space evenly by the Sobol sequence [Sobol1967]_ with Owen's scrambling [Owen1998]_.

    Suggestion i is the i-th point of the sequence, mapped through each parameter's distribution. On
    a finite space, points that came before are skipped until all have come; in one of more than
    65,536 points, within each 65,536 suggestions. With constraints the sequence is spread over the
    least box around the feasible points, and infeasible ones are skipped; after 65,536 points of it
    independent draws follow.

    .. [Sobol1967] I. M. Sobol. On the distribution of points in a cube and the approximate
       evaluation of integrals. USSR Comp. Math. and Math. Physics 7, 1967.
    """

    abilities: ClassVar[frozenset[Ability]] = WITHOUT_PRIOR_STUDIES

    def violations(self, study: Study) -> Iterator[Violation]:
        if study.space.dimension > SOBOL_DIMENSIONS:
            yield Violation(
                ("parameters",),
                f"algorithm 'sobol' takes at most {SOBOL_DIMENSIONS} parameters, got "
                f"{study.space.dimension}; use 'random'",
            )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        def draw(first: int, number: int) -> Array:
            return sobol(study.seed, first, number, study.space.dimension)

        before, check = streams.initial_points(study), study.deadline.check
        first = study.first_index - len(study.initial_points)
        return sampling.distinct(study.space, draw, study.seed, first, count, check, before)
