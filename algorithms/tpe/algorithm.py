"""Tree-structured Parzen estimators [Bergstra2011]_, univariate and multivariate.

The trials are divided into a few good ones and the rest, and a Parzen estimator is fitted to each
set. Of some draws from the good density l, the one with the largest l / g is suggested, which
maximises the expected improvement, eq. (15) of the paper.

.. [Bergstra2011] J. Bergstra, R. Bardenet, Y. Bengio, B. Kegl. Algorithms for hyper-parameter
   optimization. NIPS 2011.
.. [Bergstra2013] J. Bergstra, D. Yamins, D. Cox. Making a science of model search. ICML 2013.
.. [Falkner2018] S. Falkner, A. Klein, F. Hutter. BOHB: robust and efficient hyperparameter
   optimization at scale. ICML 2018.
.. [Watanabe2023] S. Watanabe. Tree-structured Parzen estimator: understanding its algorithm
   components and their roles for better empirical performance. arXiv:2304.11127, 2023.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.tpe.earlier import Earlier
from suggestion.algorithms.tpe.parzen import Axis, Parzen
from suggestion.algorithms.tpe.split import split
from suggestion.engine.algorithm import WITHOUT_PRIOR_STUDIES, Ability, register
from suggestion.engine.settings import MOST_TRIALS, setting
from suggestion.numerics import streams
from suggestion.numerics.region import region_of
from suggestion.numerics.untried import Untried
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Observation, Study

#: Largest number of good trials [Bergstra2013]_.
MOST_GOOD: Final = 25
#: Exponent of the number of good trials in that of all. The paper's fixed share is 1, hyperopt's
#: rule is 1/2; measured in docs/research/tpe.md.
_GROWTH: Final = 0.85
#: Largest number of finished trials in the bad density, chosen evenly by rank; of pending trials
#: as many more.
MOST_BAD: Final = 1000
#: Work of the model for one reply, see `_Block.work`; further points are quasi-random. It takes
#: up to half a minute of CPU time.
_MOST_WORK: Final = 500_000_000
#: With constraints on parameters: so many times as many draws, and combinations of draws.
_MORE: Final = 8
_COMBINED: Final = 512


class _Block:
    """Parameters that are modelled jointly.

    Args:
        space: The space.
        columns: Their indices in the space.
        axes: Their axes for the estimator.
        good: Estimator of the good trials.
        bad: The other trials in the unit cube, shape (n, len(columns)); NaN where a parameter is
            inactive, if there are several.
        weights: Their weights, shape (n,).
    """

    def __init__(
        self,
        space: SearchSpace,
        columns: Sequence[int],
        axes: Sequence[Axis],
        good: Parzen,
        bad: Array,
        weights: Array,
    ) -> None:
        self.columns = columns
        self.good, self.bad, self._weights = good, bad, weights
        self._space, self._axes = space, axes

    def lie(self, point: Array) -> None:
        """Count `point` of the whole space as bad, although its outcome is unknown."""
        own = point[self.columns][None]
        own = own[_known(own, self._space)]
        self.bad = np.vstack([self.bad, own])
        self._weights = np.concatenate([self._weights, np.ones(len(own))])

    def work(self, count: int) -> int:
        """Return the approximate number of elementary steps that `draw` takes."""
        rows = len(self.bad) + len(self.good.centres)
        return len(self.columns) * (30_000 + 20 * rows) + count * rows

    def draw(
        self, rng: np.random.Generator, count: int, prior_weight: float
    ) -> tuple[Array, Array]:
        """Draw from the good density; return points and log l / g, best first."""
        worse = Parzen(self._axes, self.bad, self._weights, prior_weight)
        points = self.good.sample(rng, count)
        if self._space.conditions and len(self.columns) > 1:
            whole = np.full((count, self._space.dimension), 0.5)
            whole[:, self.columns] = points
            points = np.where(self._space.activity(whole)[:, self.columns], points, np.nan)
        scores = self.good.log_density(points) - worse.log_density(points)
        order = np.argsort(-scores, kind="stable")
        return points[order], scores[order]


@dataclass(frozen=True, kw_only=True)
class _Estimator(ABC):
    """What both estimators share: everything but the choice of jointly modelled parameters."""

    abilities: ClassVar[frozenset[Ability]] = frozenset(
        WITHOUT_PRIOR_STUDIES | {Ability.PRIOR_STUDIES}
    )

    gamma: float = setting(
        0.25,
        above=0,
        below=1,
        help="Share of good trials: of n finished trials gamma * n^0.85 are good, at most 25.",
    )
    prior_weight: float = setting(
        1.0,
        above=0,
        at_most=1000,
        help="Weight of the prior; a good or bad trial has weight 1.",
    )
    n_ei_candidates: int = setting(
        24,
        at_least=1,
        at_most=1000,
        alias="n_EI_candidates",
        help="Number of points drawn for each suggestion.",
    )
    n_startup_trials: int = setting(
        10,
        at_least=0,
        at_most=MOST_TRIALS,
        help="Number of quasi-random suggestions before the model is used; with earlier studies "
        "every second of so many, or all if those mislead.",
    )

    @staticmethod
    @abstractmethod
    def _blocks(columns: Sequence[int]) -> Sequence[Sequence[int]]:
        """Return the groups of columns that are modelled jointly."""

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        """See `suggestion.engine.algorithm.Algorithm`."""
        space = study.space
        untried = Untried(space, streams.visited(study), streams.centres(study))
        work = _MOST_WORK
        model: Sequence[_Block] | None = None
        suggestions: list[Assignment] = []
        earlier = self._earlier(study)
        for index in range(study.first_index, study.first_index + count):
            study.deadline.check()
            starting = index < self.n_startup_trials
            if starting and earlier is not None:
                starting = index % 2 == 1 or earlier.doubted
            if not starting and model is None:
                model = self._fit(study, suggestions, earlier)
            if starting or model is None or work <= 0:
                proposals: Iterator[Assignment] = iter([streams.start(study, index)])
            else:
                work -= sum(block.work(self.n_ei_candidates) for block in model)
                proposals = self._proposals(study, model, streams.rng(study, index))
            suggestion = untried.pick(proposals, study.seed, index)
            suggestions.append(suggestion)
            # Constant liar: a pending trial is bad until it is known to be good.
            if model is not None:
                point = space.encode([suggestion])[0]
                for block in model:
                    block.lie(point)
        return suggestions

    def _good_of(self, count: int) -> int:
        """Return how many of `count` finished trials are good."""
        good: int = min(math.ceil(self.gamma * count**_GROWTH), MOST_GOOD)
        return good

    def _axes(self, space: SearchSpace) -> Iterator[tuple[Sequence[int], Sequence[Axis]]]:
        """Yield the columns of each block, and their axes."""
        parameters = space.parameters
        for columns in self._blocks([k for k, p in enumerate(parameters) if p.levels != 1]):
            yield columns, [Axis.of(parameters[k]) for k in columns]

    def _earlier(self, study: Study) -> Earlier | None:
        if not study.prior:
            return None
        return Earlier(study, self._good_of, self.prior_weight)

    def _fit(
        self, study: Study, suggested: Sequence[Assignment], earlier: Earlier | None = None
    ) -> Sequence[_Block] | None:
        """Fit a model of each block of parameters; None if there is nothing to learn from."""
        believed = earlier if earlier is not None and not earlier.doubted else None
        finished = study.evaluated
        unfit = [trial for trial in study.out_of_space if not isinstance(trial, Observation)]
        hopeless = [trial.assignment for trial in (*study.failed, *unfit)]
        if not finished and not hopeless and believed is None:
            return None
        number = self._good_of(len(finished))
        order, weights = _split(study, finished, number)
        ranked = [finished[k] for k in order]
        best, rest = ranked[:number], ranked[number:]
        worst = [*(t.assignment for t in rest), *hopeless]
        worst = _thinned(worst, MOST_BAD)
        pending = [trial.assignment for trial in study.pending]
        worst += [*_thinned(pending, MOST_BAD), *suggested]
        # NaN where an out-of-space trial has no value; it is then ignored by that block.
        good = study.space.encode([trial.assignment for trial in best])
        bad = study.space.encode(worst)
        blocks = []
        for columns, axes in self._axes(study.space):
            known = _known(good[:, columns], study.space)
            better, shares = good[known][:, columns], weights[known]
            worse = bad[_known(bad[:, columns], study.space)][:, columns]
            others = np.ones(len(worse))
            if believed is not None:
                better, shares = _joined(better, shares, believed.good().of(columns))
                worse, others = _joined(worse, others, believed.bad().of(columns))
            density = Parzen(axes, better, shares, self.prior_weight)
            blocks.append(_Block(study.space, columns, axes, density, worse, others))
        return blocks

    def _proposals(
        self, study: Study, model: Sequence[_Block], rng: np.random.Generator
    ) -> Iterator[Assignment]:
        """Yield points in the order in which the model prefers them."""
        space = study.space
        drawn = []
        for block in model:
            study.deadline.check()
            candidates = self.n_ei_candidates * (_MORE if space.constraints else 1)
            drawn.append(block.draw(rng, candidates, self.prior_weight))
        if space.constraints and drawn:
            yield from _feasible(space, model, drawn, rng, study.deadline.check)
        best = np.full((1, space.dimension), 0.5)
        for block, (points, _) in zip(model, drawn, strict=True):
            best[0, block.columns] = points[0]
        yield space.decode(best)[0]
        # Then the points that differ from the best one in one block, by loss of l / g.
        if not drawn:
            return
        losses = np.concatenate([scores[0] - scores[1:] for _, scores in drawn])
        for place in np.argsort(losses, kind="stable").tolist():
            number, row = divmod(place, len(drawn[0][1]) - 1)
            row += 1
            point = best.copy()
            point[0, model[number].columns] = drawn[number][0][row]
            yield space.decode(point)[0]


@register("tpe")
@dataclass(frozen=True, kw_only=True)
class Tpe(_Estimator):
    """Sample where the density of good trials most exceeds that of the rest [Bergstra2011]_.

    Each parameter is modelled and chosen by itself.
    """

    @staticmethod
    def _blocks(columns: Sequence[int]) -> Sequence[Sequence[int]]:
        return [[column] for column in columns]


@register("multivariate-tpe")
@dataclass(frozen=True, kw_only=True)
class MultivariateTpe(_Estimator):
    """Sample where the joint density of good trials most exceeds that of the rest [Falkner2018]_.

    All parameters are modelled jointly, so dependences between them are learned.
    """

    @staticmethod
    def _blocks(columns: Sequence[int]) -> Sequence[Sequence[int]]:
        return [columns] if columns else []


def _feasible(
    space: SearchSpace,
    model: Sequence[_Block],
    drawn: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    check: Callable[[], None],
) -> Iterator[Assignment]:
    """Yield feasible combinations of what was drawn for each block, by the sum of log l / g."""
    points = np.full((_COMBINED, space.dimension), 0.5)
    scores = np.zeros(_COMBINED)
    for block, (own, gains) in zip(model, drawn, strict=True):
        # The better a draw, the more often it is used; the first combination is the best of all.
        rows = (len(gains) * rng.random(_COMBINED) ** 2).astype(np.intp)
        rows[0] = 0
        points[:, block.columns] = own[rows]
        scores += gains[rows]
    feasible = region_of(space, check).judge(np.nan_to_num(points, nan=0.5))
    order = [row for row in np.argsort(-scores, kind="stable").tolist() if feasible[row]]
    yield from space.decode(points[order])


def _known(points: Array, space: SearchSpace) -> NDArray[np.bool_]:
    """Return which of `points`, shape (n, d), a joint model of d parameters learns from: shape
    (n,).

    Those that lack no parameter; where parameters can be inactive, those that do not lack all.
    """
    lacking = np.isnan(points)
    if space.conditions:
        return np.asarray(~lacking.all(axis=1))
    return np.asarray(~lacking.any(axis=1))


def _joined(points: Array, weights: Array, more: tuple[Array, Array]) -> tuple[Array, Array]:
    return np.vstack([points, more[0]]), np.concatenate([weights, more[1]])


def _thinned(points: list[Assignment], most: int) -> list[Assignment]:
    """Return at most `most` of `points`, evenly chosen."""
    if len(points) <= most:
        return points
    return [points[k] for k in np.linspace(0, len(points) - 1, most).astype(int)]


def _split(
    study: Study, finished: Sequence[Observation], number: int
) -> tuple[Sequence[int], Array]:
    """Return the order of trials, good ones first, and the weights of the `number` good ones."""
    every = study.losses_of(finished)
    if finished and (every.shape[1] > 1 or study.problem.constraints):
        return split(every, study.violations_of(finished), number)
    losses = every[:, 0]
    order = np.argsort(losses, kind="stable")
    losses = losses[order]
    threshold = losses[number] if number < len(finished) else math.inf
    return order.tolist(), _weights(losses[:number], threshold)


def _weights(losses: Array, threshold: float) -> Array:
    """Return the improvement of n good trials on `threshold`, in units of the mean; shape (n,).

    Unlike [Bergstra2011]_, where all weigh the same: a weight is the trial's own improvement, so
    that the density follows the expected improvement within the good share too [Watanabe2023]_.
    """
    # Halved, because the difference of two floats can overflow.
    gains = threshold / 2 - losses / 2
    if len(losses) == 0 or not np.isfinite(threshold) or np.max(gains) <= 0:
        return np.ones(len(losses))
    gains = gains / np.max(gains) + 1e-12
    return np.asarray(gains / gains.mean())
