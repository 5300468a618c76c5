"""Which of the trials to use, by the surrogate's estimates of their losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from suggestion.algorithms.bayesopt import evidence, gp
from suggestion.algorithms.bayesopt.fitting import TimeBudget, probable
from suggestion.engine.recommending import Recommendation
from suggestion.problem.parameters import Array
from suggestion.problem.study import Study

#: Least number of feasible trials that are compared by their estimates.
FEWEST: Final = 10
#: Largest number of trials that are compared: those with the lowest losses.
MOST: Final = 256
#: How many deviations of the noise a recommended trial's loss may be above the lowest one, and by
#: how many of its own the estimated difference must be clear: docs/research/bayesopt.md.
WITHIN: Final = 2.0
CLEAR: Final = 1.0


def recommend(study: Study) -> Recommendation | None:
    """Return the feasible trial with the lowest estimated loss, or the best one if that may be it.

    The estimate is the loss at the posterior mean under each transform that suggestions average
    over, averaged with the same weights. Another trial than the best one is recommended where noise
    explains why its loss is higher, and its posterior mean is lower by more than one standard
    deviation of the difference. Else a function with detail that the model takes for noise would
    lose its best trial.

    Earlier studies are not used: the estimates are those of the study's own trials.
    """
    if len(study.problem.objectives) > 1:
        return None
    losses = study.losses[:, 0]
    feasible = np.flatnonzero((study.violations_of(study.observations) <= 0).all(axis=1))
    if len(feasible) < FEWEST:
        return None
    rows = feasible[np.argsort(losses[feasible], kind="stable")[:MOST]]
    nothing = np.empty((0, study.space.dimension))
    go_on = TimeBudget(study.deadline, study.name)
    known = evidence.collect(replace(study, prior=()), nothing, go_on)
    if not known.features.dimension:
        return None
    members = probable(known.fitter().fits(known.losses[0]))
    surrogate = gp.Posterior(
        [member.fitted for member in members],
        known.inputs,
        known.features.groups,
        np.array([member.y for member in members]),
    )
    weights = np.exp([member.log_weight for member in members])
    weights /= weights.sum()

    def mean_loss(outputs: Sequence[Array]) -> Array:
        return weights @ [m.outputs.losses_of(y) for m, y in zip(members, outputs, strict=True)]

    points = known.features(
        study.space.encode([study.observations[row].assignment for row in rows])
    )
    predicted, deviations = surrogate.predict(points)
    means = predicted[:, :, 0]
    estimates = mean_loss([*means])
    # The first one that the model knows is the best one, which is feasible.
    reach = mean_loss([m.outputs.values[:1] + WITHIN * np.sqrt(m.fitted.noise) for m in members])
    plausible = np.flatnonzero(losses[rows] <= max(reach[0], losses[rows[0]]))
    chosen = plausible[np.argmin(estimates[plausible])]
    gain = weights @ (means[:, 0] - means[:, chosen])
    covariance = surrogate.covariances(points[[chosen]], points[0])[:, 0]
    variance = weights @ (deviations[:, 0] ** 2 + deviations[:, chosen] ** 2 - 2 * covariance)
    if gain <= CLEAR * math.sqrt(max(float(variance), 0.0)):
        chosen = 0
    low, high = mean_loss([*(means - deviations)]), mean_loss([*(means + deviations)])
    trial = study.observations[rows[chosen]]
    return Recommendation(trial, float(estimates[chosen]), float((high - low)[chosen] / 2))
