"""Which trials of an experiment are the best, with all of its objectives and constraints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from suggestion.controller.observation import Objective
from suggestion.controller.trials import JUDGED, Trial

#: What judged trials are compared by, the less the better; see `Objective.standing`.
Standing: TypeAlias = tuple[float, ...]


def standing(trial: Trial, objective: Objective) -> Standing | None:
    """Return what a trial is compared by; None if it cannot be the best.

    It can once it has ended with all objectives.
    """
    return objective.standing(trial.series) if trial.condition in JUDGED else None


def is_judged(trial: Trial, objective: Objective) -> bool:
    """Return whether a trial can be the best."""
    return standing(trial, objective) is not None


def judged(trials: Iterable[Trial], objective: Objective) -> list[tuple[Standing, Trial]]:
    """Return the trials that can be the best, each with what it is compared by."""
    known = ((standing(trial, objective), trial) for trial in trials)
    return [(each, trial) for each, trial in known if each is not None]


def best(trials: Iterable[Trial], objective: Objective) -> Trial | None:
    """Return the best trial by the main objective; of equal ones the first.

    It is feasible if any is, else the least violated one.
    """
    return first(judged(trials, objective))


def first(known: Iterable[tuple[Standing, Trial]]) -> Trial | None:
    """Return the best of judged trials; of equal ones the first."""
    _, trial = min(known, key=lambda pair: pair[0], default=((), None))
    return trial


def front(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Return the trade-off: the feasible trials that no feasible one dominates, in their order.

    With one objective it is the best trial, and those that are equally good.
    """
    from suggestion.problem import tradeoffs  # noqa: PLC0415  (imports NumPy)

    known = [trial for _, trial in judged(trials, objective)]
    if not known:
        return []
    chosen = tradeoffs.front(*_arrays(known, objective))
    return [trial for trial, one in zip(known, chosen.tolist(), strict=True) if one]


def best_first(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Return the trials that can be the best, the best one first.

    With several objectives those of the trade-off come first, then those that only they dominate,
    and so on; among these the main objective decides.
    """
    ordered = sorted(judged(trials, objective), key=lambda pair: pair[0])
    known = [trial for _, trial in ordered]
    if len(objective.objectives) < 2 or not known:
        return known
    from suggestion.problem import tradeoffs  # noqa: PLC0415

    ranks = tradeoffs.ranks(*_arrays(known, objective)).tolist()
    pairs = sorted(zip(ranks, range(len(known)), strict=True))
    return [known[place] for _, place in pairs]


def _arrays(trials: Sequence[Trial], objective: Objective) -> tuple[Any, Any]:
    """Return losses and violations of judged trials, as `tradeoffs` takes them."""
    import numpy as np  # noqa: PLC0415

    losses = [objective.losses(trial.series) for trial in trials]
    violations = [objective.violations(trial.series) for trial in trials]
    return np.array(losses, dtype=float), np.array(violations, dtype=float)
