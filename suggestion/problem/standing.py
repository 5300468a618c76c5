"""What trials are compared by, one at a time; `tradeoffs` compares many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence


def standing(losses: Sequence[float], violations: Sequence[float]) -> tuple[float, ...]:
    """Return what tells which of two trials is better: the one whose tuple is less.

    Feasible trials come first, and by their losses, the main one first; others by the number of
    metrics that are lacking, and then by the sum of their violations.

    Args:
        losses: Of each objective, the main one first; lower is better, and all are finite.
        violations: Of each constraint: 0 where it is met, infinite where its metric is lacking.
    """
    known = [each for each in violations if math.isfinite(each)]
    return (len(violations) - len(known), math.fsum(known), *losses)
