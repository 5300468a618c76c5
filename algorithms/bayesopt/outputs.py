"""Losses as outputs of a surrogate, with mean 0 and variance 1 whatever their units and tails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array

_DIGITS: Final = 9  # kept of an output, so that the unit of the objective has no influence
_DUST: Final = 1e-14  # relative differences below it are rounding errors
_LARGEST: Final = float(np.finfo(np.float64).max)
_MOST_EXCESS: Final = 1e6  # in units of the median one

#: Distances of the logarithm's pole below the lowest loss, in spreads of the good half.
LOG_SHIFTS: Final = (0.3, 0.03)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Losses after an increasing transform.

    Attributes:
        name: Name of the transform.
        values: Outputs of mean 0 and variance 1, or all 0; shape (n,).
        log_slopes: Logarithms of the transform's derivatives, shape (n,), which make likelihoods
            under different transforms comparable: the likelihood of a warped Gaussian process
            [Snelson2004]_.
        bound: The largest feasible output; infinite unless they are those of a constraint.
        losses_of: Returns the losses that have given outputs, of any shape; not of a constraint.

    .. [Snelson2004] E. Snelson, C. E. Rasmussen, Z. Ghahramani. Warped Gaussian processes. NeurIPS
       2003.
    """

    name: str
    values: Array
    log_slopes: Array
    bound: float = math.inf
    losses_of: Callable[[Array], Array] = np.asarray

    def padded(self, count: int) -> Outputs:
        """Append `count` failed trials, which are as bad as the worst."""
        worst = np.max(self.values) if len(self.values) else 0.0
        values = np.append(self.values, np.full(count, worst))
        return replace(self, values=values, log_slopes=np.append(self.log_slopes, np.zeros(count)))

    def take(self, rows: NDArray[np.intp]) -> Outputs:
        return replace(self, values=self.values[rows], log_slopes=self.log_slopes[rows])


def transforms(losses: Array) -> list[Outputs]:
    """Return `losses` under each transform that a surrogate may be fitted to.

    Plain; with the logarithm above the median, for long tails and divergence; and as the logarithm
    of the distance from a point below the lowest, for losses over many orders of magnitude.

    Args:
        losses: Finite, shape (n,), n >= 1.
    """
    scaled = _scaled(losses)
    if scaled is None:
        zeros = np.zeros(len(losses))
        return [Outputs("plain", zeros, zeros, losses_of=lambda y: np.full(y.shape, losses[0]))]
    # Of the lowest and the highest loss, whose distance is the largest.
    ends = np.argmin(scaled), np.argmax(scaled)
    low, high = (float(losses[k]) for k in ends)
    lowest, span = float(scaled[ends[0]]), float(scaled[ends[1]] - scaled[ends[0]])

    def losses_of(found: Array) -> Array:
        share = np.clip((found - lowest) / span, -1.0, 2.0)  # exponentials may be infinite
        return np.clip(low * (1 - share) + high * share, -_LARGEST, _LARGEST)

    above = np.log1p(np.maximum(scaled, 0.0))
    made = [
        _standardised("plain", scaled, np.zeros(len(losses)), losses_of),
        _standardised(
            "compressed",
            np.where(scaled > 0, above, scaled),
            -above,
            lambda found: losses_of(np.where(found > 0, np.expm1(np.maximum(found, 0.0)), found)),
        ),
    ]

    def from_logs(shift: float, found: Array) -> Array:
        return losses_of(np.exp(found) + lowest - shift)

    for shift in LOG_SHIFTS:
        logs = np.log(scaled - lowest + shift)
        made.append(_standardised(f"log {shift}", logs, -logs, partial(from_logs, shift)))
    return made


def limits(excess: Array) -> list[Outputs]:
    """Return by how much trials exceed a bound under each transform that is fitted.

    Plain, and with logarithms on both sides of the bound, which show best where it is crossed
    [Eriksson2021]_. A trial without the metric exceeds it as much as the worst one.

    Args:
        excess: Negative where the constraint is met, NaN where the metric is lacking; shape (n,).

    .. [Eriksson2021] D. Eriksson, M. Poloczek. Scalable constrained Bayesian optimization. AISTATS
       2021.
    """
    if not len(excess):
        return [Outputs("none", excess, excess, 0.0)]
    known = np.abs(excess[~np.isnan(excess) & (excess != 0)])
    unit = float(np.quantile(known, 0.5, method="lower")) if len(known) else 1.0
    with np.errstate(over="ignore"):
        scaled = np.clip(excess / unit, -_MOST_EXCESS, _MOST_EXCESS)
    scaled = np.where(np.isnan(scaled), np.nanmax(np.append(scaled, 1.0)), scaled)
    logs = np.log1p(np.abs(scaled))
    made = []
    for name, values, log_slopes in (
        ("plain", scaled, np.zeros(len(excess))),
        ("two-sided log", np.sign(scaled) * logs, -logs),
    ):
        mean, deviation = float(np.mean(values)), float(np.std(values))
        if deviation <= _DUST * float(np.abs(values).max()):  # all are equal
            deviation = 1.0
            values = np.full(len(values), mean)  # noqa: PLW2901
        outputs = np.round((values - mean) / deviation, _DIGITS)
        slopes = np.round(log_slopes - np.log(deviation), _DIGITS)
        made.append(Outputs(name, outputs, slopes, round(-mean / deviation, _DIGITS)))
    return made


def _scaled(losses: Array) -> Array | None:
    """Return `losses` with median 0 and a spread of 1 below it; None if they are all equal."""
    values = losses / 2 - np.median(losses / 2)  # halves, because differences can overflow
    largest = float(np.abs(values).max())
    if largest <= _DUST * float(np.abs(losses).max()):
        return None
    values /= largest
    good = values[values < 0]
    spread = float(np.sqrt(np.mean(good**2))) if len(good) else 0.0
    if spread <= _DUST:  # more than half are equal, or one is extremely large
        spread = float(np.sqrt(np.mean(values**2)))
    return np.asarray(values / spread)


def _standardised(
    name: str, values: Array, log_slopes: Array, losses_of: Callable[[Array], Array]
) -> Outputs:
    """Return `values` with mean 0 and variance 1.

    Args:
        losses_of: Returns the losses that have given values.
    """
    mean, deviation = np.mean(values), float(np.std(values))
    outputs = np.round((values - mean) / deviation, _DIGITS)

    def inverse(found: Array) -> Array:
        with np.errstate(over="ignore"):
            return losses_of(found * deviation + mean)

    slopes = np.round(log_slopes - np.log(deviation), _DIGITS)
    return Outputs(name, outputs, slopes, losses_of=inverse)
