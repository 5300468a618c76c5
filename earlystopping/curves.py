"""What a learning curve comes to by a step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import isnan


def finite(losses: Sequence[float], step: int) -> list[float]:
    """Return those of the first `step` entries of `losses` that are not nan."""
    return [loss for loss in islice(losses, step) if not isnan(loss)]


def best(losses: Sequence[float], step: int) -> float | None:
    """Return the lowest of the first `step` entries of `losses`; None if all of them are nan."""
    return min(finite(losses, step), default=None)


def latest(losses: Sequence[float], step: int) -> float | None:
    """Return the last of the first `step` entries of `losses` that is not nan, if there is one."""
    return next(reversed(finite(losses, step)), None)
