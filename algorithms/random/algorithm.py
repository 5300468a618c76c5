"""Random search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from suggestion.engine.algorithm import WITHOUT_PRIOR_STUDIES, Ability, register
from suggestion.numerics import sampling, streams
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study


@register("random")
@dataclass(frozen=True, kw_only=True)
class Random:
    """Draw every parameter independently from its distribution [BergstraBengio2012]_.

    Suggestion i depends only on the seed and i; trials are not read. On a finite space the draws
    are without replacement until every point has come once; in one of more than 65,536 points that
    are not equally probable, within each 65,536 suggestions.

    .. [BergstraBengio2012] J. Bergstra, Y. Bengio. Random search for hyper-parameter optimization.
       JMLR 13, 2012.
    """

    abilities: ClassVar[frozenset[Ability]] = WITHOUT_PRIOR_STUDIES

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        before, check = streams.initial_points(study), study.deadline.check
        first = study.first_index - len(study.initial_points)
        return sampling.independent(study.space, study.seed, first, count, check, before)
