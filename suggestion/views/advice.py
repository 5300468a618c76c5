"""What a person can do about an experiment that has ended badly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from suggestion.controller.experiment import Experiment

_GOAL: Final = "ExperimentGoalReached"


def advice(experiment: Experiment, failed: int, first_failures: int | None) -> Iterator[str]:
    """Yield options of ``suggest run`` that help when the cause of failures is fixed.

    Args:
        failed: Trials that failed or have no metrics.
        first_failures: As in `suggestion.controller.state.Policy`.
    """
    if not experiment.done or not failed or experiment.condition()["reason"] == _GOAL:
        return
    trials = "the failed trial" if failed == 1 else f"the {failed} failed trials"
    yield "to go on once the cause is fixed, run the same command with"
    yield f"  --retry-failed  to try {trials} again"
    limit = experiment.limits.failures
    if experiment.condition()["type"] == "Failed":
        if limit is not None and failed >= limit:
            wanted = failed + max(limit, 1)
            yield f"  --set spec.maxFailedTrialCount={wanted}  to go on with new trials"
        elif first_failures is not None:
            yield "  --give-up-after 0  to go on with new trials whatever fails"
    yield "  --fresh  to start again from nothing; what is here is kept aside"
