"""Hyperband, as a stopping rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suggestion.earlystopping import ladder
from suggestion.earlystopping.rule import MAX_STEP, Curve, Threshold
from suggestion.earlystopping.stepwise import OUT_OF_REACH, threshold_at
from suggestion.engine.algorithm import register
from suggestion.engine.settings import REQUIRED, setting
from suggestion.problem.errors import Violation


@register("hyperband")
@dataclass(frozen=True, kw_only=True)
class Hyperband(ladder.Halving):
    """Halve trials successively, in brackets that begin to do so earlier or later [Li2018]_.

    The rungs are the reports ``r_l / eta**s`` that are at least ``r_min``. At a rung a trial stops
    unless its best objective so far is among the best 1/eta of all trials that have reached the
    rung, as with `asha`. There is a bracket for each rung at which trials can be compared first,
    and one whose trials are never stopped; trials are spread over them in the paper's proportions.

    Unlike the paper, whose brackets run one after the other and whose trials wait for each other at
    a rung, brackets are mixed, a trial continues or ends at once, and trials of all brackets are
    compared with each other.

    .. [Li2018] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh, A. Talwalkar. Hyperband: a novel
       bandit-based approach to hyperparameter optimization. JMLR 18, 2018, algorithm 1.
    """

    r_l: int = setting(
        REQUIRED,
        at_least=1,
        at_most=MAX_STEP,
        help="Number of reports that a trial makes if it is not stopped.",
    )
    r_min: int = setting(
        1, at_least=1, at_most=MAX_STEP, help="Least number of the report at the lowest rung."
    )
    eta: float = ladder.eta_setting()

    def violations(self) -> Iterator[Violation]:
        """Yield the rule that `r_l` breaks, if it breaks one."""
        if not self.rungs:
            text = (
                f"setting 'r_l' must be at least r_min * eta = {self.r_min * self.eta:g}, "
                f"so that there is a rung, got {self.r_l}"
            )
            yield Violation(("settings", "r_l"), text)

    @property
    def rungs(self) -> tuple[int, ...]:
        """All rungs, in ascending order."""
        return ladder.downwards(self.r_l, self.r_min, self.eta)

    @property
    def horizon(self) -> int:
        return self.rungs[-1]

    def threshold(self, curves: Sequence[Curve]) -> Threshold | None:
        """Return the threshold of the first rung of the trials created next.

        Their bracket follows from the number of curves.
        """
        rungs = self.rungs
        first = ladder.bracket(len(curves), len(rungs) + 1, self.eta)
        if first == len(rungs):
            return Threshold(OUT_OF_REACH, self.r_l)
        return threshold_at(self, rungs[first], curves)

    def step_at(self, step: int) -> int | None:
        place = bisect_right(self.rungs, step)
        return self.rungs[place - 1] if place and step < self.r_l else None
