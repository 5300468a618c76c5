"""What earlier studies say about an output: a mean function for the surrogate.

An output is the loss by an objective, or by how much a constraint is violated. The model of an
output y at a point x is

    y(x) = c + beta sum_i w_i mu_i(x) + g(x),

where mu_i is the posterior mean of a Gaussian process on the same output of study i, in standard
deviations, with the bound of a constraint at 0, and g a Gaussian process on what is left. The
weights w_i tell how well study i orders the trials of this one; they do not depend on the units of
either loss, as in the ranking-weighted ensembles of [Feurer2018]_. Unlike the paper, the ensemble
is the mean of the surrogate and not the surrogate itself: what it predicts wrongly is corrected by
g where there are trials. A surrogate without it competes, weighted by the evidence, so that studies
which mislead lose their influence.

.. [Feurer2018] M. Feurer, B. Letham, E. Bakshy. Scalable meta-learning for Bayesian optimization
   using ranking-weighted Gaussian process ensembles. AutoML workshop at ICML, 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.bayesopt import data, gp
from suggestion.algorithms.bayesopt.acquisition import Slopes
from suggestion.algorithms.bayesopt.data import Data, excess
from suggestion.algorithms.bayesopt.features import Features
from suggestion.algorithms.bayesopt.outputs import limits, transforms
from suggestion.numerics.earlier import doubtful, places, ranking_weights
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Metric
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import Study

#: Largest number of trials that a study's hyperparameters are fitted to, and that its posterior
#: uses; with many studies as many in all of them as in five.
MOST_FITTED: Final = 100
MOST_KEPT: Final = 200
_FULL_STUDIES: Final = 5
_FEWEST_KEPT: Final = 20
#: The correlation with the ensemble that is expected before there are trials, and the number of
#: trials that this counts for.
EXPECTED: Final = 0.7
EXPECTED_TRIALS: Final = 3.0
#: Least deviation of the ensemble over the trials that a factor is computed from.
LEAST_SPREAD: Final = 0.4
#: Log of how much more a surrogate with the ensemble is believed than one without.
ADVANTAGE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean function: a constant plus a combination of the means of the sources.

    Attributes:
        constant: Value where all sources are 0.
        factors: Of the sources, shape (s,).
    """

    constant: float
    factors: Array

    def at(self, means: Array) -> Array:
        """Return its values where the sources have `means`, shape (s, m): shape (m,)."""
        values: Array = self.constant + self.factors @ means
        return values


class Sources:
    """Gaussian processes on the trials of earlier studies.

    Args:
        features: Of this study; see `missing` and `points` for what they must have room for.
        read: The trials of each study, as `read` and `read_metric` return them.
        go_on: Whether there is time for another step.
        outputs: What each of `read` is about: the index of an objective, then of a constraint; by
            default all are about the main objective, 0.
    """

    def __init__(
        self,
        features: Features,
        read: Sequence[Data],
        go_on: Callable[[], bool],
        outputs: Sequence[int] = (),
    ) -> None:
        self._outputs = np.array(outputs or [0] * len(read), dtype=np.intp)
        self._posteriors: list[gp.Posterior] = []
        best = []
        share = min(1.0, _FULL_STUDIES / max(len(read), 1))
        kept = max(int(share * MOST_KEPT), _FEWEST_KEPT)
        fitted = max(int(share * MOST_FITTED), _FEWEST_KEPT)
        for trials in read:
            rows = data.select(data.distances(features, trials.points), kept)
            y = _outputs(trials)[rows]
            inputs = features(trials.points[rows])
            some = data.select(data.distances(features, trials.points[rows]), fitted)
            found = gp.fit(inputs[some], features.groups, y[some], go_on=go_on)
            self._posteriors.append(gp.Posterior([found], inputs, features.groups, y[None]))
            best.append(trials.points[:1])
        #: The best point of each study, shape (studies, dimension), NaN where it lacks a value.
        self.best = np.vstack(best)[self._outputs == 0]

    def __len__(self) -> int:
        return len(self._posteriors)

    def about(self, output: int) -> NDArray[np.intp]:
        """Return which of the s sources are about `output`."""
        return np.flatnonzero(self._outputs == output)

    def means(self, features: Array) -> Array:
        """Return the means at `features` (m, p): shape (s, m)."""
        return np.array([each.predict(features)[0][0, :, 0] for each in self._posteriors])

    def slopes(self, features: Array) -> Array:
        """Return the slopes of the means at `features` (m, p): shape (s, m, p)."""
        return np.array([each.gradients(features, _mean)[1][0] for each in self._posteriors])

    def mean_for(self, y: Array, means: Array, output: int = 0) -> Mean | None:
        """Return the mean function of outputs `y`; None if the sources say nothing about them.

        Args:
            y: Of standard deviation 1, shape (n,); lower is better.
            means: Of the sources at the same trials, shape (s, n).
            output: Which one `y` are.
        """
        rows = self.about(output)
        if not len(rows):
            return None
        means = means[rows]
        weights = ranking_weights(y, means)
        ensemble = weights @ means
        if doubtful(y, means):
            return None
        spread = float(np.std(ensemble)) if len(y) else 0.0
        correlation = 0.0
        if spread > 0 and np.std(y) > 0:
            correlation = float(np.mean((ensemble - ensemble.mean()) * (y - y.mean())) / spread)
        trials = max(len(y) - 1, 0)
        expected = EXPECTED * EXPECTED_TRIALS + correlation * trials
        factor = expected / (EXPECTED_TRIALS + trials) / max(spread, LEAST_SPREAD)
        if factor <= 0:
            return None
        constant = float(np.mean(y - factor * ensemble)) if len(y) else 0.0
        factors = np.zeros(len(self))
        factors[rows] = factor * weights
        return Mean(constant, factors)


def _outputs(trials: Data) -> Array:
    """Return the outputs of `trials`, in standard deviations, shape (n,)."""
    if trials.excess is not None:
        found = limits(trials.excess[:, 0])[-1]
        return found.values - found.bound
    losses = trials.main[~trials.failed]
    # The compressed ones, or the only ones where all are equal.
    return transforms(losses)[:2][-1].padded(len(trials.main) - len(losses)).values


def _mean(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
    """Return the prediction itself as an acquisition function."""
    return mean[..., 0], np.ones_like(mean), np.zeros_like(deviation)


class Shifted:
    """A surrogate whose outputs have mean functions.

    Args:
        posterior: Of what is left of the k outputs.
        sources: The earlier studies.
        means: Of each output; None without.
    """

    def __init__(
        self, posterior: gp.Posterior, sources: Sources, means: Sequence[Mean | None]
    ) -> None:
        self._posterior, self._sources = posterior, sources
        count = len(sources)
        self._constants = np.array([0.0 if each is None else each.constant for each in means])
        self._factors = np.array([np.zeros(count) if m is None else m.factors for m in means])
        self._tracked = np.empty((len(means), 0))

    def _shift(self, features: Array) -> Array:
        shift: Array = self._constants[:, None] + self._factors @ self._sources.means(features)
        return shift

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Return means (k, m, fantasies) and deviations (k, m) at `features` (m, p)."""
        mean, deviation = self._posterior.predict(features)
        return mean + self._shift(features)[:, :, None], deviation

    def track(self, features: Array) -> None:
        """Set the points that `tracked` predicts."""
        self._posterior.track(features)
        self._tracked = self._shift(features)

    def tracked(self) -> tuple[Array, Array]:
        """Return what `predict` returns at the points set by `track`."""
        mean, deviation = self._posterior.tracked()
        return mean + self._tracked[:, :, None], deviation

    def append(self, features: Array, normals: Array) -> Array:
        """Add a point without outcome; return fantasies of it, shape (k, fantasies)."""
        return self._posterior.append(features, normals) + self._shift(features[None])

    def gradients(self, features: Array, slopes: Slopes) -> tuple[Array, Array]:
        """Return an acquisition function and its slopes: (k, m) and (k, m, p)."""
        shift = self._shift(features)[:, :, None]
        kept: list[Array] = []

        def shifted(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
            values, by_mean, by_deviation = slopes(mean + shift, deviation)
            kept.append(by_mean.sum(axis=2))
            return values, by_mean, by_deviation

        values, gradient = self._posterior.gradients(features, shifted)
        rising = np.einsum("ks,smp->kmp", self._factors, self._sources.slopes(features))
        return values, gradient + kept[0][:, :, None] * rising


# ------------------------------------------------------------------- trials


def read(study: Study, space: SearchSpace, bounds: Sequence[Metric] = ()) -> Data:
    """Return the trials of an earlier `study` at their places in the unit cube of `space`.

    A value outside a range is at the place outside [0, 1] where it would be if the range went on;
    a parameter that the study lacks is NaN. Trials are in the order of their losses by its main
    objective, those first that violate none of the `bounds` on metrics that they reported.
    """
    observed = study.evaluated
    assignments = [trial.assignment for trial in observed]
    assignments += [trial.assignment for trial in study.failed]
    points = places(assignments, space)
    losses = np.full(len(points), np.inf)
    losses[: len(observed)] = study.losses_of(observed)[:, 0]
    violated = np.zeros(len(points))
    for bound in bounds:
        told = [trial.metrics.get(bound.name) for trial in observed]
        violated[: len(observed)] += [x is not None and bound.violation(x) > 0 for x in told]
    violated[len(observed) :] = np.inf
    order = np.lexsort((*points.T, losses, violated))
    return Data(points[order], losses[order, None], np.full(len(points), np.nan))


def read_metric(study: Study, space: SearchSpace, metric: Metric) -> Data | None:
    """Return the trials of an earlier `study` that reported a further metric; None without any.

    Args:
        metric: An objective, of which the result holds losses; or a constraint, of which it holds
            by how much it is violated, and losses of 0.
    """
    observed = [trial for trial in study.evaluated if metric.name in trial.metrics]
    if not observed:
        return None
    points = places([trial.assignment for trial in observed], space)
    durations = np.full(len(points), np.nan)
    if metric.bound is None:
        values = np.array([metric.loss(trial.metrics[metric.name]) for trial in observed])
        order = np.lexsort((*points.T, values))
        return Data(points[order], values[order, None], durations)
    beyond = excess(observed, [metric])
    order = np.lexsort((*points.T, beyond[:, 0]))
    return Data(points[order], np.zeros((len(points), 1)), durations, beyond[order])
