"""Quantiles of running averages: what medianstop and percentilestop compare with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import floor, fsum, isnan
from typing import Final

from earlystopping.rule import Curve, Threshold

_SCALE: Final = 2.0**-64  # keeps a sum of the largest floats within their range


def threshold(
    curves: Sequence[Curve], *, quantile: float, step: int, min_trials_required: int
) -> Threshold | None:
    """The `quantile` of the running averages of `curves` up to `step` [Golovin2017]_, section 3.2.

    Args:
        curves: Of completed trials.
        quantile: In [0, 1], counted from the best: 0 is the lowest average.
        step: Reports that each average is taken over, and at which trials are compared.
        min_trials_required: With fewer averages there is no threshold.
    """
    averages = [
        average for curve in curves if (average := running_average(curve.losses, step)) is not None
    ]
    if len(averages) < max(min_trials_required, 1):
        return None
    return Threshold(interpolated(averages, quantile), step)


def running_average(losses: Sequence[float], step: int) -> float | None:
    """The mean of the first `step` entries of `losses` that are not nan; None if there is none.

    Correct to the last digit or two, between the smallest and the largest entry even so: a trial
    that is as good as those it is compared with is never worse than their mean.
    """
    finite = [loss for loss in islice(losses, step) if not isnan(loss)]
    if not finite:
        return None
    try:
        mean = fsum(finite) / len(finite)
    except OverflowError:
        mean = fsum(loss * _SCALE for loss in finite) / len(finite) / _SCALE
    return min(max(mean, min(finite)), max(finite))


def interpolated(values: Sequence[float], quantile: float) -> float:
    """The `quantile` of `values` (finite, at least one), linear between neighbours in order.

    Of 0.5 it is the median: the middle value, or the mean of the two in the middle.
    """
    ordered = sorted(values)
    position = quantile * (len(ordered) - 1)
    below = floor(position)
    share = position - below
    if not share:
        return ordered[below]
    low, high = ordered[below], ordered[below + 1]
    # Weighted, since `high - low` may overflow.
    return min(max(low * (1 - share) + high * share, low), high)
