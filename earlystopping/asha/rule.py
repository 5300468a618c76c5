"""Asynchronous successive halving, as a stopping rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suggestion.earlystopping import ladder
from suggestion.earlystopping.rule import MAX_STEP, Curve, Threshold
from suggestion.earlystopping.stepwise import threshold_at
from suggestion.engine.algorithm import register
from suggestion.engine.settings import setting
from suggestion.problem.errors import Violation


@register("asha")
@dataclass(frozen=True, kw_only=True)
class Asha(ladder.Halving):
    """Let the best 1/eta of the trials continue at each of a ladder of rungs [Li2020]_.

    The rungs are the reports ``r_min``, ``r_min * eta``, ``r_min * eta**2``, ... At a rung a trial
    stops unless its best objective so far is among the best 1/eta of all trials that have reached
    the rung, whether they run, were stopped or succeeded; of n trials, floor(n / eta) continue.

    With several brackets, a trial of bracket b is compared first at ``r_min * eta**b``.

    Unlike the paper, whose trials wait at a rung until they are promoted, a trial continues or ends
    at once; and trials of all brackets are compared with each other.

    .. [Li2020] L. Li, K. Jamieson, A. Rostamizadeh, E. Gonina, J. Ben-tzur, M. Hardt, B. Recht,
       A. Talwalkar. A system for massively parallel hyperparameter tuning. MLSys 2020.
    """

    r_min: int = setting(
        1, at_least=1, at_most=MAX_STEP, help="Number of the report at the lowest rung."
    )
    eta: float = ladder.eta_setting()
    brackets: int = setting(
        1,
        at_least=1,
        at_most=32,
        help="Number of rungs from which trials begin to be compared, in Hyperband's proportions.",
    )

    def violations(self) -> Iterator[Violation]:
        """Yield the rule that `brackets` breaks, if it breaks one."""
        most = len(self.rungs)
        if self.brackets > most:
            text = (
                f"setting 'brackets' must be at most {most}, the number of rungs up to report "
                f"{MAX_STEP}, got {self.brackets}"
            )
            yield Violation(("settings", "brackets"), text)

    @property
    def rungs(self) -> tuple[int, ...]:
        """All rungs, in ascending order."""
        return ladder.upwards(self.r_min, self.eta)

    @property
    def horizon(self) -> int:
        return self.rungs[self.brackets - 1]

    def threshold(self, curves: Sequence[Curve]) -> Threshold | None:
        """Return the threshold of the first rung of the trials created next.

        Their bracket follows from the number of curves.
        """
        first = ladder.bracket(len(curves), self.brackets, self.eta)
        return threshold_at(self, self.rungs[first], curves)

    def step_at(self, step: int) -> int | None:
        place = bisect_right(self.rungs, step)
        return self.rungs[place - 1] if place else None
