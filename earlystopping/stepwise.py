"""Rules that judge a trial again and again: the next rule of a trial that has come to a step.

A collector in a cluster asks once, before the trial begins, and gets the first rule. A runner that
asks again says which trial asks and how many reports it has made.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, runtime_checkable

from suggestion.earlystopping.curves import best
from suggestion.earlystopping.rule import Curve, Threshold

#: No loss is above it: the threshold of a step at which nothing can be decided yet.
OUT_OF_REACH: Final = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Asking:
    """The trial whose next rule is asked for.

    Attributes:
        trial: Its name.
        step: Number of reports that it has made, at least 0.
    """

    trial: str
    step: int


@runtime_checkable
class Stepwise(Protocol):
    """A rule that judges a trial at several steps.

    Its methods are functions of their arguments, independent of the order of curves.

    Class attributes:
        unfinished: Whether trials that run or were stopped early count too, not only those that
            succeeded.
    """

    unfinished: ClassVar[bool]

    def step_at(self, step: int) -> int | None:
        """Return the last step up to `step` at which trials are judged; None before the first."""
        ...

    def step_after(self, step: int) -> int | None:
        """Return the first step after `step` at which trials are judged; None if there is none."""
        ...

    def loss_at(self, step: int, curves: Sequence[Curve]) -> float | None:
        """Return the loss above which a trial is stopped at `step`.

        Args:
            curves: Curves of the other trials that count.

        Returns:
            The loss; None if they are too few to stop any.
        """
        ...


def horizon(rule: Stepwise, asking: Asking) -> int:
    """Return the number of reports of each trial that `next_threshold` reads, a power of two.

    A rounded number lets what has been read for one step serve the following ones.
    """
    return 1 << ((rule.step_after(asking.step) or max(asking.step, 1)) - 1).bit_length()


def next_threshold(rule: Stepwise, asking: Asking, curves: Sequence[Curve]) -> Threshold | None:
    """Return the next threshold of the trial that asks; None if it is not judged any more.

    If the trial's best loss so far is above the loss at the last step that it has reached, it is
    the threshold of that step: whoever applies it stops the trial at once. Else it is the
    threshold of the next step, `OUT_OF_REACH` if it is not known yet.

    Args:
        curves: Curves of all trials that count, that of the trial itself included, if it is known.
    """
    others = [curve for curve in curves if curve.trial != asking.trial]
    reached = rule.step_at(asking.step)
    if reached is not None:
        own = [loss for c in curves if c.trial == asking.trial for loss in c.losses]
        lowest = best(own, asking.step)
        loss = rule.loss_at(reached, others)
        if lowest is not None and loss is not None and lowest > loss:
            return Threshold(loss, reached)
    step = rule.step_after(asking.step)
    return None if step is None else threshold_at(rule, step, others)


def threshold_at(rule: Stepwise, step: int, curves: Sequence[Curve]) -> Threshold:
    """Return the threshold of `step`, `OUT_OF_REACH` if it is not known yet."""
    loss = rule.loss_at(step, curves)
    return Threshold(OUT_OF_REACH if loss is None else loss, step)
