"""Trials of earlier studies: further kernels, whose weight falls as trials of the study come in.

Each earlier study is divided into good trials and the rest by its own losses. Its kernels weigh
more, the better its densities order the trials of this study: by the density ratio l / g, which is
what TPE would choose by there. Unlike [Watanabe2023c]_, where tasks are compared by the overlap of
their good trials, weights follow the order of all trials, as in `suggestion.numerics.earlier`.

.. [Watanabe2023c] S. Watanabe, N. Awad, M. Onishi, F. Hutter. Speeding up multi-objective
   hyperparameter optimization by task similarity-based meta-learning for the tree-structured Parzen
   estimator. IJCAI 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from suggestion.algorithms.tpe.parzen import Axis, Parzen
from suggestion.algorithms.tpe.split import split
from suggestion.numerics.earlier import doubtful, places, ranking_weights
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Problem
from suggestion.problem.study import Observation, Study

#: Weight of all good trials of earlier studies together, in good trials of the study itself, before
#: there is any; and the number of its own trials after which it is half of that. What is
#: known of them is in docs/research/objectives.md.
WEIGHT: Final = 5.0
HALVED_AFTER: Final = 10.0
#: The same of the rest, in units of the weight of the good ones.
OF_THE_REST: Final = 3.0
#: Most good trials of all earlier studies, and most others; of each study at least a few.
MOST_GOOD: Final = 250
MOST_BAD: Final = 1000
_FEWEST: Final = 3
#: Most trials of the study itself that earlier ones are judged by, evenly chosen by rank.
_MOST_JUDGED: Final = 100


@dataclass(frozen=True, slots=True)
class Kernels:
    """Points of earlier studies in the unit cube, NaN where a trial lacks a value.

    Attributes:
        points: Shape (n, dimension).
        weights: Shape (n,), positive.
    """

    points: Array
    weights: Array

    def of(self, columns: Sequence[int]) -> tuple[Array, Array]:
        """Return points and weights of the rows that have a value in one of `columns`."""
        own = self.points[:, columns]
        rows = ~np.isnan(own).all(axis=1)
        return own[rows], self.weights[rows]


@dataclass(frozen=True, slots=True)
class _Source:
    """One earlier study: its good trials, and the rest; weights have the mean 1."""

    good: Kernels
    bad: Kernels


class Earlier:
    """What earlier studies say about the next trial.

    Args:
        study: A study with earlier ones.
        good_of: Returns how many of so many trials are good.
        prior_weight: Weight of the prior in each density.
    """

    def __init__(
        self,
        study: Study,
        good_of: Callable[[int], int],
        prior_weight: float,
    ) -> None:
        self._space, self._prior_weight = study.space, prior_weight
        self._sources = []
        for each in study.prior:
            study.deadline.check()
            self._sources.append(_read(each, study, good_of, len(study.prior)))
        points, places_of_own = _own(study)
        scores = np.empty((len(self._sources), len(points)))
        for row, source in enumerate(self._sources if len(points) else ()):
            study.deadline.check()
            scores[row] = self._score(source, points)
        self._shares = ranking_weights(places_of_own, -scores)
        #: Whether the trials of the study contradict the earlier ones.
        self.doubted = doubtful(places_of_own, -scores)
        self._weight = WEIGHT * HALVED_AFTER / (HALVED_AFTER + len(study.evaluated))

    def _score(self, source: _Source, points: Array) -> Array:
        """Return log l / g of `points`, shape (n, dimension), by a source: shape (n,).

        Of each parameter by itself: joint densities of so few trials order others less well.
        """
        found = np.zeros(len(points))
        for column, parameter in enumerate(self._space.parameters):
            if parameter.levels == 1:
                continue
            axes = [Axis.of(parameter)]
            for sign, kernels in ((1, source.good), (-1, source.bad)):
                parzen = Parzen(axes, *kernels.of([column]), self._prior_weight)
                own = parzen.log_density(np.nan_to_num(points[:, [column]], nan=0.5))
                found += np.where(np.isnan(points[:, column]), 0.0, sign * own)
        return found

    def good(self) -> Kernels:
        """Return the good trials of earlier studies."""
        return self._weighted([source.good for source in self._sources], self._weight)

    def bad(self) -> Kernels:
        """Return the other trials of earlier studies."""
        weight = self._weight * OF_THE_REST
        return self._weighted([source.bad for source in self._sources], weight)

    def _weighted(self, kernels: Sequence[Kernels], weight: float) -> Kernels:
        shares = [
            each.weights * (weight * share / max(len(each.weights), 1))
            for each, share in zip(kernels, self._shares, strict=True)
        ]
        points = np.vstack([each.points for each in kernels])
        return Kernels(points, np.concatenate(shares))


def _own(study: Study) -> tuple[Array, Array]:
    """Return trials of the study itself, and their places in its order: (n, dimension), (n,).

    Places are losses where there is one objective and no constraint on a metric.
    """
    trials = study.evaluated
    losses, violations = study.losses_of(trials), study.violations_of(trials)
    if not trials:
        return np.empty((0, study.space.dimension)), np.empty(0)
    if losses.shape[1] == 1 and not violations.shape[1]:
        values = losses[:, 0]
        order = np.argsort(values, kind="stable")
    else:
        order = np.asarray(split(losses, violations, len(trials))[0])
        values = np.empty(len(trials))
        values[order] = np.arange(len(trials))
    if len(order) > _MOST_JUDGED:
        order = order[np.linspace(0, len(order) - 1, _MOST_JUDGED).astype(np.intp)]
    points = study.space.encode([trials[k].assignment for k in order.tolist()])
    return points, values[order]


def _read(earlier: Study, study: Study, good_of: Callable[[int], int], studies: int) -> _Source:
    """Return the trials of an earlier study, of `studies`, by its own losses."""
    trials, losses, violations = _judged(earlier, study.problem)
    number = good_of(len(trials))
    if losses.shape[1] == 1 and not violations.any():
        order, weights = np.argsort(losses[:, 0], kind="stable").tolist(), np.ones(number)
    else:
        order, weights = split(losses, violations, number)
    assignments = [trials[k].assignment for k in order]
    points = places(assignments, study.space)
    failed = places([trial.assignment for trial in earlier.failed], study.space)
    good, rest = points[:number], np.vstack([points[number:], failed])
    most_good = max(MOST_GOOD // studies, _FEWEST)
    most_bad = max(MOST_BAD // studies, _FEWEST)
    if len(rest) > most_bad:
        rest = rest[np.linspace(0, len(rest) - 1, most_bad).astype(np.intp)]
    good, weights = good[:most_good], np.asarray(weights)[:most_good]
    # What was good beyond a range says that its end is good; what was bad there says nothing.
    outside = (rest < 0) | (rest > 1)
    return _Source(
        Kernels(np.clip(good, 0.0, 1.0), weights / weights.mean()),
        Kernels(np.where(outside, np.nan, rest), np.ones(len(rest))),
    )


def _judged(earlier: Study, problem: Problem) -> tuple[Sequence[Observation], Array, Array]:
    """Return the trials of an earlier study with what is known of their objectives and bounds.

    Those with all objectives of `problem`, if there are any; else all, by the main one. A bounded
    metric that a trial did not report counts as met.
    """
    (main,) = earlier.problem.objectives
    objectives = [main, *problem.objectives[1:]]
    trials = [t for t in earlier.evaluated if all(m.name in t.metrics for m in objectives)]
    if not trials:
        trials, objectives = [*earlier.evaluated], [main]
    losses = [[m.loss(trial.metrics[m.name]) for m in objectives] for trial in trials]
    violations = np.zeros((len(trials), len(problem.constraints)))
    for column, bound in enumerate(problem.constraints):
        told = [trial.metrics.get(bound.name) for trial in trials]
        violations[:, column] = [0.0 if x is None else bound.violation(x) for x in told]
    return trials, np.array(losses), violations
