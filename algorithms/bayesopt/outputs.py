"""Losses as outputs for a Gaussian process: of mean 0 and variance 1, without heavy tails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from suggestion.space import Array

_DIGITS: Final = 9  # kept of an output, so that units of the objective leave no trace


@dataclass(frozen=True, slots=True)
class Outputs:
    """Losses after an increasing transform.

    Attributes:
        name: Of the transform.
        values: Mean 0 and variance 1, or all 0; shape (n,).
        log_jacobian: Sum of the logarithms of the transform's derivatives, by which likelihoods
            under different transforms are comparable.
    """

    name: str
    values: Array
    log_jacobian: float


def candidates(losses: Array) -> list[Outputs]:
    """Transforms to choose from, by how well the surrogate explains what they make of `losses`.

    Args:
        losses: Finite, shape (n,), n >= 1.
    """
    scaled = _robust(losses)
    if scaled is None:
        return [Outputs("plain", np.zeros(len(losses)), 0.0)]
    made = [_standardised("plain", scaled, np.zeros(len(losses)))]
    above = np.maximum(scaled, 0.0)
    # Above the median the logarithm, below it the identity.
    made.append(_standardised(
        "compressed",
        np.where(scaled > 0, np.log1p(above), scaled),
        -np.log1p(above),
    ))
    lowest = scaled - scaled.min()
    for share in (0.3, 0.03):
        made.append(_standardised(
            f"log {share}", np.log(lowest + share), -np.log(lowest + share)
        ))
    return [outputs for outputs in made if outputs is not None]


def _robust(losses: Array) -> Array | None:
    """`losses` with median 0 and the good half's spread 1; None if they are all equal."""
    top = float(np.abs(losses).max())
    if top == 0:
        return None
    values = losses / top  # differences of huge values would overflow
    values = values - np.median(values)
    good = -values[values < 0]
    spread = float(np.sqrt(np.mean(good**2))) if len(good) else 0.0
    if spread <= 1e-12:
        spread = float(np.std(values))
    if spread <= 1e-12:
        return None
    return np.asarray(values / spread)


def _standardised(name: str, values: Array, log_slopes: Array) -> Outputs | None:
    deviation = float(np.std(values))
    if not deviation > 1e-9:
        return None
    outputs = np.round((values - np.mean(values)) / deviation, _DIGITS)
    slope = float(np.sum(log_slopes)) - len(values) * float(np.log(deviation))
    return Outputs(name, outputs, slope)
