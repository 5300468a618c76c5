"""Quantiles of running averages, used by medianstop and percentilestop."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import floor, fsum, isnan
from typing import Final

from suggestion.earlystopping.rule import Curve, Threshold

_SCALE: Final = 2.0**-64  # keeps a sum of the largest floats within their range


def threshold(
    curves: Sequence[Curve], *, quantile: float, step: int, min_trials_required: int
) -> Threshold | None:
    """Return the `quantile` of the running averages of `curves` up to `step` [Golovin2017]_, 3.2.

    Args:
        curves: Curves of completed trials.
        quantile: Quantile in [0, 1], counted from the best: 0 is the lowest average.
        step: Number of reports in each average, and report at which trials are compared.
        min_trials_required: Number of averages below which there is no threshold.
    """
    averages = [
        average for curve in curves if (average := running_average(curve.losses, step)) is not None
    ]
    if len(averages) < max(min_trials_required, 1):
        return None
    return Threshold(interpolated(averages, quantile), step)


def running_average(losses: Sequence[float], step: int) -> float | None:
    """Return the mean of the first `step` entries of `losses` that are not nan; None if there is
    none.

    It is correct to the last digit or two, and never outside the range of the entries: a trial that
    is as good as those it is compared with is never worse than their mean.
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
    """Return the `quantile` of `values` (finite, at least one), linear between sorted neighbours.

    The quantile 0.5 is the median: the middle value, or the mean of the two in the middle.
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
