"""Fit Gaussian processes to losses under several transforms, and judge those by their evidence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.bayesopt import earlier, gp
from suggestion.algorithms.bayesopt.outputs import Outputs
from suggestion.problem.deadline import Deadline
from suggestion.problem.parameters import Array

_LOGGER: Final = logging.getLogger(__name__)

#: Largest number of averaged surrogates, the power of their evidence, and the least log weight.
MOST_MEMBERS: Final = 3
TEMPERING: Final = 0.3
LEAST_LOG_WEIGHT: Final = -2.5
#: The log weight of a transform below which stronger ones are not tried.
HOPELESS_LOG_WEIGHT: Final = -3.5
#: Seconds before the deadline at which the search ends with the best points so far.
RESERVE: Final = 3.0


class TimeBudget:
    """Whether there is time for another step; logs once when there is not."""

    def __init__(self, deadline: Deadline, name: str) -> None:
        self._deadline, self._name = deadline, name
        self._lost = False

    def __call__(self) -> bool:
        if not self._lost and self._deadline.remaining() < RESERVE:
            self._lost = True
            _LOGGER.warning(
                "experiment %r: less than %g s before the deadline; using the best points so far",
                self._name,
                RESERVE,
            )
        return not self._lost


@dataclass(frozen=True, slots=True)
class Member:
    """A surrogate of the losses under one transform.

    Attributes:
        log_weight: How probable it is, in log.
        outputs: The losses under the transform.
        y: What the Gaussian process is fitted to, shape (n,).
        fitted: Its hyperparameters.
        mean: What was subtracted from the transformed losses; None for nothing.
    """

    log_weight: float
    outputs: Outputs
    y: Array
    fitted: gp.Hyperparameters
    mean: earlier.Mean | None = None


@dataclass(frozen=True, slots=True)
class Fitter:
    """Fits one Gaussian process to each of several transforms of the same values.

    Attributes:
        inputs: Features of the trials, shape (n, p).
        groups: Parameter of each feature, shape (p,).
        rows: The trials that hyperparameters are fitted to.
        go_on: Whether there is time for another step.
    """

    inputs: Array
    groups: NDArray[np.intp]
    rows: NDArray[np.intp]
    go_on: Callable[[], bool]

    def fits(
        self,
        transformed: Sequence[Outputs],
        sources: earlier.Sources | None = None,
        output: int = 0,
    ) -> list[Member]:
        """Fit each of `transformed`; return them all, the most probable first.

        With earlier studies, `sources`, each is fitted with their mean function for `output` and
        without.
        """
        inputs = self.inputs[self.rows]
        found: list[Member] = []
        at_trials = None if sources is None else sources.means(self.inputs)
        plain: list[float] = []
        for outputs in transformed:
            if found and not self.go_on():
                break
            warm = found[0].fitted if found else None
            slopes = float(np.sum(outputs.log_slopes[self.rows]))
            if sources is not None and at_trials is not None:
                mean = sources.mean_for(outputs.values, at_trials, output)
                if mean is not None:
                    left = outputs.values - mean.at(at_trials)
                    fitted = self._fit(inputs, left, warm)
                    score = slopes - fitted.loss + earlier.ADVANTAGE / TEMPERING
                    found.append(Member(score, outputs, left, fitted, mean))
            fitted = self._fit(inputs, outputs.values, warm)
            found.append(Member(slopes - fitted.loss, outputs, outputs.values, fitted))
            plain.append(slopes - fitted.loss)
            if _gone_too_far(plain):
                break
        found.sort(key=lambda member: -member.log_weight)
        return found

    def _fit(self, inputs: Array, y: Array, warm: gp.Hyperparameters | None) -> gp.Hyperparameters:
        return gp.fit(inputs, self.groups, y[self.rows], warm=warm, go_on=self.go_on)


def probable(found: Sequence[Member]) -> list[Member]:
    """Return those of `found`, the most probable first, that count, with tempered log weights.

    Differences of log likelihoods are multiplied by `TEMPERING`, because few trials do not
    distinguish transforms as surely as a likelihood that takes the kernel for true.
    """
    scores = [TEMPERING * (member.log_weight - found[0].log_weight) for member in found]
    return [
        replace(member, log_weight=score)
        for member, score in zip(found[:MOST_MEMBERS], scores, strict=False)
        if score > LEAST_LOG_WEIGHT
    ]


def posterior(
    members: Sequence[Member],
    inputs: Array,
    groups: NDArray[np.intp],
    sources: earlier.Sources | None,
) -> gp.Posterior | earlier.Shifted:
    """Return the surrogate whose outputs are those of `members`, at the trials `inputs` (n, p)."""
    y = np.array([member.y for member in members])
    made = gp.Posterior([member.fitted for member in members], inputs, groups, y)
    if sources is None:
        return made
    return earlier.Shifted(made, sources, [member.mean for member in members])


def _gone_too_far(scores: Sequence[float]) -> bool:
    """Whether the last transform explains the losses worse than the one before, and hopelessly.

    Transforms are ordered by strength, and their scores rise to the best one and fall after it, so
    later ones need no fit. How often that holds: docs/research/bayesopt.md.
    """
    if len(scores) < 2 or scores[-1] >= scores[-2]:
        return False
    return TEMPERING * (scores[-1] - max(scores)) < HOPELESS_LOG_WEIGHT
