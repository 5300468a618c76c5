"""The median stopping rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from suggestion.earlystopping.quantiles import threshold
from suggestion.earlystopping.rule import MAX_STEP, Curve, Threshold
from suggestion.engine.algorithm import register
from suggestion.engine.settings import MOST_TRIALS, setting


@register("medianstop")
@dataclass(frozen=True, kw_only=True)
class MedianStop:
    """Stop a trial that is worse than half of the completed ones were on average [Golovin2017]_.

    At report `start_step`, and at every later one where the runner asks again, a trial stops if
    its best objective so far is strictly worse than the median, over the completed trials, of the
    running average of the objective up to that report.

    Unlike the paper, which compares at every step, a trial whose runner asks once is compared once:
    a rule of the API cannot express more.

    .. [Golovin2017] D. Golovin, B. Solnik, S. Moitra, G. Kochanski, J. Karro, D. Sculley. Google
       Vizier: a service for black-box optimization. KDD 2017, section 3.2.
    """

    unfinished: ClassVar[bool] = False

    min_trials_required: int = setting(
        3,
        at_least=1,
        at_most=MOST_TRIALS,
        help="Number of completed trials with a usable log before any trial is stopped.",
    )
    start_step: int = setting(
        4,
        at_least=1,
        at_most=MAX_STEP,
        help="Number of the report at which a trial is first compared.",
    )

    @property
    def horizon(self) -> int:
        return self.start_step

    def threshold(self, curves: Sequence[Curve]) -> Threshold | None:
        loss = self.loss_at(self.start_step, curves)
        return None if loss is None else Threshold(loss, self.start_step)

    def step_at(self, step: int) -> int | None:
        return step if step >= self.start_step else None

    def step_after(self, step: int) -> int | None:
        # Beyond 2,000 reports, at every 0.1 %: whole logs of all trials are read for each step.
        after = max(step + max(1, step // 1000), self.start_step)
        return after if after <= MAX_STEP else None

    def loss_at(self, step: int, curves: Sequence[Curve]) -> float | None:
        found = threshold(
            curves, quantile=0.5, step=step, min_trials_required=self.min_trials_required
        )
        return None if found is None else found.loss
