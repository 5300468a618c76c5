"""When to launch trials, in which slots, and when to ask for more: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set

from suggestion.controller.experiment import Limits
from suggestion.controller.trials import Condition, Trial


def parallel(limits: Limits, slots: int) -> int:
    """Return the number of trials that may run at a time."""
    return min(limits.parallel, slots)


def free_slots(slots: int, taken: Set[int]) -> list[int]:
    """Return the numbers of slots that no trial has."""
    return [slot for slot in range(slots) if slot not in taken]


def placements(
    active: Iterable[Trial], busy: int, free: Sequence[int], room: int
) -> Iterator[tuple[Trial, int]]:
    """Yield the trials to launch now, in order of their numbers, each with its slot.

    Args:
        active: All trials that have not ended.
        busy: Trials that run or are being launched; these have a slot.
        free: Slots that no trial has.
        room: Trials that may run at a time.
    """
    waiting = (t for t in active if t.condition is Condition.CREATED and t.slot is None)
    return zip(waiting, free[: max(room - busy, 0)], strict=False)


def shortfall(limits: Limits, slots: int, completed: int, active: int) -> int:
    """Return how many suggestions are missing for every slot to have a trial; at least 0.

    No more are asked for than ``maxTrialCount`` leaves after the trials that have ended.
    """
    required = parallel(limits, slots)
    if limits.trials is not None:
        required = min(required, limits.trials - completed)
    return max(required - active, 0)
