"""Simulated annealing as implemented by hyperopt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Final

import numpy as np

from suggestion.engine.algorithm import Ability, register
from suggestion.engine.settings import setting
from suggestion.numerics import streams
from suggestion.numerics.untried import Untried
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

if find_spec("hyperopt") is None:  # a missing package is an error at start
    raise ModuleNotFoundError("No module named 'hyperopt'", name="hyperopt")

#: Number of the best trials that hyperopt is given, or more if `avg_best_idx` needs them.
_SHOWN: Final = 50


@register("anneal")
@dataclass(frozen=True, kw_only=True)
class Anneal:
    """Sample near one of the best points, from windows that shrink [Bergstra2013]_.

    For each suggestion one of the best trials is chosen, the k-th best with a probability that
    falls geometrically, and every parameter is drawn from a window around its value; a category
    keeps its value with a growing probability. After T trials the window is 1 / (1 + T *
    shrink_coef) of the range.

    .. [Bergstra2013] J. Bergstra, D. Yamins, D. Cox. Making a science of model search:
       hyperparameter optimization in hundreds of dimensions for vision architectures. ICML 2013.
       The algorithm is described only in the module `hyperopt.anneal`.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.CONDITIONS, Ability.PARAMETER_CONSTRAINTS}
    )

    avg_best_idx: float = setting(
        2.0,
        above=0,
        at_most=100,
        help="Mean rank of the trial to sample around; the best has rank 1, values below 1 mean 1.",
    )
    shrink_coef: float = setting(
        0.1,
        above=0,
        at_most=1000,
        help="How fast the windows shrink with the number of trials T: 1 / (1 + T * shrink_coef).",
    )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        """See `suggestion.engine.algorithm.Algorithm`."""
        finished = study.evaluated
        order = np.argsort(study.losses_of(finished)[:, 0], kind="stable").tolist()
        trials = sum(map(len, (finished, study.pending, study.failed)))
        shown = [finished[k] for k in order[: max(_SHOWN, math.ceil(20 * self.avg_best_idx))]]
        model = None
        if shown:
            # Importing hyperopt takes a second and 70 MiB, so it is delayed until it is needed.
            from suggestion.algorithms.anneal.model import Model  # noqa: PLC0415

            model = Model(study.space, shown)
        untried = Untried(study.space, streams.visited(study), streams.centres(study))
        suggestions: list[Assignment] = []
        indices = range(study.first_index, study.first_index + count)
        drawn = streams.Independent(study, study.space, study.first_index)
        for index in indices:
            study.deadline.check()
            proposals: Iterator[Assignment]
            if model is None or model.draws_left <= 0:
                proposals = iter([drawn[index]])
            else:
                # hyperopt computes T from the trials that it is given.
                shrink = self.shrink_coef * (trials + len(suggestions)) / len(shown)
                proposals = model.draws(
                    streams.rng(study, index),
                    max(self.avg_best_idx, 1.0),
                    shrink,
                    study.deadline.check,
                )
            suggestions.append(untried.pick(proposals, study.seed, index))
        return suggestions
