"""Losses as outputs of a surrogate, with mean 0 and variance 1 whatever their units and tails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array

_DIGITS: Final = 9  # kept of an output, so that the unit of the objective has no influence
_DUST: Final = 1e-14  # relative differences below it are rounding errors

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

    .. [Snelson2004] E. Snelson, C. E. Rasmussen, Z. Ghahramani. Warped Gaussian processes. NeurIPS
       2003.
    """

    name: str
    values: Array
    log_slopes: Array

    def padded(self, count: int) -> Outputs:
        """Append `count` failed trials, which are as bad as the worst."""
        worst = np.max(self.values) if len(self.values) else 0.0
        values = np.append(self.values, np.full(count, worst))
        return Outputs(self.name, values, np.append(self.log_slopes, np.zeros(count)))

    def take(self, rows: NDArray[np.intp]) -> Outputs:
        return Outputs(self.name, self.values[rows], self.log_slopes[rows])


def transforms(losses: Array) -> list[Outputs]:
    """Return `losses` under each transform that a surrogate may be fitted to.

    Plain; with the logarithm above the median, for long tails and divergence; and as the logarithm
    of the distance from a point below the lowest, for losses over many orders of magnitude.

    Args:
        losses: Finite, shape (n,), n >= 1.
    """
    scaled = _scaled(losses)
    if scaled is None:
        return [Outputs("plain", np.zeros(len(losses)), np.zeros(len(losses)))]
    above = np.log1p(np.maximum(scaled, 0.0))
    made = [
        _standardised("plain", scaled, np.zeros(len(losses))),
        _standardised("compressed", np.where(scaled > 0, above, scaled), -above),
    ]
    for shift in LOG_SHIFTS:
        logs = np.log(scaled - np.min(scaled) + shift)
        made.append(_standardised(f"log {shift}", logs, -logs))
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


def _standardised(name: str, values: Array, log_slopes: Array) -> Outputs:
    deviation = float(np.std(values))
    outputs = np.round((values - np.mean(values)) / deviation, _DIGITS)
    return Outputs(name, outputs, np.round(log_slopes - np.log(deviation), _DIGITS))
