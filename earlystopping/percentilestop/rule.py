"""The percentile stopping rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from suggestion.earlystopping.quantiles import threshold
from suggestion.earlystopping.rule import MAX_STEP, Curve, Threshold
from suggestion.engine.algorithm import register
from suggestion.engine.settings import MOST_TRIALS, setting


@register("percentilestop")
@dataclass(frozen=True, kw_only=True)
class PercentileStop:
    """Stop a trial that is worse than a percentile of the completed ones.

    At report `start_step` a trial stops if its best objective so far is strictly worse than the
    `percentile`, counted from the best, of what the completed trials came to by that report: the
    average, the best or the latest of their values. 50 of averages is `medianstop` [Golovin2017]_;
    25 keeps trials that match the best quarter; 75 stops only trials that would be in the worst
    quarter.
    """

    percentile: float = setting(
        50.0,
        at_least=0,
        at_most=100,
        help="Percentage of completed trials, counted from the best; smaller is stricter.",
    )
    min_trials_required: int = setting(
        3,
        at_least=1,
        at_most=MOST_TRIALS,
        help="Number of completed trials with a usable log before any trial is stopped.",
    )
    start_step: int = setting(
        4, at_least=1, at_most=MAX_STEP, help="Number of the report at which a trial is compared."
    )
    compare: Literal["average", "best", "latest"] = setting(
        "average",
        help="What of a completed trial's reports up to that one a trial is compared with.",
    )

    @property
    def horizon(self) -> int:
        return self.start_step

    def threshold(self, curves: Sequence[Curve]) -> Threshold | None:
        return threshold(
            curves,
            quantile=self.percentile / 100,
            step=self.start_step,
            min_trials_required=self.min_trials_required,
            compare=self.compare,
        )
