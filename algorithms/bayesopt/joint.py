"""Several objectives and constraints on metrics: one surrogate with an output for each.

The acquisition function is the expected improvement, of the loss or of the hypervolume, times the
probability that the constraints are met, in logarithms and averaged over fantasies of pending
outcomes. Before there is a feasible trial it is that probability alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from suggestion.algorithms.bayesopt.evidence import Evidence
from suggestion.algorithms.bayesopt.fitting import posterior
from suggestion.algorithms.bayesopt.gains import (
    RAYS,
    Feasibility,
    Gain,
    Improvement,
    Rays,
    Strips,
    directions,
    front_of,
    log_mean,
)
from suggestion.algorithms.bayesopt.model import Cost, Prior, Surrogate, fantasies, prediction
from suggestion.numerics import randomness
from suggestion.problem.parameters import Array
from suggestion.problem.tradeoffs import nondominated

#: Transforms of a loss that are tried with several objectives: those that keep distances among
#: good trials, in which hypervolumes are measured.
TRANSFORMS: Final = 2
#: How far the reference point is beyond the worst of the front, in ranges of all feasible trials.
#: In ranges of the front, a search stays where it first found two points.
BEYOND: Final = 0.3
#: Largest number of points of a front that are used.
MOST_FRONT: Final = 64
#: Number of points of the front, or of the least violated trials, around which others are tried.
INCUMBENTS: Final = 8

_NUMBERS: Final = 2**16  # that are computed together, for memory


class SeveralOutputs:
    """The surrogate of several objectives, of constraints, or of both.

    Args:
        known: What it is fitted to.

    Attributes:
        incumbents: Points of the front of feasible trials, or the least violated; (k, dimension).
    """

    def __init__(self, known: Evidence) -> None:
        fitter, count = known.fitter(), len(known.losses)
        members = []
        for index, losses in enumerate(known.losses):
            tried = losses[:TRANSFORMS] if count > 1 else losses
            members.append(fitter.fits(tried, known.sources, index)[0])
        bounds = [
            fitter.fits(each, known.sources, output)[0]
            for output, each in enumerate(known.limits, count)
        ]
        groups = known.features.groups
        self._surrogate = posterior([*members, *bounds], known.inputs, groups, known.sources)
        self._bounds = np.array([each.outputs.bound for each in bounds])
        self._guided = known.sources is not None or not bounds
        rows = np.flatnonzero(known.trials.feasible)
        means, _ = self._surrogate.predict(known.inputs[rows])
        #: Mean losses of the feasible trials, shape (n, number of objectives).
        self._found = means[:count, :, 0].T
        best = nondominated(self._found)
        front = rows[best][np.argsort(self._found[best, 0], kind="stable")]
        places = np.linspace(0, len(front) - 1, min(INCUMBENTS, len(front))).round()
        used = front[places.astype(np.intp)] if len(front) else slice(0, INCUMBENTS)
        points = np.vstack([known.trials.points[used], known.learned()])
        self.incumbents = np.where(np.isnan(points), 0.5, points)

    def model(self, candidates: Array, prior: Prior, cost: Cost | None) -> Joint:
        """Return the model that knows `candidates`, features of shape (m, p)."""
        return Joint(
            self._surrogate, self._found, self._bounds, self._guided, candidates, prior, cost
        )


class Joint:
    """A surrogate of several outputs with pending trials.

    Args:
        surrogate: The objectives, then the constraints.
        found: Losses of the feasible trials, shape (n, number of objectives).
        bounds: The largest feasible output of each constraint, shape (number of constraints,).
        guided: Whether the main objective says where to begin before there is a feasible trial.
        candidates: Features of the points that a search starts from, shape (m, p).
        prior: Factor of acquisition functions.
        cost: Divisor of acquisition functions, or None.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        found: Array,
        bounds: Array,
        guided: bool,
        candidates: Array,
        prior: Prior,
        cost: Cost | None,
    ) -> None:
        self.surrogate, self.prior, self.cost = surrogate, prior, cost
        self.objectives = found.shape[1]
        self._bounds, self._guided = bounds, guided
        self._known = len(found) > 0
        self._reference = reference_of(found) if self._known else np.zeros(self.objectives)
        #: Losses of the feasible trials and fantasies, inf for infeasible fantasies; shape
        #: (fantasies, n, number of objectives).
        self._found = found[None]
        self.at_candidates, _ = prior(candidates)
        surrogate.track(candidates)
        if cost is not None:
            cost.surrogate.track(candidates)

    def append(self, features: Array, rng: np.random.Generator) -> None:
        """Add fantasies of a pending point, shape (p,)."""
        outputs = self.objectives + len(self._bounds)
        normals = np.array([fantasies(rng) for _ in range(outputs)])
        outcomes = self.surrogate.append(features, normals)
        losses, limited = outcomes[: self.objectives], outcomes[self.objectives :]
        met = (limited <= self._bounds[:, None]).all(axis=0)
        added = np.where(met, losses, np.inf).T[:, None]
        before = np.broadcast_to(self._found, (len(added), *self._found.shape[1:]))
        self._found = np.concatenate([before, added], axis=1)

    def criterion(self, index: int, later: bool) -> JointCriterion:
        """Return the function for suggestion `index`, the same for `later` ones of a reply."""
        gains: list[tuple[slice, Gain]] = []
        if self._known:
            gains.append((slice(0, self.objectives), self._improvement(index)))
        elif self._guided:  # towards what earlier studies predict
            lowest = self.surrogate.tracked()[0][0].min(axis=0)
            gains.append((slice(0, 1), Improvement(lowest)))
        if len(self._bounds):
            gains.append((slice(self.objectives, None), Feasibility(self._bounds)))
        return JointCriterion(self, gains, self._weights())

    def _improvement(self, index: int) -> Gain:
        if self.objectives == 1:
            return Improvement(self._found[:, :, 0].min(axis=1))
        fronts = [front_of(each, self._reference, MOST_FRONT) for each in self._found]
        if self.objectives == 2:
            return Strips(fronts, self._reference)
        rng = randomness.generator(index, "rays")
        return Rays(fronts, self._reference, directions(RAYS, self.objectives, rng))

    def _weights(self) -> Array:
        """Return the logarithms of the weights of fantasies, shape (fantasies,).

        Before there is a feasible trial, fantasies count in which none of the pending trials is
        feasible either, as long as there are any: so a batch is spread out.
        """
        closed = np.asarray(np.isfinite(self._found).all(axis=2)).any(axis=1)
        if self._known or closed.all():
            return np.zeros(len(self._found))
        return np.where(closed, -np.inf, 0.0)


class JointCriterion:
    """The acquisition function over several outputs, which a search maximises.

    Attributes:
        tracked: Values at the candidates, shape (m,).
    """

    def __init__(
        self, joint: Joint, gains: Sequence[tuple[slice, Gain]], log_weights: Array
    ) -> None:
        self._joint, self._gains, self._log_weights = joint, gains, log_weights
        mean, deviation = joint.surrogate.tracked()
        self.tracked = self._expected(mean, deviation) + joint.at_candidates
        if joint.cost is not None:
            times, _ = joint.cost.surrogate.tracked()
            self.tracked = self.tracked - joint.cost.scale * times[0, :, 0]

    def _expected(self, mean: Array, deviation: Array) -> Array:
        """Return the logarithm of the expected gain, a bounded number of points at a time."""
        rows = max(_NUMBERS // max(gain.size for _, gain in self._gains), 1)
        return np.concatenate(
            [
                self._terms(mean[:, start : start + rows], deviation[:, start : start + rows])[0]
                for start in range(0, max(deviation.shape[1], 1), rows)
            ]
        )

    def _terms(self, mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
        """Return values (m,), and slopes by means (k, m, fantasies) and deviations (k, m)."""
        found = [gain.terms(mean[part], deviation[part]) for part, gain in self._gains]
        logs = self._log_weights + sum(each.logs for each in found)
        values, shares = log_mean(logs)
        by_mean, by_deviation = np.zeros(mean.shape), np.zeros(deviation.shape)
        for (part, _), each in zip(self._gains, found, strict=True):
            by_mean[part] = shares * each.by_mean
            by_deviation[part] = (shares * each.by_deviation).sum(axis=-1)
        return values, by_mean, by_deviation

    def values(self, features: Array) -> Array:
        """Return values at `features`, shape (m, p): shape (m,)."""
        joint = self._joint
        values = self._expected(*joint.surrogate.predict(features)) + joint.prior(features)[0]
        if joint.cost is not None:
            times, _ = joint.cost.surrogate.predict(features)
            values = values - joint.cost.scale * times[0, :, 0]
        return values

    def gradients(self, features: Array) -> tuple[Array, Array]:
        """Return values (m,) and slopes (m, p) at `features`."""
        joint = self._joint

        def slopes(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
            values, by_mean, by_deviation = self._terms(mean, deviation)
            return np.broadcast_to(values, deviation.shape), by_mean, by_deviation

        found, by_outputs = joint.surrogate.gradients(features, slopes)
        prior, by_prior = joint.prior(features)
        values, total = found[0] + prior, by_outputs.sum(axis=0) + by_prior
        if joint.cost is not None:
            times, by_time = joint.cost.surrogate.gradients(features, prediction)
            values = values - joint.cost.scale * times[0]
            total = total - joint.cost.scale * by_time[0]
        return values, total


def reference_of(found: Array) -> Array:
    """Return the reference point of the hypervolume of points, shape (n, k), n >= 1.

    In each output it is `BEYOND` ranges of all points worse than the worst of the front.
    """
    worst = found[nondominated(found)].max(axis=0)
    width = found.max(axis=0) - found.min(axis=0)
    reference: Array = worst + BEYOND * np.where(width > 0, width, 1.0)
    return reference
