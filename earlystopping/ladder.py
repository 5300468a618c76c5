"""Rungs at which trials are compared with each other, used by asha and hyperband."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Final

from suggestion.earlystopping.curves import best
from suggestion.earlystopping.rule import MAX_STEP, Curve
from suggestion.engine.settings import setting

#: The least `eta`: below it, rungs would be nearly as many as steps.
LEAST_ETA: Final = 1.1
#: The largest `eta`: nothing is stopped before a rung has nearly as many trials.
MOST_ETA: Final = 1000.0
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


def upwards(least: int, eta: float) -> tuple[int, ...]:
    """Return ``least * eta**k``, rounded down, for k = 0, 1, ... up to `MAX_STEP`."""
    rungs: list[int] = []
    exponent = 0
    while (rung := math.floor(least * eta**exponent)) <= MAX_STEP:
        if not rungs or rung > rungs[-1]:
            rungs.append(rung)
        exponent += 1
    return tuple(rungs)


def downwards(most: int, least: int, eta: float) -> tuple[int, ...]:
    """Return ``most / eta**s``, rounded down, for s = 1, 2, ... down to `least`, in ascending
    order.
    """
    rungs: set[int] = set()
    exponent = 1
    while (rung := most / eta**exponent) >= least:
        rungs.add(math.floor(rung))
        exponent += 1
    return tuple(sorted(rungs))


def bracket(number: int, brackets: int, eta: float) -> int:
    """Return the bracket of trial `number`, below `brackets`; bracket 0 begins at the lowest rung.

    The brackets get trials in the proportions of Hyperband [Li2018]_, algorithm 1: of `brackets`
    ones, bracket b gets a share proportional to ``eta**s / (s + 1)`` with s = brackets - 1 - b.
    Numbers in a row are spread over the brackets by multiples of the golden ratio.
    """
    shares = [eta**s / (s + 1) for s in reversed(range(brackets))]
    place = number * _GOLDEN % 1.0 * math.fsum(shares)
    for index, share in enumerate(shares):
        place -= share
        if place < 0:
            return index
    return brackets - 1


def limit(curves: Sequence[Curve], step: int, eta: float) -> float | None:
    """Return the loss by report `step` up to which a further trial is among the best 1/eta.

    The further trial counts too: of n trials in all, floor(n / eta) continue.

    Args:
        curves: Curves of the other trials. One with fewer than `step` reports does not count.

    Returns:
        The loss; None if there are too few trials to stop any.
    """
    reached = [curve.losses for curve in curves if len(curve.losses) >= step]
    known = sorted(loss for losses in reached if (loss := best(losses, step)) is not None)
    kept = math.floor((len(known) + 1) / eta)
    return known[kept - 1] if kept else None


def eta_setting() -> float:
    """Return the field of a rule for the setting ``eta``."""
    return setting(
        3.0,
        at_least=LEAST_ETA,
        at_most=MOST_ETA,
        help="The best 1/eta of the trials continue at a rung; rungs grow by this factor.",
    )


class Halving:
    """What rules have in common that let the best 1/eta of the trials continue at each rung."""

    unfinished: ClassVar[bool] = True
    min_trials_required: ClassVar[int] = 0

    eta: float

    @property
    def rungs(self) -> tuple[int, ...]:
        """All rungs, as numbers of reports, in ascending order."""
        raise NotImplementedError

    def step_after(self, step: int) -> int | None:
        """Return the first rung after report `step`; None after the last one."""
        return next((rung for rung in self.rungs if rung > step), None)

    def loss_at(self, step: int, curves: Sequence[Curve]) -> float | None:
        """Return the loss up to which a trial continues at the rung `step`; None for any."""
        return limit(curves, step, self.eta)
