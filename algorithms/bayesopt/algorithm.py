"""Bayesian optimisation: settings, and the choice of each suggestion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import ClassVar, Final, Literal

import numpy as np

from suggestion.algorithms.bayesopt import recommending
from suggestion.algorithms.bayesopt.proposer import Proposer
from suggestion.engine.algorithm import WITHOUT_PRIOR_STUDIES, Ability, register
from suggestion.engine.recommending import Recommendation
from suggestion.engine.settings import MOST_TRIALS, setting
from suggestion.numerics import sampling, streams
from suggestion.numerics.sobol import SOBOL_DIMENSIONS, sobol
from suggestion.problem.errors import Violation
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

#: Largest number of points of one reply that the model proposes; the rest continue the Sobol
#: sequence. So many take up to half a minute of CPU time.
MOST_BY_GP: Final = 100
MOST_BY_FOREST: Final = 16
#: Acquisition functions that stand for an expected improvement.
_OF_OUTPUTS: Final = ("gp_hedge", "EI", "EIps")
#: Which of the first trials are those of a study without earlier ones: they show whether the
#: earlier ones mislead.
CALIBRATING: Final = (1, 3)


@register("bayesianoptimization")
@dataclass(frozen=True, kw_only=True)
class BayesianOptimization:
    """Fit a surrogate of the objective and try the point where an acquisition function is largest.

    Efficient global optimisation [Jones1998]_ for expensive trials, with later improvements: length
    scales by maximum a posteriori, expected improvement in log space [Ament2023]_, fantasies of
    pending trials [Snoek2012]_, transforms of the losses chosen by the data.

    .. [Snoek2012] J. Snoek, H. Larochelle, R. P. Adams. Practical Bayesian optimization of machine
       learning algorithms. NeurIPS 2012.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset(
        WITHOUT_PRIOR_STUDIES | {Ability.PRIOR_STUDIES}
    )

    base_estimator: Literal["GP", "RF", "ET", "GBRT"] = setting(
        "GP",
        help="Surrogate: a Gaussian process (GP), or scikit-optimize's random forest (RF), "
        "extremely randomised (ET) or gradient boosted trees (GBRT).",
    )
    n_initial_points: int = setting(
        10,
        at_least=0,
        at_most=MOST_TRIALS,
        help="Number of trials, in any condition, before the model is used: the middle of the "
        "space, then a Sobol sequence; with earlier studies two, or all if those mislead.",
    )
    acq_func: Literal["gp_hedge", "LCB", "EI", "PI", "EIps", "PIps"] = setting(
        "gp_hedge",
        help="Acquisition function: lower confidence bound (LCB), expected improvement (EI), "
        "probability of improvement (PI), the latter two divided by the predicted duration (EIps, "
        "PIps), or a portfolio of the first three (gp_hedge).",
    )
    acq_optimizer: Literal["auto", "sampling", "lbfgs"] = setting(
        "auto",
        help="How the acquisition function is maximised: by gradients (lbfgs), among samples "
        "(sampling), or by gradients where the surrogate has them (auto).",
    )

    def violations(self, study: Study) -> Iterator[Violation]:
        """Yield settings that contradict each other, too many parameters, and missing packages."""
        yield from self._of_outputs(study)
        if self.base_estimator != "GP":
            if self.acq_optimizer == "lbfgs":
                yield Violation(
                    ("settings", "acq_optimizer"),
                    "setting 'acq_optimizer': lbfgs needs the gradients of base_estimator GP, got "
                    f"base_estimator {self.base_estimator}",
                )
            if study.prior:
                yield Violation(
                    ("settings", "base_estimator"),
                    "setting 'base_estimator': earlier studies need base_estimator GP, got "
                    f"{self.base_estimator}",
                )
            if find_spec("skopt") is None:
                yield Violation(
                    ("settings", "base_estimator"),
                    "setting 'base_estimator': needs the package scikit-optimize, which is not "
                    f"installed on this server, got {self.base_estimator}",
                )
        if study.space.dimension > SOBOL_DIMENSIONS:
            yield Violation(
                ("parameters",),
                f"algorithm 'bayesianoptimization' takes at most {SOBOL_DIMENSIONS} "
                f"parameters, got {study.space.dimension}; use 'random'",
            )

    def _of_outputs(self, study: Study) -> Iterator[Violation]:
        """Yield settings that say nothing about several objectives, or constraints on metrics."""
        problem = study.problem
        if len(problem.objectives) == 1 and not problem.constraints:
            return
        needs = "several objectives" if len(problem.objectives) > 1 else "metric_constraints"
        if self.base_estimator != "GP":
            yield Violation(
                ("settings", "base_estimator"),
                f"setting 'base_estimator': {needs} need GP, got {self.base_estimator}",
            )
        if self.acq_func not in _OF_OUTPUTS:
            yield Violation(
                ("settings", "acq_func"),
                f"setting 'acq_func': {needs} need one of {', '.join(_OF_OUTPUTS)}, got "
                f"{self.acq_func}",
            )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        known = len(study.observations) + len(study.pending) + len(study.failed)
        check = study.deadline.check
        visited = streams.visited(study)
        sequence = _Sequence(study, count)
        chosen: list[Assignment] = []
        proposer: Proposer | None = None
        proposed = 0
        most = MOST_BY_GP if self.base_estimator == "GP" else MOST_BY_FOREST
        for index in range(study.first_index, study.first_index + count):
            check()
            if visited.used_up:  # the space is used up: start again
                latest = chosen[-(study.space.size or 1) + 1 :]
                visited = sampling.Visited(study.space, latest, check)
            made = known + len(chosen)
            initial = not study.observations or made < self.n_initial_points
            if study.prior and initial:
                proposer = proposer or self._proposer(study, chosen)
                initial = made in CALIBRATING or proposer.doubtful
            if initial or proposed == most:
                first = made == CALIBRATING[0] if study.prior else index == 0
                point = sequence.next(index, visited, first)
            else:
                proposed += 1
                proposer = proposer or self._proposer(study, chosen)
                point = proposer.propose(index, visited)
            visited.add(point)
            chosen.append(point)
        return chosen

    def recommend(self, study: Study) -> Recommendation | None:
        """Recommend by a Gaussian process, whatever the surrogate of suggestions."""
        return recommending.recommend(study)

    def _proposer(self, study: Study, chosen: Sequence[Assignment]) -> Proposer:
        return Proposer(
            study,
            chosen,
            estimator=self.base_estimator,
            function=self.acq_func,
            optimizer=self.acq_optimizer,
        )


class _Sequence:
    """The middle of the space, then points of the Sobol sequence, without repetition.

    Users choose ranges around values that they think are good, so the first trial is the middle, as
    in Vizier [Song2024]_.

    .. [Song2024] X. Song et al. The Vizier Gaussian process bandit algorithm. arXiv:2408.11527,
       2024.

    Args:
        study: The study.
        count: Number of suggestions of the request.
    """

    def __init__(self, study: Study, count: int) -> None:
        self._study, self._count = study, count

    def next(self, index: int, visited: sampling.Visited, first: bool) -> Assignment:
        """Return suggestion `index`, which is not `visited`.

        Args:
            first: Whether it is the first one of the sequence.
        """
        study = self._study
        if first:
            (middle,) = study.space.decode(np.full((1, study.space.dimension), 0.5))
            if middle not in visited and study.space.feasible(middle):
                return middle
        point = self._points[index - study.first_index]
        return visited.unvisited(study.seed, index) if point in visited else point

    @cached_property
    def _points(self) -> list[Assignment]:
        study = self._study

        def draw(first: int, number: int) -> Array:
            return sobol(study.seed, first, number, study.space.dimension)

        # Together, because on a finite space one can cost as much as all before it.
        return sampling.distinct(
            study.space, draw, study.seed, study.first_index, self._count, study.deadline.check
        )
