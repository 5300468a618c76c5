"""CMA-ES with margin, for numbers and categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from suggestion.algorithms.cmaes.replay import Memory, Replay
from suggestion.engine.algorithm import Ability, register
from suggestion.engine.settings import setting
from suggestion.numerics import streams
from suggestion.numerics.untried import Untried
from suggestion.problem.errors import Violation
from suggestion.problem.numeric import Double, Int
from suggestion.problem.problem import MOST_SUGGESTIONS
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

_FEWEST: Final = 2
_MEMORY: Final = Memory(size=2)


@register("cmaes")
@dataclass(frozen=True, kw_only=True)
class Cmaes:
    """Adapt a normal distribution to the good points [Hansen2016]_.

    The distribution is over the unit cube. Lattices and numeric lists have a margin that bounds the
    probability of every value from below [Hamano2022]_; categories have a categorical distribution
    [Hamano2024]_.

    .. [Hansen2016] N. Hansen. The CMA evolution strategy: a tutorial. arXiv:1604.00772, 2016.
    .. [Hamano2022] R. Hamano, S. Saito, M. Nomura, S. Shirakawa. CMA-ES with margin: lower-bounding
       marginal probability for mixed-integer black-box optimization. GECCO 2022.
    .. [Hamano2024] R. Hamano, S. Saito, M. Nomura, K. Uchida, S. Shirakawa. CatCMA: stochastic
       optimization for mixed-category problems. GECCO 2024. With margin: arXiv:2504.07884.
    .. [Auger2005] A. Auger, N. Hansen. A restart CMA evolution strategy with increasing population
       size. CEC 2005.
    .. [Hansen2009] N. Hansen. Benchmarking a BI-population CMA-ES on the BBOB-2009 function
       testbed. GECCO workshop 2009.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.PARAMETER_CONSTRAINTS, Ability.METRIC_CONSTRAINTS}
    )

    sigma: float = setting(
        1 / 6,
        above=0,
        at_most=10,
        help="Initial standard deviation as a share of each range; the default is (max-min)/6.",
    )
    restart_strategy: Literal["none", "None", "ipop", "bipop"] | None = setting(
        None,
        help="What follows when the distribution has converged: nothing (none), runs with doubled "
        "populations (ipop), or with large and small ones in turn (bipop).",
    )

    def violations(self, study: Study) -> Iterator[Violation]:
        """See `suggestion.engine.algorithm.Validates`."""
        numeric = sum(isinstance(p, Double | Int) for p in study.space.parameters)
        if numeric < _FEWEST:
            yield Violation(
                ("parameters",),
                f"algorithm 'cmaes' needs {_FEWEST} or more int or double parameters, got "
                f"{numeric}; use 'tpe'",
            )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        """See `suggestion.engine.algorithm.Algorithm`."""
        replay = Replay(study, self.sigma, self.restart_strategy, _MEMORY)
        untried = Untried(study.space, streams.visited(study), streams.centres(study))
        fresh = replay.fresh()
        trials = sum(
            map(len, (study.observations, study.pending, study.failed, study.out_of_space))
        )
        # Earlier suggestions that are not trials (yet) are not repeated. Those of a whole reply may
        # be on their way; if there are more, trials have been left out for good, and what is
        # skipped changes with their number, so that no point is suggested for ever.
        missing = max(study.first_index - trials, 0)
        for _ in range(missing % (MOST_SUGGESTIONS + 1)):
            next(fresh, None)
        return [
            untried.pick((sample.assignment for sample in fresh), study.seed, index)
            for index in range(study.first_index, study.first_index + count)
        ]
