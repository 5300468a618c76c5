"""Which trials are the best, with all objectives and constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from suggestion.problem.standing import standing as compared
from suggestion.tuning.trials import State, Trial

_JUDGED: Final = (State.SUCCEEDED, State.STOPPED)


def standing(trial: Trial, directions: Mapping[str, bool]) -> tuple[float, ...] | None:
    """Return what tells which trial is better: the one with the least; None without all objectives.

    Args:
        directions: The objectives, the main one first: by name, whether more is better.
    """
    if trial.state not in _JUDGED or not trial.objectives:
        return None
    return compared(_losses(trial, directions), [*trial.violations.values()])


def best_first(trials: Sequence[Trial], directions: Mapping[str, bool]) -> list[Trial]:
    """Return the trials with all objectives, in the order of `standing`."""
    ranked = [(found, t) for t in trials if (found := standing(t, directions)) is not None]
    return [trial for _, trial in sorted(ranked, key=lambda pair: pair[0])]


def best(trials: Sequence[Trial], directions: Mapping[str, bool]) -> Trial | None:
    """Return the best trial by the main objective; of equal ones the first.

    It is feasible if any is, else the least violated one.
    """
    return next(iter(best_first(trials, directions)), None)


def front(trials: Sequence[Trial], directions: Mapping[str, bool]) -> list[Trial]:
    """Return the trade-off: the feasible trials that no feasible one dominates, in their order.

    With one objective it is the best trial, and those that are equally good.
    """
    known = [t for t in trials if t.feasible and standing(t, directions) is not None]
    if not known:
        return []
    import numpy as np  # noqa: PLC0415

    from suggestion.problem import tradeoffs  # noqa: PLC0415

    losses = np.array([_losses(trial, directions) for trial in known])
    return [t for t, one in zip(known, tradeoffs.nondominated(losses), strict=True) if one]


def _losses(trial: Trial, directions: Mapping[str, bool]) -> list[float]:
    return [
        -trial.objectives[name] if maximize else trial.objectives[name]
        for name, maximize in directions.items()
    ]
