"""Quantiles of what completed trials came to by a step, used by medianstop and percentilestop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import floor, fsum
from typing import Final

from suggestion.earlystopping.curves import best, finite, latest
from suggestion.earlystopping.rule import Curve, Threshold

_SCALE: Final = 2.0**-64  # keeps a sum of the largest floats within their range


def threshold(
    curves: Sequence[Curve],
    *,
    quantile: float,
    step: int,
    min_trials_required: int,
    compare: str = "average",
) -> Threshold | None:
    """Return the `quantile` of what `curves` come to by `step` [Golovin2017]_, 3.2.

    Args:
        curves: Curves of completed trials.
        quantile: Quantile in [0, 1], counted from the best: 0 is the lowest value.
        step: Number of reports of each curve that count, and report at which trials are compared.
        min_trials_required: Number of curves with a value below which there is no threshold.
        compare: What a curve comes to: ``average``, ``best`` or ``latest`` of its reports.
    """
    value_of = _VALUES[compare]
    values = [value for curve in curves if (value := value_of(curve.losses, step)) is not None]
    if len(values) < max(min_trials_required, 1):
        return None
    return Threshold(interpolated(values, quantile), step)


def running_average(losses: Sequence[float], step: int) -> float | None:
    """Return the mean of the first `step` entries of `losses` that are not nan; None if there is
    none.

    It is correct to the last digit or two, and never outside the range of the entries: a trial that
    is as good as those it is compared with is never worse than their mean.
    """
    known = finite(losses, step)
    if not known:
        return None
    try:
        mean = fsum(known) / len(known)
    except OverflowError:
        mean = fsum(loss * _SCALE for loss in known) / len(known) / _SCALE
    return min(max(mean, min(known)), max(known))


_VALUES: Final[Mapping[str, Callable[[Sequence[float], int], float | None]]] = {
    "average": running_average,
    "best": best,
    "latest": latest,
}


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
