"""Objectives and bounds of a Ray Tune experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.objectives import Objective, Statements, read_objective, taken_by
from suggestion.tuning.space import Space

_MODES: Final = {"min": "minimize", "max": "maximize"}

#: A metric or a mode; or one for each objective, the main one first.
Metrics: TypeAlias = str | Sequence[str]


def listed(given: Metrics | None) -> str | list[str] | None:
    """Return what Ray takes: a text or a list."""
    return given if given is None or isinstance(given, str) else [*given]


def check_metric(metric: object, mode: object) -> None:
    """Check what is optimised.

    Raises:
        InvalidArgument: If the metrics are no names, a mode is none, or there are not as many.
    """
    broken = []
    names = metric if isinstance(metric, list | tuple) else [metric]
    modes = mode if isinstance(mode, list | tuple) else [mode]
    if metric is not None and (
        not all(isinstance(name, str) and name for name in names)
        or len(set(names)) < max(len(names), 1)
    ):
        rule = f"must be the name of a metric, or a list of different ones, got {metric!r:.80}"
        broken.append(BrokenRule("metric", rule))
    if mode is not None and (not modes or not all(each in _MODES for each in modes)):
        rule = f"must be 'min' or 'max', or a list of them, got {mode!r:.80}"
        broken.append(BrokenRule("mode", rule))
    elif metric is not None and mode is not None:
        listed = isinstance(metric, str), isinstance(mode, str)
        if len(set(listed)) > 1 or len(names) != len(modes):
            rule = f"must have an entry for each metric, got {mode!r:.80} for {metric!r:.80}"
            broken.append(BrokenRule("mode", rule))
    if broken:
        raise InvalidArgument(broken)


def read_goals(
    metric: Metrics, mode: Metrics, constraints: Statements | None, space: Space | None = None
) -> Objective:
    """Return what is optimised, whose metrics are no parameters of `space`.

    Raises:
        InvalidArgument: With every rule that the arguments break.
    """
    names = [metric] if isinstance(metric, str) else metric
    modes = [mode] if isinstance(mode, str) else mode
    goals = {name: _MODES[each] for name, each in zip(names, modes, strict=True)}
    taken = taken_by(() if space is None else space.parameters)
    try:
        return read_objective(None, None, None, goals, constraints, taken)
    except InvalidArgument as error:
        raise InvalidArgument(
            rule._replace(place="metric") if rule.place.startswith("objectives") else rule
            for rule in error.broken
        ) from error
